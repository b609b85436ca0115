"""The claim: the atomic taking of cooldowns and caps together with the outbox entry, in one Lua script.

Claims asked for in the same turn of the event loop share one script call per partition. ``rules.pressure`` is the
pure twin of what the script counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.scripts import CLAIM, REFUND
from rules.model import Limit, PastPush

MAX_PAST_PUSHES: Final = 500
"""Past pushes kept per user: at two a day, more than half a year."""
HORIZON_MS: Final = 400 * 86_400_000
"""How long a past push is kept: a yearly limit and a margin."""
MAX_USERS_PER_CALL: Final = 64
"""Users one script call decides: it holds the server for about a millisecond."""

_PUSH, _TRANSACTIONAL, _GHOST = 0, 1, 2
_FIELDS: Final = {"any": 0, "offer": 3, "store": 4, "brand": 5}


class ClaimCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One offer that would be pushed. ``entry`` is its outbox entry, which the script does not read.

    A transactional push counts towards no limit but its own offer's. A held-out one is claimed as a ghost: it is
    counted against shadow limits, together with the real pushes, and never reaches the outbox.
    """

    push_id: str
    offer_id: str
    geofence_id: str
    brand: str
    limits: tuple[Limit, ...]
    entry: bytes
    transactional: bool = False
    held_out: bool = False


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One user's candidates, best first; at most one is claimed."""

    user_id: str
    at_ms: int
    candidates: tuple[ClaimCandidate, ...]


class Refusal(msgspec.Struct, frozen=True):
    """The limit that refused a candidate, and when it would no longer; None where that cannot be said.

    ``already_claimed`` is the rule that refuses a push id seen before.
    """

    rule: str
    free_at_ms: int | None


class ClaimResult(msgspec.Struct, frozen=True):
    """``winner`` is the place of the claimed candidate, or None; ``refusals`` are those of the candidates before it."""

    winner: int | None
    refusals: tuple[Refusal, ...]


_Stored = tuple[int, str, str, str, str, int]
_history = msgspec.msgpack.Decoder(list[_Stored])
_results = msgspec.msgpack.Decoder(list[tuple[int, list[tuple[str, int]]]])
_encode = msgspec.msgpack.Encoder().encode


class Claims:
    """Takes and refunds claims."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions
        self._waiting: list[tuple[ClaimRequest, asyncio.Future[ClaimResult]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Claim one user's best allowed candidate; callers of the same moment share a round trip."""
        answer: asyncio.Future[ClaimResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if len(self._waiting) == 1:
            flush = asyncio.create_task(self._flush())
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        return await answer

    async def claim_many(self, requests: Sequence[ClaimRequest]) -> list[ClaimResult]:
        """Claim for many users: one script call per partition. Raises Unavailable."""
        groups: dict[int, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(keys.partition_of(request.user_id, self._partitions), []).append(place)
        chunks = [
            (partition, places[start : start + MAX_USERS_PER_CALL])
            for partition, places in groups.items()
            for start in range(0, len(places), MAX_USERS_PER_CALL)
        ]
        calls = [_call(partition, [requests[place] for place in places]) for partition, places in chunks]
        results: list[ClaimResult] = [_NOTHING] * len(requests)
        for (_, places), reply in zip(chunks, await self._connection.run_many(CLAIM, calls), strict=True):
            for place, (winner, refusals) in zip(places, _results.decode(reply), strict=True):
                results[place] = ClaimResult(
                    winner if winner >= 0 else None,
                    tuple(Refusal(rule, free_at_ms if free_at_ms >= 0 else None) for rule, free_at_ms in refusals),
                )
        return results

    async def refund(self, user_id: str, push_id: str) -> bool:
        """Take a claim back, because its push failed for good; False if it was not there (any more)."""
        partition = keys.partition_of(user_id, self._partitions)
        return bool(await self._connection.run(REFUND, [keys.pushes(partition, user_id)], [push_id]))

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


def past_pushes(stored: bytes | None) -> tuple[PastPush, ...]:
    """The pushes that count towards a user's limits, oldest first, as the rules see them."""
    if stored is None:
        return ()
    return tuple(PastPush(*entry[:5]) for entry in _history.decode(stored) if entry[5] == _PUSH)


_NOTHING: Final = ClaimResult(None, ())


def _call(partition: int, requests: Sequence[ClaimRequest]) -> tuple[list[str], list[Arg]]:
    wanted: list[Arg] = []
    jobs: list[Arg] = []
    first_job = 3 + len(requests)
    for request in requests:
        candidates = [_candidate(candidate) for candidate in request.candidates]
        wanted.append(_encode((request.at_ms, first_job + len(jobs), candidates)))
        jobs += [candidate.entry for candidate in request.candidates]
    pushes = [keys.pushes(partition, request.user_id) for request in requests]
    return [keys.outbox(partition), *pushes], [MAX_PAST_PUSHES, HORIZON_MS, *wanted, *jobs]


def _candidate(candidate: ClaimCandidate) -> tuple[object, ...]:
    kind = _GHOST if candidate.held_out else _TRANSACTIONAL if candidate.transactional else _PUSH
    limits = [
        (limit.name, _FIELDS[limit.field], limit.value, limit.since_ms, limit.max_pushes, limit.window_ms)
        for limit in candidate.limits
    ]
    return candidate.push_id, candidate.offer_id, candidate.geofence_id, candidate.brand, kind, limits
