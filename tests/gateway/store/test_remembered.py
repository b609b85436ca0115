"""A worker spares the read of who it saved itself, and is never wrong for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import now_ms
from gateway.errors import ConfigError
from gateway.store import Store
from gateway.store.presence import PresenceChange
from gateway.store.remembered import Remembered
from geofences.presence import Presence
from tests.gateway.store.conftest import PARTITIONS
from tests.gateway.store.test_presence import inside, nowhere
from tests.patience import patient, until

KEY = "5e" * 32


@pytest.fixture
async def neighbours(redis_url: str, store: Store, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two workers of one host."""
    settings = patient(redis_url=redis_url, partitions=PARTITIONS, fix_key=KEY, shared_dir=tmp_path)
    first, second = await Store.open(settings), await Store.open(settings)
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
async def strangers(redis_url: str, store: Store) -> AsyncIterator[tuple[Store, Store]]:
    """Workers of two hosts, which share nothing but Redis."""
    settings = patient(redis_url=redis_url, partitions=PARTITIONS, fix_key=KEY)
    first, second = await Store.open(settings), await Store.open(settings)
    yield first, second
    await first.close()
    await second.close()


async def reads(store: Store) -> int:
    statistics = await store.connection.call("INFO", "commandstats")
    return int(statistics.get("cmdstat_mget", {}).get("calls", 0))


async def save(store: Store, presence: Presence, user_id: str = "ann") -> set[str]:
    """What a step does: load, then save."""
    held = (await store.presence.load([user_id]))[user_id]
    return await store.presence.save([PresenceChange(user_id, held.version, presence, None)])


async def test_who_was_saved_here_is_not_read_again(store: Store) -> None:
    await save(store, inside())
    await store.connection.call("CONFIG", "RESETSTAT")
    for at_ms in range(1_000, 6_000, 1_000):
        there = inside(at_ms=now_ms() + at_ms)
        assert not await save(store, there)
        assert (await store.presence.load(["ann"]))["ann"].presence == there
    assert await reads(store) == 0


async def test_who_is_nowhere_is_not_remembered(store: Store) -> None:
    await save(store, inside())
    assert len(store.present.remembered) == 1
    await save(store, nowhere())
    assert len(store.present.remembered) == 0


async def test_what_a_neighbour_saved_is_read(neighbours: tuple[Store, Store]) -> None:
    first, second = neighbours
    for number in range(1, 6):
        for worker, other in ((first, second), (second, first)):
            presence = inside(f"s{number}")
            assert not await save(worker, presence), "nobody loses a race that was none"
            assert (await other.presence.load(["ann"]))["ann"].presence == presence


async def test_a_guess_that_another_host_outdated_loses_the_race_and_is_read_then(
    strangers: tuple[Store, Store],
) -> None:
    first, second = strangers
    await save(first, inside("s1"))
    await save(second, inside("s2"))
    held = await first.presence.load(["ann"])
    assert held["ann"].presence.inside == ("s1",)
    assert await save(first, inside("s3")) == {"ann"}
    assert (await first.presence.load(["ann"]))["ann"].presence.inside == ("s2",)
    assert not await save(first, inside("s3"))


async def test_a_guess_can_be_confirmed_before_it_counts(strangers: tuple[Store, Store]) -> None:
    first, second = strangers
    for user_id in ("ann", "bob"):
        await save(first, inside("s1"), user_id)
    await save(second, inside("s2"), "ann")
    held = await first.presence.load(["ann", "bob", "cat"])
    assert await first.presence.outdated(held) == {"ann"}
    assert (await first.presence.load(["ann"]))["ann"].presence.inside == ("s2",)
    assert await first.presence.outdated(await first.presence.load(["ann", "bob", "cat"])) == set()


async def test_whose_presence_expired_is_read(store: Store) -> None:
    await save(store, inside())
    [key] = await store.connection.call("KEYS", "*:u:ann:presence")
    await store.connection.call("DEL", key)
    assert await save(store, inside("s2")) == {"ann"}
    assert (await store.presence.load(["ann"]))["ann"].version == 0


async def test_the_erased_are_forgotten_by_every_worker(neighbours: tuple[Store, Store]) -> None:
    first, second = neighbours
    await save(first, inside())
    await until(lambda: len(second.present) == 1)
    await second.profiles.delete("ann")
    await until(lambda: len(first.present.remembered) == len(first.present) == len(second.present) == 0)


async def test_who_left_elsewhere_is_forgotten(strangers: tuple[Store, Store]) -> None:
    first, second = strangers
    await save(first, inside())
    await save(second, nowhere())
    await until(lambda: len(first.present.remembered) == 0)


async def test_a_worker_that_may_have_missed_news_forgets_everybody(store: Store) -> None:
    await save(store, inside())
    await store.connection.call("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: len(store.present.remembered) == 0)


def test_two_workers_note_who_saved_last(tmp_path: Path) -> None:
    first, second = Remembered(tmp_path, 0), Remembered(tmp_path, 1)
    first.begin("ann")
    first.keep("ann", Presence(1), 7)
    assert first.get("ann") is not None
    second.begin("ann")
    assert first.get("ann") is None
    assert len(first) == 0


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shared_dir .*gone cannot be used: No such file"):
        Remembered(tmp_path / "gone", 0)
