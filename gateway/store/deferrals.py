"""What is to be decided later: after a delay, or at the end of quiet hours.

A due decision is handed to one worker once. One that dies with it in hand loses it: a late push is worth less than a
second one.
"""

from __future__ import annotations

from typing import Final

from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.scripts import DEFER, TAKE_DEFERRED, TAKE_DUE

KEPT_MS: Final = 8 * 86_400_000
"""Longest that something can wait: a week, and a margin."""
LEASE_MS: Final = 10_000


class Deferrals:
    """Notes and hands out."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions

    async def put(self, user_id: str, name: str, due_ms: int, payload: bytes) -> None:
        """Hand ``payload`` out at ``due_ms``; ``name`` is unique per user, and put again it is replaced."""
        partition = keys.partition_of(user_id, self._partitions)
        await self._connection.run(
            DEFER,
            [keys.deferred(partition, user_id), keys.deferred_due(partition)],
            [user_id, name, due_ms, payload, KEPT_MS],
        )

    async def take(self, now_ms: int, limit: int) -> list[tuple[str, bytes]]:
        """What is due of about ``limit`` users: (user, payload)."""
        share = max(1, limit // self._partitions)
        replies = await self._connection.run_many(
            TAKE_DUE, [([keys.deferred_due(p)], [now_ms, share, LEASE_MS]) for p in range(self._partitions)]
        )
        due = [(partition, user.decode()) for partition, users in enumerate(replies) for user in users]
        taken = await self._connection.run_many(
            TAKE_DEFERRED,
            [([keys.deferred(p, user), keys.deferred_due(p)], [user, now_ms]) for p, user in due],
        )
        return [(user, payload) for (_, user), payloads in zip(due, taken, strict=True) for payload in payloads]
