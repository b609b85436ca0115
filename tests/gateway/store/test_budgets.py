"""Budgets and codes under contention, kills at any step, and refunds: never too much, and nothing stranded."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import InvalidDocument
from gateway.store import Store, keys
from gateway.store.budgets import Budget, Budgets, budgets_of
from gateway.store.claims import ClaimCandidate, ClaimRequest, Claims
from gateway.store.codes import CodePools
from gateway.store.connection import Arg, Connection
from gateway.store.outbox import Outbox
from gateway.store.scripts import ACCEPT_CODES, LEND_CODES, Script
from rules.message import CODE_PLACEHOLDER
from tests.gateway.store.test_claims import NOW
from tests.patience import PATIENCE_S

PARTITIONS = 16
STOCK = 1000


class Killed(Exception):
    """This worker died between two calls to Redis."""


class MortalConnection(Connection):
    """A connection whose worker dies now and then, before a command or after it, never knowing the answer."""

    def __init__(self, living: Connection, rng: random.Random, ratio: float) -> None:
        super().__init__(living._server, living._patient, living._listener, living._patience_s)
        self._rng = rng
        self._ratio = ratio

    def _live_on(self) -> None:
        if self._rng.random() < self._ratio:
            raise Killed

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        self._live_on()
        reply = await super().run(script, keys, args)
        self._live_on()
        return reply

    async def run_many(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Arg]]]) -> list[Any]:
        self._live_on()
        cut = self._rng.randrange(len(calls) + 1) if self._rng.random() < self._ratio else len(calls)
        replies = await super().run_many(script, calls[:cut])
        if cut < len(calls):
            raise Killed
        self._live_on()
        return replies


def worker(connection: Connection) -> tuple[Claims, Budgets]:
    budgets = Budgets(connection, PARTITIONS, recheck_s=0.05)
    return Claims(connection, PARTITIONS, budgets, CodePools(connection, PARTITIONS, recheck_s=0.05)), budgets


def wanting(number: int, *, stock: int | None = STOCK, pool: str | None = None) -> ClaimRequest:
    push_id = f"push-{number}"
    entry = json.dumps({"push_id": push_id, "code": CODE_PLACEHOLDER if pool else ""}, ensure_ascii=False).encode()
    budgets = () if stock is None else (Budget("stock", "o1:stock", stock),)
    candidate = ClaimCandidate(
        push_id=push_id,
        offer_id="o1",
        geofence_id="s1",
        brand="",
        limits=(),
        entry=entry,
        budgets=budgets,
        code_pool=pool,
    )
    return ClaimRequest(user_id=f"user-{number}", at_ms=NOW, candidates=(candidate,))


async def jobs(connection: Connection) -> list[dict[str, str]]:
    streams = [await connection.call("XRANGE", f"gp:{{p{p:02}}}:outbox", "-", "+") for p in range(PARTITIONS)]
    found = [fields for stream in streams for _, fields in stream]
    return [json.loads(one[b"job"]) | {"code": one.get(b"code", b"").decode()} for one in found]


async def test_ten_thousand_attempts_on_a_stock_of_a_thousand_claim_exactly_a_thousand(connection: Connection) -> None:
    """64 claimants over 16 partitions, killed at random between any two calls: 1,000 pushes, no more, no fewer."""
    rng = random.Random(1000)
    numbers = iter(range(10_000))

    async def claimant() -> None:
        claims, _ = worker(MortalConnection(connection, rng, 0.01))
        while batch := list(itertools.islice(numbers, 8)):
            try:
                await claims.claim_many([wanting(number) for number in batch])
            except Killed:
                claims, _ = worker(MortalConnection(connection, rng, 0.01))

    await asyncio.gather(*(claimant() for _ in range(64)))
    assert len(await jobs(connection)) == STOCK
    _, budgets = worker(connection)
    assert await budgets.taken(["o1:stock"]) == {"o1:stock": STOCK}


async def test_with_refunds_there_are_never_more_than_the_stock_outstanding(connection: Connection) -> None:
    rng = random.Random(2)
    numbers = iter(range(6_000))
    outstanding: set[int] = set()
    refunds = 0

    async def claimant() -> None:
        nonlocal refunds
        claims, _ = worker(MortalConnection(connection, rng, 0.01))
        while batch := list(itertools.islice(numbers, 8)):
            try:
                results = await claims.claim_many([wanting(number, stock=300) for number in batch])
                outstanding.update(n for n, result in zip(batch, results, strict=True) if result.winner == 0)
                while outstanding and rng.random() < 0.5:
                    back = outstanding.pop()
                    await claims.refund(f"user-{back}", f"push-{back}")
                    refunds += 1
            except Killed:
                claims, _ = worker(MortalConnection(connection, rng, 0.01))

    await asyncio.gather(*(claimant() for _ in range(64)))
    claims, budgets = worker(connection)
    for number in range(6_000, 7_000):
        await claims.claim_many([wanting(number, stock=300)])
    held = sum([await connection.call("EXISTS", key) for key in await connection.call("KEYS", "*:pushes")])
    assert held == 300
    assert refunds > 100
    assert await budgets.taken(["o1:stock"]) == {"o1:stock": 300}


async def test_who_asks_late_for_codes_that_have_arrived_is_told_that_there_are_no_more(connection: Connection) -> None:
    await CodePools(connection, PARTITIONS).add("spring", ["ONE"])
    lists, lease = [keys.free_codes("spring"), keys.lent_codes("spring")], [keys.code_lease(0, "spring")]
    late = [1, 0, 0, 0, b""]
    number, packed = await connection.run(LEND_CODES, lists, late)
    assert await connection.run(ACCEPT_CODES, lease, [number, packed]) == 1
    assert await connection.run(LEND_CODES, lists, [1, 0, number, 0, b""]) == [1, b""]
    assert await connection.run(LEND_CODES, lists, late) == [1, b""]
    assert await connection.run(ACCEPT_CODES, lease, [1, b""]) == 1


async def test_no_code_is_ever_given_twice_and_none_is_lost(connection: Connection) -> None:
    rng = random.Random(3)
    pools = CodePools(connection, PARTITIONS)
    codes = [f"CODE-{n:04}" for n in range(500)]
    assert await pools.add("spring", codes) == 500
    assert await pools.add("spring", codes[:10]) == 0
    numbers = iter(range(3_000))

    async def claimant() -> None:
        claims, _ = worker(MortalConnection(connection, rng, 0.01))
        while batch := list(itertools.islice(numbers, 4)):
            try:
                results = await claims.claim_many([wanting(n, stock=None, pool="spring") for n in batch])
                assert all(r.winner == 0 or r.refusals[0].rule == "codes" for r in results)
            except Killed:
                claims, _ = worker(MortalConnection(connection, rng, 0.01))

    await asyncio.gather(*(claimant() for _ in range(64)))
    survivor, _ = worker(connection)
    for start in range(3_000, 4_000, 100):
        await survivor.claim_many([wanting(n, stock=None, pool="spring") for n in range(start, start + 100)])
    given = [job["code"] for job in await jobs(connection)]
    assert sorted(given) == codes
    counts = await pools.counts("spring")
    assert (counts.known, counts.free, counts.drawn) == (500, 0, 500)


async def test_the_code_of_a_refunded_push_can_be_drawn_again(connection: Connection) -> None:
    claims, _ = worker(connection)
    pools = CodePools(connection, PARTITIONS)
    await pools.add("one", ["ONLY"])
    assert (await claims.claim(wanting(1, pool="one"))).winner == 0
    assert (await claims.claim(wanting(2, pool="one"))).winner is None
    assert (await pools.counts("one")).free == 0
    await claims.refund("user-1", "push-1")
    assert (await pools.counts("one")).free == 1
    await asyncio.sleep(0.06)
    assert (await claims.claim(wanting(3, pool="one"))).winner == 0
    assert [job["code"] for job in await jobs(connection)] == ["ONLY", "ONLY"]


async def test_the_code_stands_in_texts_and_in_links(connection: Connection) -> None:
    claims, _ = worker(connection)
    await CodePools(connection, PARTITIONS).add("one", ["A-1"])
    entry = f"body {CODE_PLACEHOLDER}, link ?c=%E2%81%A0code%E2%81%A0".encode()
    candidate = ClaimCandidate(
        push_id="p", offer_id="o", geofence_id="s", brand="", limits=(), entry=entry, code_pool="one"
    )
    await claims.claim(ClaimRequest(user_id="ann", at_ms=NOW, candidates=(candidate,)))
    outbox = Outbox(connection, PARTITIONS)
    await outbox.prepare()
    [entry] = await outbox.read("sender", 1, 0)
    assert entry.job == b"body A-1, link ?c=A-1"


async def test_a_code_that_would_need_escaping_is_refused_with_its_place(store: Store) -> None:
    with pytest.raises(InvalidDocument) as refused:
        await store.codes.add("p", ["GOOD", 'BA"D', ""])
    assert [fault["index"] for fault in refused.value.extra["errors"]] == [1, 2]
    assert (await store.codes.counts("p")).known == 0


async def test_the_runner_up_is_claimed_when_the_stock_is_gone(store: Store) -> None:
    def both(user: str) -> ClaimRequest:
        best = ClaimCandidate(
            push_id=f"best-{user}", offer_id="o1", geofence_id="s", brand="", limits=(), entry=b"best",
            budgets=budgets_of("o1", NOW, total_cap=10, stock=1, max_per_hour=5),
        )  # fmt: skip
        second = ClaimCandidate(push_id=f"2-{user}", offer_id="o2", geofence_id="s", brand="", limits=(), entry=b"2")
        return ClaimRequest(user_id=user, at_ms=NOW, candidates=(best, second))

    assert (await store.claims.claim(both("ann"))).winner == 0
    result = await store.claims.claim(both("bob"))
    assert (result.winner, result.refusals[0].rule) == (1, "stock")
    assert await store.budgets.taken(["o1:total", "o1:stock"]) == {"o1:total": 1, "o1:stock": 1}


async def test_more_stock_can_be_claimed_and_less_stops_at_once(connection: Connection) -> None:
    claims, budgets = worker(connection)
    results = await claims.claim_many([wanting(n, stock=10) for n in range(20)])
    assert sum(result.winner == 0 for result in results) == 10
    results = await claims.claim_many([wanting(n, stock=15) for n in range(20, 40)])
    assert sum(result.winner == 0 for result in results) == 5
    await budgets.recall(Budget("stock", "o1:stock", 12))
    results = await claims.claim_many([wanting(n, stock=12) for n in range(40, 60)])
    assert sum(result.winner == 0 for result in results) == 0


async def test_leases_are_called_back_when_an_offer_ends(connection: Connection) -> None:
    claims, budgets = worker(connection)
    await claims.claim_many([wanting(n) for n in range(40)])
    assert await budgets.recall(Budget("stock", "o1:stock", STOCK)) == STOCK - 40
    await budgets.forget("o1:stock")
    assert not [key for key in await connection.call("KEYS", "*") if b"o1:stock" in key]


async def test_a_counter_that_redis_lost_is_found_again_in_the_leases(connection: Connection) -> None:
    claims, budgets = worker(connection)
    await claims.claim_many([wanting(n, stock=50) for n in range(30)])
    await connection.call("DEL", "gp:{b:o1:stock}:budget")
    await budgets.recall(Budget("stock", "o1:stock", 50))
    results = await claims.claim_many([wanting(n, stock=50) for n in range(30, 100)])
    assert sum(result.winner == 0 for result in results) == 20


CLAIMANT = """
import asyncio, sys
from tests.gateway.store.test_budgets import wanting, worker
from tests.patience import connected
async def main():
    claims, _ = worker(await connected(sys.argv[1]))
    for number in range(int(sys.argv[2]), int(sys.argv[2]) + 100_000, 8):
        await claims.claim_many([wanting(n, stock=200) for n in range(number, number + 8)])
asyncio.run(main())
"""


async def test_processes_killed_while_claiming_leave_nothing_behind(connection: Connection, redis_url: str) -> None:
    rng = random.Random(4)
    for life in range(2):
        claimants = [
            subprocess.Popen([sys.executable, "-c", CLAIMANT, redis_url, str((life * 2 + n + 1) * 1_000_000)])
            for n in range(2)
        ]
        async with asyncio.timeout(PATIENCE_S):
            while len(await jobs(connection)) < 50 * (life + 1):
                await asyncio.sleep(rng.random() * 0.01)
        for claimant in claimants:
            claimant.send_signal(signal.SIGKILL)
            claimant.wait()
    claims, _ = worker(connection)
    await claims.claim_many([wanting(n, stock=200) for n in range(800)])
    assert len(await jobs(connection)) == 200
