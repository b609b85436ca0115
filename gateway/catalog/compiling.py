"""From stored documents to a snapshot: everything that is slow happens here, in a thread, never on the ping path.

Documents were validated when they were stored and coverings computed then, so compiling only decodes and indexes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import msgspec

from gateway.catalog.snapshot import Snapshot
from gateway.logs import Log
from gateway.store.catalog import CatalogChanges, Document, Kind
from geofences.covering import Covering
from geofences.importing import restore_features
from geofences.index import GeofenceIndex
from geofences.model import Geofence, TransitionKind
from geofences.policy import NEARBY_REARM
from geofences.storefield import StoreField
from geofences.transitions import Policy
from geofences.visits import VisitSettings
from rules.offers import Offer, decode_offer
from rules.policy import BrandPolicy, parse_policy
from rules.rulebook import Rulebook
from rules.stores import load_maps

BRAND_POLICY_ID = "brand"
"""The one document of kind POLICY."""

_log = Log("catalog")


def compile_changes(before: Snapshot | None, changes: CatalogChanges, policy: Policy) -> Snapshot:
    """The snapshot of ``changes.version``. ``before`` None, or complete changes, build it from nothing."""
    geofences = _entries([document for document in changes.documents if document.kind is Kind.GEOFENCE])
    offers = [_offer(document) for document in changes.documents if document.kind is Kind.OFFER]
    brand = next((parse_policy(d.body) for d in changes.documents if d.kind is Kind.POLICY), None)
    gone = {kind: [id_ for k, id_ in changes.removed if k is kind] for kind in Kind}
    if before is None or changes.is_complete:
        load_maps()  # here, at the start, nobody waits for the event loop yet
        before, index = None, GeofenceIndex.build(geofences)
        rulebook = Rulebook.build(offers, index, brand or BrandPolicy())
    else:
        index = before.index
        if geofences or gone[Kind.GEOFENCE]:
            index = index.updated(geofences, gone[Kind.GEOFENCE])
        if gone[Kind.POLICY] and brand is None:
            brand = BrandPolicy()
        rulebook = before.rulebook.updated(offers, gone[Kind.OFFER], index, brand)
    policy = _asked(policy, rulebook)
    halos_m = _halos_m(policy, index, rulebook)
    if halos_m != (before.halos_m if before else {}):
        index = index.watching(halos_m)
    stores = _stores(before, index, rulebook, geofences, gone[Kind.GEOFENCE])
    return Snapshot(changes.version, index, rulebook, policy, halos_m, stores, _visits(rulebook))


def _visits(rulebook: Rulebook) -> VisitSettings:
    """Visit attribution that tells each probability that a live offer waits for."""
    asked = {o.trigger.min_probability for o in rulebook if o.is_live and o.trigger.type is TransitionKind.VISIT}
    return VisitSettings(confirm_at=tuple(sorted(asked)))


def _stores(
    before: Snapshot | None,
    index: GeofenceIndex,
    rulebook: Rulebook,
    put: list[tuple[Geofence, Covering]],
    removed: list[str],
) -> StoreField | None:
    """The field that visits are attributed in, while a live offer waits for visits."""
    if not rulebook.wants_visits:
        return None
    if before is None or before.stores is None:
        return StoreField.build(index)
    return before.stores.updated((geofence for geofence, _ in put), removed) if put or removed else before.stores


def with_offers(before: Snapshot, offers: Iterable[Offer]) -> Snapshot:
    """A snapshot in which ``offers`` are put as well, for a simulation; it is never swapped in."""
    rulebook = before.rulebook.updated(offers)
    policy = _asked(before.policy, rulebook)
    halos_m = _halos_m(policy, before.index, rulebook)
    index = before.index.watching(halos_m) if halos_m != before.halos_m else before.index
    return Snapshot(
        before.version, index, rulebook, policy, halos_m, _stores(before, index, rulebook, [], []), _visits(rulebook)
    )


def _asked(policy: Policy, rulebook: Rulebook) -> Policy:
    """The presence policy with the thresholds that live offers wait for, so that the engine tells no others."""
    triggers = [offer.trigger for offer in rulebook if offer.is_live]
    return dataclasses.replace(
        policy,
        dwells_s=tuple(t.dwell_s for t in triggers if t.type is TransitionKind.DWELL and t.dwell_s),
        nearby_m=tuple(t.nearby_m for t in triggers if t.type is TransitionKind.NEARBY and t.nearby_m),
        is_pass_by_told=any(t.type is TransitionKind.PASS_BY for t in triggers),
    )


def _halos_m(policy: Policy, index: GeofenceIndex, rulebook: Rulebook) -> dict[str, float]:
    """How far around each geofence live offers ask the engine to look; empty when none does."""
    if not policy.nearby_m and not policy.is_pass_by_told:
        return {}
    halos_m = {id_: reach_m * NEARBY_REARM for id_, reach_m in rulebook.nearby_reach_m(index).items()}
    for id_ in rulebook.passed_by(index):
        halos_m[id_] = max(halos_m.get(id_, 0.0), policy.pass_by_max_m)
    return halos_m


def _entries(documents: Sequence[Document]) -> list[tuple[Geofence, Covering]]:
    """The geofences with their coverings; one that this version cannot read any more is left out, loudly."""
    try:
        restored = restore_features([(document.body, document.version) for document in documents])
    except msgspec.DecodeError as error:
        if len(documents) == 1:
            _log.error("stored geofence cannot be read and is left out", geofence_id=documents[0].id, detail=str(error))
            return []
        return [entry for document in documents for entry in _entries([document])]
    return [(g, Covering.from_bytes(d.extra)) for g, d in zip(restored, documents, strict=True)]


def _offer(document: Document) -> Offer:
    return msgspec.structs.replace(decode_offer(document.body), id=document.id, version=document.version)
