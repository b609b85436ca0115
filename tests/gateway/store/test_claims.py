"""The claim against a real server: at most one push, and the same answers as its pure twin."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise
from typing import Any

from gateway.store import Store
from gateway.store.claims import ClaimCandidate, ClaimRequest, past_pushes
from gateway.store.keys import partition_of, pushes
from rules.model import Limit, PushKind
from rules.pressure import refusal
from tests.gateway.store.conftest import PARTITIONS

NOW = 1_760_000_000_000
HOUR = 3_600_000


def gap(at_ms: int, hours: int = 2) -> Limit:
    return Limit("min_gap", "any", "", at_ms - hours * HOUR, 1, hours * HOUR)


def candidate(push_id: str, limits: tuple[Limit, ...] = (), offer_id: str = "lunch", **more: Any) -> ClaimCandidate:
    facts = {"geofence_id": "s1", "brand": "b", "entry": push_id.encode()} | more
    return ClaimCandidate(push_id=push_id, offer_id=offer_id, limits=limits, **facts)


def request(*candidates: ClaimCandidate, user_id: str = "ann", at_ms: int = NOW) -> ClaimRequest:
    return ClaimRequest(user_id=user_id, at_ms=at_ms, candidates=candidates)


async def jobs(store: Store) -> list[bytes]:
    return sorted(entry.job for entry in await store.outbox.read("test", 1000, 0))


async def test_two_hundred_claims_at_once_for_one_user_make_one_push(store: Store) -> None:
    results = await asyncio.gather(
        *(store.claims.claim_many([request(candidate(f"push-{n}", (gap(NOW),)))]) for n in range(200))
    )
    winners = [n for n, [result] in enumerate(results) if result.winner == 0]
    assert len(winners) == 1
    assert await jobs(store) == [f"push-{winners[0]}".encode()]


async def test_of_claims_at_one_moment_each_user_gets_one_and_each_claim_its_own_answer(store: Store) -> None:
    results = await asyncio.gather(
        *(
            store.claims.claim(request(candidate(f"push-{n}", (gap(NOW),)), user_id=f"user-{n % 50}"))
            for n in range(200)
        )
    )
    won = [n for n, result in enumerate(results) if result.winner == 0]
    assert sorted(n % 50 for n in won) == list(range(50))
    assert all(result.winner == 0 or result.refusals[0].rule == "min_gap" for result in results)
    assert await jobs(store) == sorted(b"push-%d" % n for n in won)


async def test_the_runner_up_is_claimed_when_the_best_is_refused(store: Store) -> None:
    capped = Limit("offer_cap", "offer", "best", 0, 1, 0)
    assert (await store.claims.claim(request(candidate("a", offer_id="best")))).winner == 0
    result = await store.claims.claim(request(candidate("b", (capped,), "best"), candidate("c", offer_id="second")))
    assert result.winner == 1
    assert [(r.rule, r.free_at_ms) for r in result.refusals] == [("offer_cap", None)]
    assert await jobs(store) == [b"a", b"c"]


async def test_a_push_id_is_claimed_once(store: Store) -> None:
    await store.claims.claim(request(candidate("same")))
    again = await store.claims.claim(request(candidate("same")))
    assert again.winner is None
    assert again.refusals[0].rule == "already_claimed"
    assert await jobs(store) == [b"same"]


async def test_a_refusal_says_when_it_would_pass(store: Store) -> None:
    await store.claims.claim(request(candidate("a", (gap(NOW),))))
    later = NOW + HOUR
    refused = await store.claims.claim(request(candidate("b", (gap(later),)), at_ms=later))
    assert refused.refusals[0].free_at_ms == NOW + 2 * HOUR
    free = NOW + 2 * HOUR
    assert (await store.claims.claim(request(candidate("c", (gap(free),)), at_ms=free))).winner == 0


async def test_a_refunded_push_no_longer_counts(store: Store) -> None:
    await store.claims.claim(request(candidate("a", (gap(NOW),))))
    assert await store.claims.refund("ann", "a")
    assert not await store.claims.refund("ann", "a")
    assert (await store.claims.claim(request(candidate("b", (gap(NOW),))))).winner == 0


async def test_a_transactional_push_counts_only_towards_its_own_offer(store: Store) -> None:
    own = Limit("user_offer", "offer", "ready", NOW - HOUR, 1, HOUR)
    await store.claims.claim(request(candidate("a", (own,), "ready", kind=PushKind.TRANSACTIONAL)))
    assert (await store.claims.claim(request(candidate("b", (gap(NOW),))))).winner == 0
    again = await store.claims.claim(request(candidate("c", (own,), "ready", kind=PushKind.TRANSACTIONAL)))
    assert again.refusals[0].rule == "user_offer"


async def test_a_ghost_counts_towards_ghosts_only_and_is_never_sent(store: Store) -> None:
    assert (await store.claims.claim(request(candidate("ghost", (gap(NOW),), kind=PushKind.GHOST)))).winner == 0
    assert (await store.claims.claim(request(candidate("ghost2", (gap(NOW),), kind=PushKind.GHOST)))).winner is None
    assert (await store.claims.claim(request(candidate("real", (gap(NOW),))))).winner == 0
    assert await jobs(store) == [b"real"]


async def test_the_script_and_its_pure_twin_agree_on_random_histories(store: Store) -> None:
    """Of pushes, transactional ones and ghosts, in any order: the same limit refuses, and names the same instant."""
    rng = random.Random(20260321)
    seen: Counter[tuple[PushKind, bool]] = Counter()
    key = pushes(partition_of("ann", PARTITIONS), "ann")
    for attempt in range(600):
        at_ms = NOW + rng.randrange(0, 40) * HOUR
        limits = tuple(random_limit(rng, at_ms) for _ in range(rng.randrange(0, 4)))
        history = past_pushes(await store.connection.call("GET", key))
        kind = rng.choice([PushKind.PUSH, PushKind.PUSH, PushKind.TRANSACTIONAL, PushKind.GHOST])
        expected = refusal(limits, history, kind)
        seen[kind, expected is None] += 1
        chosen = ClaimCandidate(
            push_id=f"push-{attempt}",
            offer_id=rng.choice(["o1", "o2"]),
            geofence_id=rng.choice(["s1", "s2", "s3"]),
            brand=rng.choice(["", "b1"]),
            limits=limits,
            entry=b"",
            kind=kind,
        )
        result = await store.claims.claim(request(chosen, at_ms=at_ms))
        if expected is None:
            assert result.winner == 0
        else:
            limit, free_at_ms = expected
            assert result.winner is None
            assert (result.refusals[0].rule, result.refusals[0].free_at_ms) == (limit.name, free_at_ms)
        if attempt % 40 == 39:
            await store.connection.call("DEL", key)
    assert len(seen) == 6
    assert min(seen.values()) > 20


async def test_a_rolling_cap_is_never_exceeded_in_any_window(store: Store) -> None:
    """Two in 24 hours and two hours apart, whatever the order and the pace of the attempts."""
    rng = random.Random(24)
    claimed: list[int] = []
    at_ms = NOW
    for attempt in range(400):
        at_ms += rng.choice([0, 1, 10, 300, HOUR // 1000, 30 * HOUR // 1000]) * 1000
        limits = (gap(at_ms), Limit("cap", "any", "", at_ms - 24 * HOUR, 2, 24 * HOUR))
        if (await store.claims.claim(request(candidate(f"p{attempt}", limits), at_ms=at_ms))).winner == 0:
            claimed.append(at_ms)
    assert len(claimed) > 20
    assert all(later - earlier >= 2 * HOUR for earlier, later in pairwise(claimed))
    assert all(third - first >= 24 * HOUR for first, third in zip(claimed, claimed[2:], strict=False))


def random_limit(rng: random.Random, at_ms: int) -> Limit:
    field, values = rng.choice([("any", [""]), ("offer", ["o1", "o2"]), ("store", ["s1", "s2"]), ("brand", ["", "b1"])])
    window_ms = rng.choice([0, HOUR, 5 * HOUR, 24 * HOUR])
    since_ms = at_ms - (window_ms or rng.randrange(1, 20) * HOUR)
    most = rng.randrange(1, 5)
    return Limit(f"{field}-{most}-{window_ms}", field, rng.choice(values), since_ms, most, window_ms)


async def test_the_memory_of_past_pushes_is_bounded(store: Store) -> None:
    for start in range(0, 520, 40):
        await store.claims.claim_many(
            [request(candidate(f"p{n}", offer_id=f"o{n}"), at_ms=NOW + n) for n in range(start, start + 40)]
        )
    [shopper] = [past_pushes(await store.connection.call("GET", pushes(partition_of("ann", PARTITIONS), "ann")))]
    assert len(shopper) == 500
    assert [past.at_ms for past in shopper] == sorted(past.at_ms for past in shopper)
    assert shopper[0].push_id == "p20"
