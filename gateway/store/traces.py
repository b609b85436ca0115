"""Why someone got a push or did not: decisions as they were made, kept for a while.

A push's trace is found by its id; the latest traces of a user, of pushes and of sampled refusals, by his.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.scripts import PUT_TRACES

MAX_TRACES: Final = 50
"""Traces kept per user: some weeks of decisions, about 100 kB."""


class Trace(msgspec.Struct, frozen=True):
    """One decision as JSON; ``push_id`` where it made a push."""

    user_id: str
    body: bytes
    push_id: str | None = None


class Traces:
    """Keeps and finds traces."""

    def __init__(self, connection: Connection, partitions: int, *, kept_s: float) -> None:
        self._connection = connection
        self._partitions = partitions
        self._kept_ms = int(kept_s * 1000)

    async def put(self, traces: Sequence[Trace]) -> None:
        """Keep traces, unless they are to be kept for no time at all."""
        if self._kept_ms == 0:
            return
        groups: dict[int, list[Trace]] = {}
        for trace in traces:
            groups.setdefault(keys.partition_of(trace.user_id, self._partitions), []).append(trace)
        await self._connection.run_many(
            PUT_TRACES,
            [
                (
                    [keys.traces(partition, trace.user_id) for trace in group],
                    [MAX_TRACES, self._kept_ms, *(trace.body for trace in group)],
                )
                for partition, group in groups.items()
            ],
        )
        await self._connection.batch(
            [
                ("SET", keys.push_trace(trace.push_id), trace.body, "PX", self._kept_ms)
                for trace in traces
                if trace.push_id is not None
            ]
        )

    async def of_push(self, push_id: str) -> bytes | None:
        """The decision that made a push."""
        stored: bytes | None = await self._connection.call("GET", keys.push_trace(push_id))
        return stored

    async def of_user(self, user_id: str, limit: int = MAX_TRACES) -> list[bytes]:
        """The user's latest decisions, newest first."""
        stored: list[bytes] = await self._connection.call("LRANGE", self._key(user_id), 0, limit - 1)
        return stored

    def _key(self, user_id: str) -> str:
        return keys.traces(keys.partition_of(user_id, self._partitions), user_id)
