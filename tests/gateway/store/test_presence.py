from __future__ import annotations

import asyncio

import pytest

from gateway.clock import now_ms
from gateway.settings import Settings
from gateway.store import Store, keys
from gateway.store.presence import PresenceChange
from gateway.store.present import NO_NEWS
from geofences.h3grid import cell_of
from geofences.presence import Motion, Presence, Standing, Stay
from tests.gateway.store.conftest import PARTITIONS
from tests.patience import PATIENCE_S, until

HERE = (60.1699, 24.9384)


def inside(geofence_id: str = "s1", at_ms: int = 0, here: tuple[float, float] = HERE) -> Presence:
    at_ms = at_ms or now_ms()
    stay = Stay(geofence_id, 1, Standing.INSIDE, at_ms, 2, at_ms)
    return Presence(at_ms, (stay,), (), Motion(*here, at_ms))


def nowhere(at_ms: int = 0) -> Presence:
    at_ms = at_ms or now_ms()
    return Presence(at_ms, (), (), Motion(*HERE, at_ms))


async def test_a_presence_is_what_was_saved(store: Store) -> None:
    users = [f"user-{n}" for n in range(50)]
    presence = inside()
    assert await store.presence.save([PresenceChange(user, 0, presence, None) for user in users]) == set()
    store.present.remembered.clear()
    held = await store.presence.load([*users, "nobody"])
    assert {held[user].presence for user in users} == {presence}
    assert (held["nobody"].presence, held["nobody"].version) == (Presence.EMPTY, 0)


async def test_who_read_an_older_version_loses_and_changes_nothing(store: Store) -> None:
    first, second = inside("s1"), inside("s2")
    assert await store.presence.save([PresenceChange("ann", 0, first, 5)]) == set()
    assert await store.presence.save([PresenceChange("ann", 0, second, 9)]) == {"ann"}
    assert not len(store.present.remembered)
    held = (await store.presence.load(["ann"]))["ann"]
    assert held.presence == first
    assert await store.presence.save([PresenceChange("ann", held.version + 2, second, 9)]) == {"ann"}
    assert await store.presence.save([PresenceChange("ann", held.version, second, 9)]) == set()


async def test_of_many_workers_who_save_at_once_one_wins(store: Store) -> None:
    lost = await asyncio.gather(
        *(store.presence.save([PresenceChange("ann", 0, inside(f"s{n}"), None)]) for n in range(50))
    )
    assert sum(not one for one in lost) == 1


async def test_coordinates_never_reach_redis_readable(store: Store, settings: Settings) -> None:
    await store.presence.save([PresenceChange("ann", 0, inside(), None)])
    other_worker = await Store.open(settings)
    held = (await other_worker.presence.load(["ann"]))["ann"]
    await other_worker.close()
    assert held.presence.motion is None, "without the shared key the fix stays sealed"
    assert held.presence.inside == ("s1",)


async def test_a_fix_does_not_outlive_its_time(store: Store, settings: Settings) -> None:
    ttl_ms = int(settings.fix_ttl_s * 1000)
    old, older = now_ms() - ttl_ms // 2, now_ms() - ttl_ms - 1
    await store.presence.save(
        [PresenceChange("old", 0, nowhere(old), None), PresenceChange("older", 0, nowhere(older), None)]
    )
    [key] = await store.connection.call("KEYS", "*:u:old:presence")
    assert ttl_ms // 2 - 60_000 < await store.connection.call("PTTL", key) <= ttl_ms // 2
    held = await store.presence.load(["old", "older"])
    assert held["old"].presence.motion is not None
    assert held["older"].presence.motion is None
    assert held["older"].presence.last_at_ms == older


async def test_every_worker_learns_who_is_present_where(store: Store, settings: Settings) -> None:
    other = await Store.open(settings)
    await store.presence.save([PresenceChange("ann", 0, inside(), None)])
    assert store.present.is_maybe_present("ann")
    await until(lambda: other.present.is_maybe_present("ann"))
    assert other.present.cells() == {cell_of(*HERE, 9): 1}
    late = await Store.open(settings)
    assert late.present.is_maybe_present("ann")
    assert not late.present.is_maybe_present("bob")
    assert late.present.cells() == {cell_of(*HERE, 9): 1}
    held = (await store.presence.load(["ann"]))["ann"]
    await store.presence.save([PresenceChange("ann", held.version, nowhere(), None)])
    for worker in (store, other, late):
        await until(lambda worker=worker: len(worker.present) == 0)  # type: ignore[misc]
    await other.close()
    await late.close()


async def test_who_has_left_is_not_asked_for_once_it_is_known(store: Store) -> None:
    """News are awaited for as long as they take, and no longer."""
    await store.presence.save([PresenceChange("ann", 0, inside(), None)])
    assert store.present.asked_at_once()("ann")
    held = (await store.presence.load(["ann"]))["ann"]
    await store.presence.save([PresenceChange("ann", held.version, nowhere(), None)])
    await until(lambda: not store.present.is_maybe_present("ann"))
    assert not store.present.asked_at_once()("ann")


