"""The claim: cooldowns, caps, budgets and a code are taken together with the outbox entry, in one Lua script.

Claims asked for in the same turn of the event loop share one script call per partition. ``rules.pressure`` is the
pure twin of what the script counts of a user's past. Where a partition's lease of a budget or of codes is empty, the
script decides nothing, the lease is filled, and the claim asked again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.budgets import Budget, Budgets
from gateway.store.codes import CodePools
from gateway.store.connection import Arg, Connection
from gateway.store.scripts import CLAIM, REFUND
from rules.model import Limit, PastPush

MAX_PAST_PUSHES: Final = 500
"""Past pushes kept per user: at two a day, more than half a year."""
HORIZON_MS: Final = 400 * 86_400_000
"""How long a past push is kept: a yearly limit and a margin."""
MAX_USERS_PER_CALL: Final = 64
"""Users one script call decides: it holds the server for about a millisecond."""

MAX_FILLS: Final = 10
"""Times a claim is asked again after filling leases that others then emptied; then those count as spent."""

_PUSH, _TRANSACTIONAL, _GHOST = 0, 1, 2
_LACKING: Final = -2
_FIELDS: Final = {"any": 0, "offer": 3, "store": 4, "brand": 5}


class ClaimCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One offer that would be pushed. ``entry`` is its outbox entry, which the script does not read.

    A transactional push counts towards no limit but its own offer's. A held-out one is claimed as a ghost: it is
    counted against shadow limits, together with the real pushes, takes no budget, and never reaches the outbox.
    ``code_pool`` names the pool to draw a code from, which replaces ``rules.message.CODE_PLACEHOLDER`` in the entry.
    """

    push_id: str
    offer_id: str
    geofence_id: str
    brand: str
    limits: tuple[Limit, ...]
    entry: bytes
    transactional: bool = False
    held_out: bool = False
    variant: str = ""
    budgets: tuple[Budget, ...] = ()
    code_pool: str | None = None


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One user's candidates, best first; at most one is claimed."""

    user_id: str
    at_ms: int
    candidates: tuple[ClaimCandidate, ...]


class Refusal(msgspec.Struct, frozen=True):
    """The limit that refused a candidate, and when it would no longer; None where that cannot be said.

    ``already_claimed`` is the rule that refuses a push id seen before, ``codes`` that of an empty pool.
    """

    rule: str
    free_at_ms: int | None


class ClaimResult(msgspec.Struct, frozen=True):
    """``winner`` is the place of the claimed candidate, or None; ``refusals`` are those of the candidates before it."""

    winner: int | None
    refusals: tuple[Refusal, ...]


