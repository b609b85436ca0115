from __future__ import annotations

import pytest

from gateway.errors import NotFound
from gateway.store import Store
from gateway.store.audit import AuditEntry
from gateway.store.catalog import Change, Kind
from gateway.store.history import Difference

GEOFENCE, OFFER = Kind.GEOFENCE, Kind.OFFER


async def documents(store: Store) -> dict[str, bytes]:
    return {document.id: document.body for document in (await store.catalog.load_all()).documents}


async def eventful(store: Store) -> None:
    """Versions 1 to 5: put s1 s2, change s1, delete s2, put o1, change s1 again."""
    await store.catalog.commit([Change(kind=GEOFENCE, id=s, body=b"1") for s in ("s1", "s2")], at_ms=1, author="ann")
    await store.catalog.put(GEOFENCE, "s1", b"2", at_ms=2, author="bob")
    await store.catalog.delete(GEOFENCE, "s2", at_ms=3, author="bob")
    await store.catalog.put(OFFER, "o1", b"offer", at_ms=4, author="ann")
    await store.catalog.put(GEOFENCE, "s1", b"3", at_ms=5, author="ann")


async def test_versions_say_who_changed_how_much_and_when(store: Store) -> None:
    await eventful(store)
    versions = await store.history.versions(limit=3)
    assert [(v.version, v.at_ms, v.author, v.changes) for v in versions] == [
        (5, 5, "ann", 1),
        (4, 4, "ann", 1),
        (3, 3, "bob", 1),
    ]
    assert [v.version for v in await store.history.versions(before=3)] == [2, 1]


async def test_a_diff_names_what_differs_however_it_came_about(store: Store) -> None:
    await eventful(store)
    assert await store.history.diff(1, 5) == [
        Difference(GEOFENCE, "s1", 1, 5),
        Difference(GEOFENCE, "s2", 1, None),
        Difference(OFFER, "o1", None, 4),
    ]
    assert await store.history.diff(5, 5) == []
    assert await store.history.diff(0, 1) == [Difference(GEOFENCE, "s1", None, 1), Difference(GEOFENCE, "s2", None, 1)]


@pytest.mark.parametrize(("version", "body"), [(1, b"1"), (2, b"2"), (3, b"2"), (4, b"2"), (5, b"3")])
async def test_a_document_can_be_read_as_it_was(store: Store, version: int, body: bytes) -> None:
    await eventful(store)
    assert (await store.history.document(GEOFENCE, "s1", version)).body == body


async def test_what_was_not_there_yet_is_not_found(store: Store) -> None:
    await eventful(store)
    for kind, document_id, version in ((OFFER, "o1", 3), (GEOFENCE, "s2", 4), (GEOFENCE, "s9", 5), (GEOFENCE, "s1", 0)):
        with pytest.raises(NotFound):
            await store.history.document(kind, document_id, version)


async def test_a_rollback_is_a_new_version_that_equals_the_old(store: Store) -> None:
    await eventful(store)
    assert await store.history.rollback(1, at_ms=6, author="carl") == 6
    assert await documents(store) == {"s1": b"1", "s2": b"1"}
    changes = await store.catalog.changes_since(5)
    assert {d.id for d in changes.documents} == {"s1", "s2"}
    assert changes.removed == ((OFFER, "o1"),)
    assert await store.history.rollback(5, at_ms=7, author="carl") == 7
    assert await documents(store) == {"s1": b"3", "o1": b"offer"}
    assert (await store.history.versions(limit=1))[0].note == "rollback to version 5"
    assert await store.history.rollback(7, at_ms=8, author="carl") == 7, "nothing to change is no version"


