"""What happened to pushes after delivery: opened, dismissed, converted, opted out; each once, by push id."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.scripts import RECORD_OUTCOME

KEPT_MS: Final = 90 * 86_400_000
"""How long a repeat is recognised, counted from the latest outcome of any of the user's pushes."""


class PushFacts(msgspec.Struct, frozen=True):
    """What a push was, for counting; ``is_first`` is False where the outcome was known already."""

    is_first: bool
    claimed_at_ms: int
    offer_id: str
    geofence_id: str
    variant: str


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
