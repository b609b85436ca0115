from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.store import Store, keys
from gateway.store.outbox import GROUP, OutboxEntry
from tests.gateway.store.test_claims import NOW, candidate, request

HOUR_MS = 3_600_000


async def fill(store: Store, count: int) -> set[bytes]:
    await store.claims.claim_many([request(candidate(f"p{n}"), user_id=f"user-{n}") for n in range(count)])
    return {f"p{n}".encode() for n in range(count)}


async def fall_silent(store: Store, consumer: str, entries: Sequence[OutboxEntry]) -> None:
    """As if the consumer of ``entries`` had not been heard of for an hour."""
    for entry in entries:
        await store.connection.call(
            "XCLAIM", keys.outbox(entry.partition), GROUP, consumer, 0, entry.stream_id, "IDLE", HOUR_MS
        )


async def test_every_entry_reaches_one_of_several_readers_once(store: Store) -> None:
    expected = await fill(store, 200)
    seen: list[bytes] = []

    async def reader(name: str) -> None:
        while entries := await store.outbox.read(name, 7, 0):
            assert len(entries) <= 7
            seen.extend(entry.job for entry in entries)
            await store.outbox.ack(entries)

    await asyncio.gather(reader("a"), reader("b"), reader("c"))
    assert sorted(seen) == sorted(expected)
    assert await store.outbox.depth() == 0


async def test_a_blocked_read_returns_with_the_first_entry(store: Store) -> None:
    waiting = asyncio.create_task(store.outbox.read("a", 10, 5000))
    await asyncio.sleep(0.05)
    await fill(store, 1)
    [entry] = await waiting
    assert entry.job == b"p0"


async def test_an_unacknowledged_entry_is_taken_over_and_an_acknowledged_one_is_not(store: Store) -> None:
    await fill(store, 40)
    taken = [entry for _ in range(10) for entry in await store.outbox.read("dead", 40, 0)]
    await store.outbox.ack(taken[:30])
    over = [entry for _ in range(6) for entry in await store.outbox.take_over("heir", 0)]
    assert {entry.job for entry in over} == {entry.job for entry in taken[30:]}
    assert await store.outbox.depth() == 10
    await store.outbox.ack(over)
    assert await store.outbox.depth() == 0


async def test_entries_in_living_hands_do_not_hide_those_of_the_dead(store: Store) -> None:
    requests = [request(candidate(f"p{n:03}"), at_ms=NOW + n) for n in range(120)]
    for one in requests:
        await store.claims.claim(one)
    taken = [entry for _ in range(40) for entry in await store.outbox.read("alive", 4, 0)]
    await fall_silent(store, "alive", taken)
    await store.outbox.hold("alive", taken[:-1])
    over = [entry for _ in range(40) for entry in await store.outbox.take_over("heir", HOUR_MS, 4)]
    assert over == [taken[-1]]


async def test_entries_that_are_held_are_not_taken_over(store: Store) -> None:
    await fill(store, 3)
    taken = await store.outbox.read("slow", 10, 0)
    await fall_silent(store, "slow", taken)
    await store.outbox.hold("slow", taken)
    assert await store.outbox.take_over("heir", HOUR_MS) == []


async def test_entry_ids_differ_even_where_stream_ids_do_not(store: Store) -> None:
    expected = await fill(store, 100)
    entries = [entry for _ in range(30) for entry in await store.outbox.read("a", 10, 0)]
    assert len(entries) == len({entry.entry_id for entry in entries}) == len(expected)


async def test_depth_and_age_tell_of_what_waits(store: Store) -> None:
    assert await store.outbox.depth() == 0
    assert await store.outbox.oldest_age_ms() == 0
    await fill(store, 5)
    [entry] = await store.outbox.read("a", 1, 0)
    assert await store.outbox.depth() == 5
    assert await store.outbox.oldest_age_ms(entry.added_at_ms + 60_000) >= 59_000


async def test_reading_makes_the_group_again_where_redis_has_lost_it(store: Store) -> None:
    await store.connection.call("FLUSHALL")
    assert await store.outbox.read("a", 1, 0) == []
    await fill(store, 1)
    assert len(await store.outbox.read("a", 1, 100)) == 1