class StoredPush(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A past push as the claim wrote it; see ``lua/claim.lua``."""

    at_ms: int
    push_id: str
    offer_id: str
    geofence_id: str
    brand: str
    kind: int
    variant: str = ""
    budgets: list[str] = []
    pool: str = ""
    code: str = ""


_Answer = tuple[int, list[tuple[str, int]], list[int]]
_Source = Budget | str
"""What a lease is filled from: a budget, or the name of a code pool."""

_history = msgspec.msgpack.Decoder(list[StoredPush])
_answers = msgspec.msgpack.Decoder(list[_Answer])
_encode = msgspec.msgpack.Encoder().encode


class Claims:
    """Takes and refunds claims."""

    def __init__(self, connection: Connection, partitions: int, budgets: Budgets, codes: CodePools) -> None:
        self._connection = connection
        self._partitions = partitions
        self._budgets = budgets
        self._codes = codes
        self._waiting: list[tuple[ClaimRequest, asyncio.Future[ClaimResult]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Claim one user's best allowed candidate; claims of the same moment share a round trip. Raises Unavailable."""
        answer: asyncio.Future[ClaimResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if len(self._waiting) == 1:
            flush = asyncio.create_task(self._flush())
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        return await answer

    async def claim_many(self, requests: Sequence[ClaimRequest]) -> list[ClaimResult]:
        """Claim for many users: one script call per partition where no lease has to be filled. Raises Unavailable."""
        results: list[ClaimResult] = [_NOTHING] * len(requests)
        pending: Sequence[int] = range(len(requests))
        for attempt in range(MAX_FILLS + 1):
            calls = [
                _Call(partition, places, requests, self._is_spent if attempt < MAX_FILLS else _always)
                for partition, places in self._by_partition(requests, pending)
            ]
            replies = await self._connection.run_many(CLAIM, [(call.keys, call.args) for call in calls])
            lacking: Counter[tuple[int, _Source]] = Counter()
            pending = []
            for call, reply in zip(calls, replies, strict=True):
                for place, (winner, refusals, indexes) in zip(call.places, _answers.decode(reply), strict=True):
                    if winner == _LACKING:
                        pending.append(place)
                        lacking.update((call.partition, call.source(index)) for index in indexes)
                    else:
                        results[place] = _result(winner, refusals)
            if not pending:
                break
            fills = (self._fill(*lease, want) for lease, want in lacking.items())
            for failure in await asyncio.gather(*fills, return_exceptions=True):
                if failure is not None:
                    raise failure
        return results

    async def refund(self, user_id: str, push_id: str) -> bool:
        """Take a claim back, because its push failed for good; False if it was not there (any more)."""
        partition = keys.partition_of(user_id, self._partitions)
        prefixes = keys.lease(partition, ""), keys.code_lease(partition, "")
        return bool(await self._connection.run(REFUND, [keys.pushes(partition, user_id)], [push_id, *prefixes]))

    def _by_partition(
        self, requests: Sequence[ClaimRequest], places: Sequence[int]
    ) -> Iterator[tuple[int, Sequence[int]]]:
        groups: dict[int, list[int]] = {}
        for place in places:
            groups.setdefault(keys.partition_of(requests[place].user_id, self._partitions), []).append(place)
        for partition, group in groups.items():
            for start in range(0, len(group), MAX_USERS_PER_CALL):
                yield partition, group[start : start + MAX_USERS_PER_CALL]

    def _is_spent(self, source: _Source) -> bool:
        return self._codes.is_spent(source) if isinstance(source, str) else self._budgets.is_spent(source)

    async def _fill(self, partition: int, source: _Source, want: int) -> None:
        if isinstance(source, str):
            await self._codes.fill(partition, source, want)
        else:
            await self._budgets.fill(partition, source, want)

    async def _flush(self) -> None:
        await asyncio.sleep(0)
        waiting, self._waiting = self._waiting, []
        try:
            results = await self.claim_many([request for request, _ in waiting])
        except BaseException as error:
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), result in zip(waiting, results, strict=True):
            if not answer.done():
                answer.set_result(result)


class _Call:
    """One script call: its keys and arguments, and which lease each further key is."""

    def __init__(
        self,
        partition: int,
        places: Sequence[int],
        requests: Sequence[ClaimRequest],
        is_spent: Callable[[_Source], bool],
    ) -> None:
        self.partition = partition
        self.places = places
        self._is_spent = is_spent
        self._sources: dict[str, _Source] = {}
        users = [requests[place] for place in places]
        self._first_lease = 2 + len(users)
        wanted: list[Arg] = []
        jobs: list[Arg] = []
        for request in users:
            candidates = [self._candidate(candidate) for candidate in request.candidates]
            wanted.append(_encode((request.user_id, request.at_ms, 4 + len(users) + len(jobs), candidates)))
            jobs += [candidate.entry for candidate in request.candidates]
        self.keys = [keys.outbox(partition), *(keys.pushes(partition, u.user_id) for u in users), *self._sources]
        self.args: list[Arg] = [len(users), MAX_PAST_PUSHES, HORIZON_MS, *wanted, *jobs]

    def source(self, index: int) -> _Source:
        """What fills the lease at this index (from 1) of the keys."""
        return list(self._sources.values())[index - self._first_lease]

    def _candidate(self, candidate: ClaimCandidate) -> tuple[object, ...]:
        kind = _GHOST if candidate.held_out else _TRANSACTIONAL if candidate.transactional else _PUSH
        limits = [
            (limit.name, _FIELDS[limit.field], limit.value, limit.since_ms, limit.max_pushes, limit.window_ms)
            for limit in candidate.limits
        ]
        budgets = [
            (b.rule, b.budget_id, *self._lease(keys.lease(self.partition, b.budget_id), b)) for b in candidate.budgets
        ]
        pool = candidate.code_pool
        pools = [] if pool is None else [("codes", pool, *self._lease(keys.code_lease(self.partition, pool), pool))]
        return (
            candidate.push_id,
            candidate.offer_id,
            candidate.geofence_id,
            candidate.brand,
            kind,
            candidate.variant,
            limits,
            budgets,
            pools,
        )

    def _lease(self, key: str, source: _Source) -> tuple[int, int]:
        self._sources.setdefault(key, source)
        return self._first_lease + list(self._sources).index(key), int(self._is_spent(source))


def history_of(stored: bytes | None) -> list[StoredPush]:
    """All that is stored of a user's past pushes, oldest first."""
    return [] if stored is None else _history.decode(stored)


def past_pushes(stored: bytes | None) -> tuple[PastPush, ...]:
    """The pushes that count towards a user's limits, oldest first, as the rules see them."""
    return tuple(
        PastPush(past.at_ms, past.push_id, past.offer_id, past.geofence_id, past.brand)
        for past in history_of(stored)
        if past.kind == _PUSH
    )


_NOTHING: Final = ClaimResult(None, ())


def _result(winner: int, refusals: list[tuple[str, int]]) -> ClaimResult:
    return ClaimResult(
        winner if winner >= 0 else None,
        tuple(Refusal(rule, free_at_ms if free_at_ms >= 0 else None) for rule, free_at_ms in refusals),
    )


def _always(_source: _Source) -> bool:
    return True