async def test_who_lost_a_race_is_told_as_he_stands(store: Store) -> None:
    """The loser's news are expected too, and say what the winner made true."""
    await store.presence.save([PresenceChange("ann", 0, inside(), None)])
    await until(lambda: len(store.present) == 1)
    assert await store.presence.save([PresenceChange("ann", 0, nowhere(), None)]) == {"ann"}
    await asyncio.sleep(0.1)
    assert len(store.present) == 1
    assert await store.presence.save([PresenceChange("bob", 7, inside(), None)]) == {"bob"}
    await until(lambda: not store.present.is_maybe_present("bob"))


async def test_a_user_who_moves_on_is_shown_in_the_new_cell(store: Store) -> None:
    await store.presence.save([PresenceChange("ann", 0, inside(), None)])
    held = (await store.presence.load(["ann"]))["ann"]
    there = (60.2, 25.0)
    await store.presence.save([PresenceChange("ann", held.version, inside(here=there), None)])
    await until(lambda: store.present.cells() == {cell_of(*there, 9): 1})


async def test_while_the_copy_may_be_behind_everybody_is_possibly_present(store: Store) -> None:
    assert not store.present.is_maybe_present("bob")
    await store.connection.call("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: store.present.is_maybe_present("bob"))
    await until(lambda: not store.present.is_maybe_present("bob"))


async def test_due_users_are_taken_once_until_their_lease_ends(store: Store) -> None:
    users = {f"user-{n}" for n in range(40)}
    await store.presence.save([PresenceChange(user, 0, inside(), 1_000 + n) for n, user in enumerate(sorted(users))])
    assert await store.presence.due(999, 100) == []
    assert len(await store.presence.due(2_000, 7)) == 7
    assert len(await store.presence.due(2_000, 100)) == 33
    assert await store.presence.due(2_000, 100) == []
    assert set(await store.presence.due(20_000, 100)) == users


async def test_the_limit_is_reached_however_users_are_spread(store: Store) -> None:
    users = [f"user-{n}" for n in range(2000)]
    await store.presence.save([PresenceChange(user, 0, inside(), 1) for user in users])
    assert len(await store.presence.due(2, 500)) == 500


async def test_who_has_nothing_to_wait_for_is_not_due(store: Store) -> None:
    await store.presence.save([PresenceChange("ann", 0, inside(), 1)])
    held = (await store.presence.load(["ann"]))["ann"]
    await store.presence.save([PresenceChange("ann", held.version, Presence.EMPTY, None)])
    assert await store.presence.due(10, 10) == []
    assert not [key for key in await store.connection.call("KEYS", "*") if b"{p" in key and b"outbox" not in key]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_loading_costs_one_command_however_many_users(store: Store, count: int) -> None:
    await store.connection.call("CONFIG", "RESETSTAT")
    await store.presence.load([f"user-{n}" for n in range(count * PARTITIONS)])
    statistics = (await store.connection.call("INFO", "commandstats")) or {}
    assert statistics.get("cmdstat_mget", {}).get("calls", 0) == min(count, 1)


async def test_a_connection_that_brings_nothing_counts_as_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-open connection looks alive; everybody is possibly present until a new one stands."""
    monkeypatch.setattr("gateway.store.present.WAIT_S", 1.0)
    loads, load = 0, store.present._load

    async def counted() -> None:
        nonlocal loads
        loads += 1
        await load()

    monkeypatch.setattr(store.present, "_load", counted)
    async with store.connection.subscribe(keys.PRESENT_NEWS) as voices:
        await store.present.stop()
        await store.present.start()
        assert [await voices.wait(PATIENCE_S) for _ in range(2)] == [NO_NEWS] * 2
    assert loads == 1, "its own voice is enough to know that it lives"
    assert not store.present.is_maybe_present("bob")
    monkeypatch.setattr("gateway.store.keys.PRESENT_NEWS", "gp:news:nowhere")
    await until(lambda: store.present.is_maybe_present("bob"))
    await until(lambda: not store.present.is_maybe_present("bob"))


async def test_who_expired_while_nobody_was_there_is_forgotten_everywhere(store: Store) -> None:
    await store.presence.save([PresenceChange(user, 0, inside(), 1) for user in ("ann", "bob")])
    await until(lambda: len(store.present) == 2)
    [key] = await store.connection.call("KEYS", "*:u:ann:presence")
    await store.connection.call("DEL", key)
    assert await store.presence.due(2, 10) == ["bob"]
    await until(lambda: len(store.present) == 1)
    left = await store.connection.batch([("KEYS", "*:due"), ("KEYS", "*:present")])
    assert [len(keys) for keys in left] == [1, 1]
