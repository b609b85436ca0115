"""Compiling turns stored documents into a snapshot, in whole or by what changed, and loses nothing to one bad one."""

from __future__ import annotations

import msgspec

from gateway.catalog.compiling import BRAND_POLICY_ID, compile_changes, with_offers
from gateway.catalog.snapshot import Snapshot
from gateway.store.catalog import CatalogChanges, Document, Kind
from geofences.covering import cover
from geofences.importing import parse_feature
from geofences.model import Geofence
from geofences.transitions import Policy
from rules.hours import holidays_of
from rules.offers import Status, parse_offer
from rules.places import _countries
from tests.journeys.conftest import INSIDE, SQUARE, offer


def geofence(id_: str, version: int = 1, **properties: object) -> Document:
    feature = SQUARE | {"id": id_, "properties": SQUARE["properties"] | properties}
    parsed = parse_feature(feature)
    assert isinstance(parsed, Geofence)
    covering = cover(parsed.shape).to_bytes()
    return Document(kind=Kind.GEOFENCE, id=id_, version=version, body=msgspec.json.encode(feature), extra=covering)


def offers(**changes: object) -> Document:
    return Document(kind=Kind.OFFER, id="coffee", version=1, body=msgspec.json.encode(offer(**changes)))


def changes(version: int, *documents: Document, removed: tuple[tuple[Kind, str], ...] = ()) -> CatalogChanges:
    return CatalogChanges(version=version, is_complete=version == 1, documents=documents, removed=removed)


def test_changes_give_what_compiling_everything_gives() -> None:
    """A geofence and an offer put, another geofence removed: as if the catalog had been compiled anew."""
    first = compile_changes(None, changes(1, geofence("a"), geofence("b")), Policy.DEFAULT)
    assert first.index.locate(*INSIDE) == ("a", "b")
    second = compile_changes(
        first, changes(2, geofence("c", 2), offers(), removed=((Kind.GEOFENCE, "a"),)), Policy.DEFAULT
    )
    assert (second.version, second.index.locate(*INSIDE)) == (2, ("b", "c"))
    assert [one.id for one in second.rulebook] == ["coffee"]
    assert first.index.locate(*INSIDE) == ("a", "b")


def test_a_document_that_cannot_be_read_any_more_costs_only_itself() -> None:
    """The others are compiled."""
    broken = Document(kind=Kind.GEOFENCE, id="x", version=1, body=b'{"type":"Feature"}')
    snapshot = compile_changes(None, changes(1, geofence("a"), broken, geofence("b")), Policy.DEFAULT)
    assert snapshot.index.locate(*INSIDE) == ("a", "b")


def test_the_engine_is_asked_only_for_what_live_offers_wait_for() -> None:
    """A draft asks for nothing; the same offer tried as active brings its dwell, its halo or its visits."""
    snapshot = compile_changes(None, changes(1, geofence("cafe"), offers(status="draft")), Policy.DEFAULT)
    assert (snapshot.policy.dwells_s, snapshot.halos_m, snapshot.stores) == ((), {}, None)

    def tried(**trigger: object) -> Snapshot:
        document = parse_offer(offer(trigger=trigger))
        return with_offers(snapshot, [msgspec.structs.replace(document, status=Status.ACTIVE)])

    assert tried(type="dwell", dwell_s=60).policy.dwells_s == (60,)
    assert tried(type="nearby", nearby_m=100).halos_m == {"cafe": 150.0}
    visiting = tried(type="visit", min_probability=0.8)
    assert visiting.stores is not None
    assert len(visiting.stores) == 1
    assert visiting.visits.confirm_at == (0.8,)


def test_maps_and_holidays_are_at_hand_before_anything_is_served() -> None:
    _countries.cache_clear()
    holidays_of.cache_clear()
    compile_changes(None, changes(1), Policy.DEFAULT)
    assert (_countries.cache_info().currsize, holidays_of.cache_info().currsize) == (1, 1)


def test_a_policy_that_was_removed_gives_way_to_the_defaults() -> None:
    """Every default is a document's absence."""
    body = b'{"quiet_hours": {"enabled": false}}'
    policy = Document(kind=Kind.POLICY, id=BRAND_POLICY_ID, version=1, body=body)
    first = compile_changes(None, changes(1, policy), Policy.DEFAULT)
    assert not first.rulebook.policy.quiet_hours.enabled
    second = compile_changes(first, changes(2, removed=((Kind.POLICY, BRAND_POLICY_ID),)), Policy.DEFAULT)
    assert second.rulebook.policy.quiet_hours.enabled
