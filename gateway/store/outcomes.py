"""What happened after pushes: opened, dismissed, converted, opted out, each once by push id; and what was bought.

Purchases are told of users, not of pushes, so that those who were held out can be compared with those who were not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.scripts import RECORD_OUTCOME, RECORD_PURCHASE

KEPT_MS: Final = 90 * 86_400_000
"""How long a repeat is recognised, counted from the latest outcome of any of the user's pushes."""
PURCHASE_WINDOW_MS: Final = 7 * 86_400_000
"""A purchase counts for the pushes of the week before: by default that is how far apart pushes of an offer are."""


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
        partition = keys.partition_of(user_id, self._partitions)
        reply = await self._connection.run(
            RECORD_OUTCOME,
            [keys.pushes(partition, user_id), keys.outcomes(partition, user_id)],
            [push_id, outcome, at_ms, KEPT_MS],
        )
        if reply[0] < 0:
            return None
        fresh, claimed_at_ms, offer_id, geofence_id, variant = reply
        return PushFacts(fresh == 1, claimed_at_ms, offer_id.decode(), geofence_id.decode(), variant.decode())

    async def record_purchases(self, purchases: Sequence[tuple[str, int]]) -> list[list[PushFacts]]:
        """Record purchases (user, at_ms); for each, the pushes and ghosts of its user that it followed."""
        calls = []
        for user_id, at_ms in purchases:
            partition = keys.partition_of(user_id, self._partitions)
            names = [keys.pushes(partition, user_id), keys.outcomes(partition, user_id)]
            calls.append((names, [at_ms, PURCHASE_WINDOW_MS, KEPT_MS]))
        replies = await self._connection.run_many(RECORD_PURCHASE, calls)
        return [
            [
                PushFacts(fresh == 1, claimed_at_ms, offer.decode(), geofence.decode(), variant.decode(), ghost == 1)
                for fresh, claimed_at_ms, offer, geofence, variant, ghost in reply
            ]
            for reply in replies
        ]
