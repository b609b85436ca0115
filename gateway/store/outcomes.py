"""What happened after pushes: opened, dismissed, converted, opted out, each once by push id; visits, and purchases.

Visits and purchases are told of users, not of pushes, so that those who were held out can be compared with the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from gateway.store import keys
from gateway.store.claiming import history_of
from gateway.store.connection import Connection
from gateway.store.scripts import RECORD_OUTCOME, RECORD_PURCHASE
from rules.model import PushKind

KEPT_MS: Final = 90 * 86_400_000
"""How long a repeat is recognised, counted from the latest outcome of any of the user's pushes."""
PURCHASE_WINDOW_MS: Final = 7 * 86_400_000
"""A purchase counts for the pushes of the week before: by default that is how far apart pushes of an offer are."""

VISIT_WINDOW_MS: Final = 86_400_000
"""A visit counts for the pushes of the day before its begin: a push for now and near here that brings nobody the same
day did not bring him."""
VISIT_MS: Final = 60_000
"""Who stays in the store this long after the push has visited it; who is shorter there passed through."""


class Stay(NamedTuple):
    """A user's time in a geofence, from the fix that proved the entry to the one that proved the exit."""

    user_id: str
    geofence_id: str
    entered_at_ms: int
    left_at_ms: int


class PushFacts(msgspec.Struct, frozen=True):
    """What a push was, for counting; ``is_first`` is False where the outcome was known already.

    A ghost is the push that a held-out user would have got.
    """

    is_first: bool
    claimed_at_ms: int
    offer_id: str
    geofence_id: str
    variant: str
    is_ghost: bool = False


class Outcomes:
    """Records outcomes."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions

    async def record(self, user_id: str, push_id: str, outcome: str, at_ms: int) -> PushFacts | None:
        """Record ``outcome`` of a push; None where the user has no such push."""
        reply = await self._connection.run(RECORD_OUTCOME, self._keys(user_id), [push_id, outcome, at_ms, KEPT_MS])
        if reply[0] < 0:
            return None
        fresh, claimed_at_ms, offer_id, geofence_id, variant = reply
        return PushFacts(fresh == 1, claimed_at_ms, offer_id.decode(), geofence_id.decode(), variant.decode())

    async def record_purchases(self, purchases: Sequence[tuple[str, int]]) -> list[list[PushFacts]]:
        """Record purchases (user, at_ms); for each, the pushes and ghosts of its user that it followed."""
        calls = [(self._keys(user_id), [at_ms, PURCHASE_WINDOW_MS, KEPT_MS]) for user_id, at_ms in purchases]
        replies = await self._connection.run_many(RECORD_PURCHASE, calls)
        return [
            [
                PushFacts(fresh == 1, claimed_at_ms, offer.decode(), geofence.decode(), variant.decode(), ghost == 1)
                for fresh, claimed_at_ms, offer, geofence, variant, ghost in reply
            ]
            for reply in replies
        ]

    async def record_visits(self, stays: Sequence[Stay]) -> list[PushFacts]:
        """Record stays as visits of the pushes and ghosts for those stores; answers those not visited before."""
        users = list(dict.fromkeys(stay.user_id for stay in stays))
        stored = dict(zip(users, await self._connection.mget([self._keys(user)[0] for user in users]), strict=True))
        visited = [
            (stay, past)
            for stay in stays
            for past in history_of(stored[stay.user_id])
            if past.geofence_id == stay.geofence_id
            and past.kind != PushKind.TRANSACTIONAL
            and past.at_ms > stay.entered_at_ms - VISIT_WINDOW_MS
            and stay.left_at_ms - max(past.at_ms, stay.entered_at_ms) >= VISIT_MS
        ]
        replies = await self._connection.run_many(
            RECORD_OUTCOME,
            [(self._keys(stay.user_id), [past.push_id, "visited", stay.left_at_ms, KEPT_MS]) for stay, past in visited],
        )
        return [
            PushFacts(
                True, past.at_ms, past.offer_id, past.geofence_id, past.variant, is_ghost=past.kind == PushKind.GHOST
            )
            for (_, past), reply in zip(visited, replies, strict=True)
            if reply[0] == 1
        ]

    def _keys(self, user_id: str) -> tuple[str, str]:
        partition = keys.partition_of(user_id, self._partitions)
        return keys.pushes(partition, user_id), keys.outcomes(partition, user_id)