async def test_a_version_that_never_was_or_is_long_gone_costs_nothing_to_ask_for(store: Store) -> None:
    """Two numbers far apart are refused before a single version between them is read."""
    await eventful(store)
    with pytest.raises(NotFound, match="there is no catalog version"):
        await store.history.diff(0, 10**15)
    await store.connection.call("SET", "gp:{catalog}:version", 10**15)
    await store.connection.call("SET", "gp:{catalog}:forgotten", 10**15 - 500)
    with pytest.raises(NotFound, match="is too long ago"):
        await store.history.diff(0, 10**15)
    with pytest.raises(NotFound, match="is too long ago"):
        await store.history.document(Kind.OFFER, "o1", 5)
    assert await store.history.versions(before=10**18, limit=5) == []


async def test_forgotten_versions_leave_no_body_and_do_not_harm_the_present(store: Store) -> None:
    await eventful(store)
    await store.history.rollback(2, at_ms=6, author="carl")
    await store.history.prune(kept=2)
    assert await documents(store) == {"s1": b"2", "s2": b"1"}
    assert [v.version for v in await store.history.versions()] == [6, 5]
    with pytest.raises(NotFound, match="too long ago"):
        await store.history.rollback(3, at_ms=7, author="carl")
    await store.history.prune(kept=0)
    assert len(await store.connection.call("KEYS", "*:body:*")) == 2
    assert (await store.catalog.changes_since(1)).is_complete


async def test_the_audit_log_is_read_newest_first_page_by_page(store: Store) -> None:
    for n in range(5):
        await store.audit.record(AuditEntry(at_ms=n, who="ann", action="put", what=f"offers/o{n}", after={"n": n}))
    first, cursor = await store.audit.page(limit=3)
    assert [entry.what for entry in first] == ["offers/o4", "offers/o3", "offers/o2"]
    second, end = await store.audit.page(before=cursor, limit=3)
    assert [entry.after for entry in second] == [{"n": 1}, {"n": 0}]
    assert end == ""


async def test_bodies_that_were_never_committed_are_swept_away(store: Store) -> None:
    await eventful(store)
    young = store.catalog.upload(at_ms=1, author="ann")
    await young.add([Change(kind=Kind.GEOFENCE, id="s9", body=b"9"), Change(kind=Kind.OFFER, id="o9", body=b"9")])
    await store.connection.call("HSET", "gp:{catalog}:staged", "dead", "1000 2")
    await store.connection.call("MSET", "gp:{catalog}:body:dead-0", "x", "gp:{catalog}:body:dead-1", "y")
    await store.history.sweep(at_ms=10_000_000)
    assert await store.connection.call("KEYS", "*:body:dead*") == []
    assert await store.connection.call("HLEN", "gp:{catalog}:staged") == 1, "a young upload may still be committed"
    assert await documents(store) == {"s1": b"3", "o1": b"offer"}


async def test_a_large_version_keeps_its_changes_in_parts_which_are_forgotten_with_it(store: Store) -> None:
    changes = [Change(kind=GEOFENCE, id=f"s{n}", body=b"1") for n in range(1200)]
    await store.catalog.commit(changes)
    await store.catalog.commit([Change(kind=GEOFENCE, id=f"s{n}", body=None) for n in range(1100)])
    parts = sorted(await store.connection.call("KEYS", "gp:{catalog}:changes:*:*"))
    assert len(parts) == 6
    assert [await store.connection.call("PTTL", part) for part in parts] == [-1] * 6, "carried out, they are kept"
    assert [v.changes for v in await store.history.versions()] == [1100, 1200]
    assert len(await store.history.diff(1, 2)) == 1100
    await store.history.prune(kept=0)
    assert await store.connection.call("KEYS", "gp:{catalog}:changes:*") == []
    assert len(await documents(store)) == 100


async def test_parts_of_a_large_commit_that_was_refused_go_by_themselves(store: Store) -> None:
    changes = [Change(kind=GEOFENCE, id=f"s{n}", body=b"1") for n in range(1200)]
    with pytest.raises(NotFound):
        await store.catalog.commit([*changes, Change(kind=OFFER, id="none", body=None)])
    parts = await store.connection.call("KEYS", "gp:{catalog}:changes:*")
    assert all([await store.connection.call("PTTL", part) > 0 for part in parts])
    assert await store.catalog.commit([*changes]) == 1
