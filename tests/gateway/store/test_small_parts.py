"""Keys, activity, statistics, the seal, and what fixes the data to its settings."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from gateway.clock import now_ms
from gateway.errors import ConfigError
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.seal import Seal
from gateway.store.statistics import day_of
from tests.patience import PATIENCE_S


async def test_an_api_key_is_verified_by_its_secret_until_revoked(store: Store) -> None:
    key, secret = await store.api_keys.create({"ingest"}, "phones")
    assert await store.api_keys.verify(secret) == key
    assert await store.api_keys.verify(secret + "x") is None
    assert await store.api_keys.list() == [key]
    assert await store.api_keys.revoke(key.key_id)
    assert not await store.api_keys.revoke(key.key_id)
    assert await store.api_keys.verify(secret) is None


async def test_a_secret_is_not_kept(store: Store) -> None:
    _, secret = await store.api_keys.create({"admin"}, "first")
    stored = await store.connection.call("HGETALL", "gp:{keys}:api")
    assert secret.encode() not in b"".join(stored) + b"".join(stored.values())


async def test_an_expired_key_opens_nothing(store: Store) -> None:
    _, secret = await store.api_keys.create({"ops"}, "old", expires_at_ms=now_ms() - 1)
    assert await store.api_keys.verify(secret) is None


async def test_activity_reaches_who_watches_and_is_not_made_for_nobody(store: Store) -> None:
    assert store.activity.is_watched
    assert await store.activity.publish([{"type": "decision", "at_ms": 1}]) == 0
    assert not store.activity.is_watched
    async with store.activity.subscribe() as feed:
        assert store.activity.is_watched
        await store.activity.publish([{"type": "decision", "at_ms": 2}, {"type": "delivery", "at_ms": 3}])
        assert await feed.wait(PATIENCE_S) == [{"type": "decision", "at_ms": 2}, {"type": "delivery", "at_ms": 3}]
        assert await feed.wait(0.01) == []


async def test_a_pseudonym_is_the_same_in_all_workers_and_depends_on_the_key(store: Store, settings: Settings) -> None:
    other = await Store.open(settings)
    assert store.activity.pseudonym("ann") == other.activity.pseudonym("ann") != store.activity.pseudonym("bob")
    assert len(store.activity.pseudonym("ann")) == 10
    await other.close()
    await store.connection.call("DEL", "gp:{meta}:pseudonym_key")
    reset = await Store.open(settings)
    assert reset.activity.pseudonym("ann") != store.activity.pseudonym("ann")
    await reset.close()


async def test_counts_add_up_over_workers_and_flushes(store: Store, settings: Settings) -> None:
    other = await Store.open(settings)
    at_ms = 1_760_000_000_000
    for what, geofence_id in (("claimed", "s1"), ("refused:audience", "s1"), ("claimed", "s|2"), ("matched", "s1")):
        store.statistics.count(at_ms, "o1", what, geofence_id=geofence_id)
    store.statistics.count(at_ms, "o1", "revenue_cents", variant="b", amount=995)
    await store.statistics.flush()
    other.statistics.count(at_ms, "o1", "claimed", geofence_id="s1")
    await other.close()
    day = day_of(at_ms)
    assert day == "20251009"
    read = await store.statistics.read("o1", [day])
    assert read[day] == {
        ("matched", "s1", ""): 1,
        ("claimed", "s1", ""): 2,
        ("refused:audience", "s1", ""): 1,
        ("claimed", "s|2", ""): 1,
        ("revenue_cents", "", "b"): 995,
    }


async def test_the_number_of_partitions_cannot_change(store: Store, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="has 4 partitions"):
        await Store.open(dataclasses.replace(settings, partitions=8))


def test_a_seal_opens_for_its_user_under_its_key_only() -> None:
    seal = Seal("ab" * 32)
    sealed = seal.close(b"60.17,24.94", "ann")
    assert b"60.17" not in sealed
    assert Seal("ab" * 32).open(sealed, "ann") == b"60.17,24.94"
    assert seal.open(sealed, "bob") is None
    assert Seal(None).open(sealed, "ann") is None
    assert seal.open(b"short", "ann") is None


@pytest.mark.parametrize("key", ["", "zz" * 32, "ab" * 31])
def test_a_malformed_key_is_refused_at_start(key: str) -> None:
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        Seal(key)


async def test_a_part_that_died_keeps_nothing_else_from_being_written_and_closed(tmp_path: Path) -> None:
    settings, at_ms = Settings(data_dir=tmp_path), 1_760_000_000_000
    store = await Store.open(settings)
    store.statistics.count(at_ms, "o1", "claimed")
    await store.rescue.stop()

    async def die() -> None:
        raise ArithmeticError("died")

    store.rescue._looker = asyncio.create_task(die())
    await asyncio.sleep(0)
    with pytest.raises(ArithmeticError, match="died"):
        await store.close()
    store = await Store.open(settings)
    day = day_of(at_ms)
    assert (await store.statistics.read("o1", [day]))[day] == {("claimed", "", ""): 1}
    await store.close()
