from __future__ import annotations

import asyncio

import pytest

from gateway.errors import NotFound, PreconditionFailed
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.catalog import Change, Kind
from tests.patience import PATIENCE_S

GEOFENCE, OFFER = Kind.GEOFENCE, Kind.OFFER


async def test_a_document_is_what_was_put_at_the_version_that_put_it(store: Store) -> None:
    version = await store.catalog.put(GEOFENCE, "s1", b'{"a":1}', extra=b"\x00cover\xff", at_ms=7, author="key-1")
    assert version == 1
    document = await store.catalog.get(GEOFENCE, "s1")
    assert document is not None
    assert (document.version, document.body, document.extra) == (1, b'{"a":1}', b"\x00cover\xff")
    assert (document.at_ms, document.author) == (7, "key-1")
    assert await store.catalog.get(OFFER, "s1") is None


async def test_a_version_is_never_given_twice(store: Store) -> None:
    first = await store.catalog.put(GEOFENCE, "s1", b"1")
    await store.catalog.delete(GEOFENCE, "s1")
    assert await store.catalog.put(GEOFENCE, "s1", b"2") > first + 1


@pytest.mark.parametrize(("expected", "works"), [(None, True), (1, True), (0, False), (2, False)])
async def test_a_conditional_write_needs_the_present_version(store: Store, expected: int | None, works: bool) -> None:
    await store.catalog.put(GEOFENCE, "s1", b"old")
    if works:
        assert await store.catalog.put(GEOFENCE, "s1", b"new", expected=expected) == 2
    else:
        with pytest.raises(PreconditionFailed):
            await store.catalog.put(GEOFENCE, "s1", b"new", expected=expected)
        document = await store.catalog.get(GEOFENCE, "s1")
        assert document is not None
        assert document.body == b"old"


async def test_deleting_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="geofence 's1'"):
        await store.catalog.delete(GEOFENCE, "s1")
    assert await store.catalog.version() == 0


async def test_of_many_changes_all_happen_or_none(store: Store) -> None:
    await store.catalog.put(GEOFENCE, "s5", b"old")
    changes = [Change(kind=GEOFENCE, id=f"s{n}", body=b"new", expected=0) for n in range(10)]
    with pytest.raises(PreconditionFailed) as refused:
        await store.catalog.commit(changes)
    assert refused.value.extra == {"index": 5, "version": 1}
    assert await store.catalog.count(GEOFENCE) == 1
    assert await store.catalog.version() == 1
    assert len(await store.connection.call("KEYS", "*:body:*")) == 1


async def test_of_two_hundred_writers_who_read_the_same_version_one_wins(store: Store) -> None:
    version = await store.catalog.put(OFFER, "o1", b"0")
    results = await asyncio.gather(
        *(store.catalog.put(OFFER, "o1", b"%d" % n, expected=version) for n in range(200)), return_exceptions=True
    )
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, PreconditionFailed) for result in results) == 199


async def test_lists_come_in_order_of_id_page_by_page(store: Store) -> None:
    await store.catalog.commit([Change(kind=GEOFENCE, id=f"s{n:03}", body=b"x") for n in range(450)])
    ids: list[str] = []
    while page := await store.catalog.list(GEOFENCE, after=ids[-1] if ids else "", limit=200):
        ids += [document.id for document in page]
    assert ids == [f"s{n:03}" for n in range(450)]
    await store.catalog.delete(GEOFENCE, "s000")
    assert (await store.catalog.list(GEOFENCE, limit=1))[0].id == "s001"


async def test_a_follower_gets_exactly_the_difference(store: Store) -> None:
    await store.catalog.commit([Change(kind=GEOFENCE, id=f"s{n}", body=b"1") for n in range(3)])
    held = await store.catalog.load_all()
    assert (held.version, held.is_complete, len(held.documents)) == (1, True, 3)
    await store.catalog.put(GEOFENCE, "s1", b"2")
    await store.catalog.put(GEOFENCE, "s1", b"3")
    await store.catalog.put(OFFER, "o1", b"offer")
    await store.catalog.delete(GEOFENCE, "s2")
    changes = await store.catalog.changes_since(held.version)
    assert (changes.version, changes.is_complete) == (5, False)
    assert {(d.kind, d.id, d.version, d.body) for d in changes.documents} == {
        (GEOFENCE, "s1", 3, b"3"),
        (OFFER, "o1", 4, b"offer"),
    }
    assert changes.removed == ((GEOFENCE, "s2"),)
    nothing = await store.catalog.changes_since(5)
    assert (nothing.version, nothing.documents, nothing.removed) == (5, (), ())


