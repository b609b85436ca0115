"""A claim on its way to the script and back: requests and results as values, and one script call's keys and arguments.

``lua/claim.lua`` says how they are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.budgets import Budget
from gateway.store.connection import Arg
from rules.model import Limit, PastPush, PushKind

MAX_PAST_PUSHES: Final = 500
"""Past pushes kept per user: at two a day, more than half a year."""
ALREADY_CLAIMED: Final = "already_claimed"
"""The rule that refuses a push id seen before."""
HORIZON_MS: Final = 400 * 86_400_000
"""How long a past push is kept: a yearly limit and a margin."""
LACKING: Final = -2
"""In the place of a winner: leases must be filled first."""
_FIELDS: Final = {"any": 0, "offer": 3, "store": 4, "brand": 5}

Source = Budget | str
"""What a lease is filled from: a budget, or the name of a code pool."""


class ClaimCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One offer that would be pushed. ``entry`` is its outbox entry, which the script does not read.

    What counts towards its limits says ``rules.pressure``. A ghost takes no budget and never reaches the outbox.
    ``code_pool`` names the pool to draw a code from, which the outbox puts in the place of
    ``rules.message.CODE_PLACEHOLDER`` when the entry is read.
    """

    push_id: str
    offer_id: str
    geofence_id: str
    brand: str
    limits: tuple[Limit, ...]
    entry: bytes
    kind: PushKind = PushKind.PUSH
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

    ``ALREADY_CLAIMED`` is the rule that refuses a push id seen before, ``codes`` that of an empty pool.
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


class ScriptCall:
    """One script call: its keys and arguments, and which lease each further key is."""

    def __init__(
        self,
        partition: int,
        places: Sequence[int],
        requests: Sequence[ClaimRequest],
        is_spent: Callable[[Source], bool],
    ) -> None:
        self.partition = partition
        self.places = places
        self._is_spent = is_spent
        self._sources: dict[str, Source] = {}
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

    def source(self, index: int) -> Source:
        """What fills the lease at this index (from 1) of the keys."""
        return list(self._sources.values())[index - self._first_lease]

    def _candidate(self, candidate: ClaimCandidate) -> tuple[object, ...]:
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
            candidate.kind,
            candidate.variant,
            limits,
            budgets,
            pools,
        )

    def _lease(self, key: str, source: Source) -> tuple[int, int]:
        self._sources.setdefault(key, source)
        return self._first_lease + list(self._sources).index(key), int(self._is_spent(source))


def history_of(stored: bytes | None) -> list[StoredPush]:
    """All that is stored of a user's past pushes, oldest first."""
    return [] if stored is None else _history.decode(stored)


def past_pushes(stored: bytes | None) -> tuple[PastPush, ...]:
    """A user's past pushes, oldest first, as the rules see them: without what each took."""
    return () if stored is None else _past.decode(stored)


_Answer = tuple[int, list[tuple[str, int]], list[int]]
_history = msgspec.msgpack.Decoder(list[StoredPush])
_past = msgspec.msgpack.Decoder(tuple[PastPush, ...])
decode_answers = msgspec.msgpack.Decoder(list[_Answer]).decode
_encode = msgspec.msgpack.Encoder().encode


def result_of(winner: int, refusals: Sequence[tuple[str, int]]) -> ClaimResult:
    """The script's answer for one user, as a value."""
    return ClaimResult(
        winner if winner >= 0 else None,
        tuple(Refusal(rule, free_at_ms if free_at_ms >= 0 else None) for rule, free_at_ms in refusals),
    )
