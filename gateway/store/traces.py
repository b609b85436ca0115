"""Why someone got a push or did not: decisions as they were made, kept for a while.

A push's trace is found by its id; the latest traces of a user, of pushes and of sampled refusals, by his.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.scripts import PUT_TRACES

MAX_TRACES: Final = 50
"""Traces kept per user: some weeks of decisions, about 100 kB."""

_Written = list[tuple[str, bytes]]


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
        """Keep traces, unless they are to be kept for no time at all.

        One script call; in a cluster one per partition, and one per push.
        """
        if self._kept_ms == 0:
            return
        users = [(self._key(trace.user_id), trace.body) for trace in traces]
        pushes = [(keys.push_trace(trace.push_id), trace.body) for trace in traces if trace.push_id is not None]
        calls = [(users, pushes)]
        if self._connection.is_cluster:
            groups: dict[str, tuple[_Written, _Written]] = {}
            for place, written in enumerate((users, pushes)):
                for key, body in written:
                    groups.setdefault(key.partition("}")[0], ([], []))[place].append((key, body))
            calls = list(groups.values())
        await self._connection.run_many(PUT_TRACES, [self._call(*call) for call in calls])

    def _call(self, users: _Written, pushes: _Written) -> tuple[Sequence[str], Sequence[Arg]]:
        written = users + pushes
        return [key for key, _ in written], [MAX_TRACES, self._kept_ms, len(users), *(body for _, body in written)]

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