async def test_a_follower_too_far_behind_or_ahead_gets_everything(store: Store) -> None:
    for n in range(3):
        await store.catalog.put(OFFER, f"o{n}", b"x")
    await store.connection.call("DEL", "gp:{catalog}:changes:2")
    for version in (1, 99):
        changes = await store.catalog.changes_since(version)
        assert changes.is_complete
        assert len(changes.documents) == 3


async def test_a_new_version_is_heard_of(store: Store) -> None:
    async with store.catalog.subscribe() as news:
        assert await news.wait(0.01) is None
        version = await store.catalog.put(OFFER, "o1", b"x")
        assert await news.wait(PATIENCE_S) == version


def many(body: bytes, count: int = 1200) -> list[Change]:
    return [Change(kind=GEOFENCE, id=f"s{n}", body=body) for n in range(count)]


async def test_a_large_commit_is_one_version_with_all_or_nothing(store: Store) -> None:
    await store.catalog.put(OFFER, "o1", b"x")
    version = await store.catalog.commit([*many(b"1"), Change(kind=OFFER, id="o1", body=None)], author="ann")
    assert version == 2
    held = await store.catalog.load_all()
    assert (held.version, len(held.documents), {d.version for d in held.documents}) == (2, 1200, {2})
    with pytest.raises(PreconditionFailed) as refused:
        await store.catalog.commit([*many(b"2"), Change(kind=OFFER, id="o2", body=b"", expected=7)])
    assert refused.value.extra == {"index": 1200, "version": 0}
    assert (await store.catalog.load_all()).version == 2
    assert len(await store.connection.call("KEYS", "*:body:*")) == 1201
    changes = await store.catalog.changes_since(1)
    assert (len(changes.documents), changes.removed) == (1200, ((OFFER, "o1"),))


async def test_readers_never_see_half_of_a_large_commit(store: Store, settings: Settings) -> None:
    """Small and large commits contend, and every snapshot holds one of them, whole."""
    other = await Store.open(settings)
    await store.catalog.commit(many(b"0"))

    async def write(worker: Store, number: int) -> None:
        await worker.catalog.commit(many(b"%d" % number))
        await worker.catalog.put(OFFER, f"o{number}", b"%d" % number)

    async def read(worker: Store, done: asyncio.Event) -> int:
        reads = 0
        while not done.is_set():
            held = await worker.catalog.load_all()
            assert len({d.body for d in held.documents if d.kind is GEOFENCE}) == 1
            reads += 1
        return reads

    done = asyncio.Event()
    reading = asyncio.gather(read(store, done), read(other, done))
    await asyncio.gather(*(write(store if n % 2 else other, n) for n in range(1, 5)))
    done.set()
    assert min(await reading) > 0
    assert await store.catalog.version() == 9
    await other.close()


async def test_a_large_commit_whose_author_died_is_carried_out_by_the_next_one(store: Store) -> None:
    await store.rescue.stop()
    await store.catalog.commit(many(b"0"))

    class Died(Exception):
        pass

    async def die() -> None:
        raise Died

    store.catalog._pointers.carry_out = die  # type: ignore[method-assign]
    with pytest.raises(Died):
        await store.catalog.commit(many(b"1"))
    del store.catalog._pointers.carry_out
    assert await store.catalog.version() == 1, "settled, and not yet published"
    assert await store.catalog.put(OFFER, "o1", b"x") == 3
    held = await store.catalog.load_all()
    assert {d.body for d in held.documents} == {b"1", b"x"}


async def test_a_large_commit_that_died_before_it_was_settled_blocks_nobody_for_long(store: Store) -> None:
    await store.connection.call("SET", "gp:{catalog}:plan", "dead", "PX", 300)
    assert await store.catalog.put(OFFER, "o1", b"x") == 1


async def test_a_commit_whose_author_died_is_carried_out_though_nobody_commits_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.rescue.PERIOD_S", 0.05)
    await store.rescue.stop()
    await store.catalog.commit(many(b"0"))
    monkeypatch.setattr(store.catalog._pointers, "carry_out", store.ping)
    await store.catalog.commit(many(b"1"))
    monkeypatch.undo()
    monkeypatch.setattr("gateway.store.rescue.PERIOD_S", 0.05)
    async with store.catalog.subscribe() as news:
        store.rescue.start()
        assert await news.wait(PATIENCE_S) == 2
    assert {d.body for d in (await store.catalog.load_all()).documents} == {b"1"}
