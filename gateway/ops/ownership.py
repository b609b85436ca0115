"""What a key of store operations may touch: geofences that have one of its tags, and offers that reach no others.

Every write of the catalog passes here, so that imports, bulk tagging and single documents are held to the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from gateway.catalog.snapshot import Snapshot
from gateway.errors import Forbidden
from gateway.store.catalog import Change, Kind
from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT
from rules.offers import Offer

_NOTHING: frozenset[str] = frozenset()


class _Properties(msgspec.Struct, frozen=True):
    tags: frozenset[str] = _NOTHING


class _Feature(msgspec.Struct, frozen=True):
    properties: _Properties = _Properties()


_feature = msgspec.json.Decoder(_Feature).decode


async def held_to_own(request: web.Request, changes: Sequence[Change]) -> Sequence[Change]:
    """The changes as the caller may make them: any key without tags, all; one with tags, only to its own geofences.

    Such a change holds for the very version that was looked at. Raises Forbidden, which names the first foreign one.
    """
    tags = request[IDENTITY].tags
    if not tags:
        return changes
    catalog = request.app[CONTEXT].catalog
    await catalog.refresh()
    return [_held_to_own(change, tags, catalog.current) for change in changes]


def _held_to_own(change: Change, tags: frozenset[str], snapshot: Snapshot) -> Change:
    if change.kind is not Kind.GEOFENCE:
        return change
    before = snapshot.index.get(change.id)
    if before is not None and before.tags.isdisjoint(tags):
        raise _foreign(f"the geofence {change.id!r} has none of your tags", tags)
    if change.body is not None and _feature(change.body).properties.tags.isdisjoint(tags):
        raise _foreign(f"the geofence {change.id!r} would have none of your tags", tags)
    if change.expected is not None:
        return change
    return msgspec.structs.replace(change, expected=0 if before is None else before.version)


def refuse_foreign_offer(request: web.Request, offer: Offer) -> None:
    """Raise Forbidden where a caller with tags asks for an offer that reaches a store which is not his own."""
    tags = request[IDENTITY].tags
    if not tags:
        return
    index = request.app[CONTEXT].catalog.current.index
    named = (index.get(geofence_id) for geofence_id in offer.targets.geofences)
    has_foreign = any(geofence is None or geofence.tags.isdisjoint(tags) for geofence in named)
    if offer.targets.all or has_foreign or not tags.issuperset(offer.targets.tags):
        raise _foreign(f"the offer {offer.id!r} also reaches stores without your tags", tags)


def _foreign(what: str, tags: frozenset[str]) -> Forbidden:
    return Forbidden(f"{what}; yours are {', '.join(sorted(tags))}", tags=sorted(tags))
