"""The outbox: claimed pushes wait in one stream per partition until a provider has accepted or refused them for good.

An entry leaves its stream only when it is acknowledged, so nothing unsent is ever trimmed. A consumer that dies leaves
its entries pending; others take them over once they have been idle long enough.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.store import keys
from gateway.store.connection import MAX_BLOCK_MS, Connection
from gateway.store.scripts import ACKNOWLEDGE, HOLD
from rules.message import CODE_PLACEHOLDER

GROUP: Final = "senders"
CLUSTER_POLL_S: Final = 0.02
"""A cluster's streams cannot be waited for together; they are looked at this often."""


_CODE: Final = CODE_PLACEHOLDER.encode()
_CODE_IN_LINK: Final = quote(CODE_PLACEHOLDER).encode()


class OutboxEntry(msgspec.Struct, frozen=True):
    """One claimed push: where it lies, and the job as the claim wrote it, its code filled in."""

    partition: int
    stream_id: str
    user_id: str
    job: bytes

    @property
    def entry_id(self) -> str:
        """Unique over all partitions, whose stream ids may be the same."""
        return f"{self.partition}:{self.stream_id}"

    @property
    def added_at_ms(self) -> int:
        """When the claim wrote it, by the server's clock."""
        return int(self.stream_id.partition("-")[0])


class Outbox:
    """All partitions' streams, as one queue."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = range(partitions)
        streams = [keys.outbox(partition) for partition in self._partitions]
        self._new_entries = ("STREAMS", *streams, *(">" for _ in streams))
        self._partition_of = {stream.encode(): partition for partition, stream in enumerate(streams)}
        self._ready: deque[OutboxEntry] = deque()
        self._cursors: dict[int, bytes] = {}

    async def prepare(self) -> None:
        """Make the consumer group where it is missing."""
        for partition in self._partitions:
            try:
                await self._connection.call("XGROUP", "CREATE", keys.outbox(partition), GROUP, "0", "MKSTREAM")
            except Unavailable as error:
                if "BUSYGROUP" not in error.detail:
                    raise

    async def read(self, consumer: str, count: int, block_ms: int) -> list[OutboxEntry]:
        """At most ``count`` entries that no consumer has had, waiting at most ``block_ms`` for the first.

        What the server hands out beyond ``count`` (it counts per stream) is kept for the next call.
        """
        if not self._ready:
            try:
                self._ready.extend(await self._read(consumer, count, min(block_ms, MAX_BLOCK_MS)))
            except Unavailable as error:
                if "NOGROUP" not in error.detail:
                    raise
                await self.prepare()
        return [self._ready.popleft() for _ in range(min(count, len(self._ready)))]

    async def ack(self, entries: Sequence[OutboxEntry]) -> None:
        """End entries for good: accepted, refused for good, or dead-lettered."""
        await self._connection.run_many(
            ACKNOWLEDGE,
            [([keys.outbox(partition)], [GROUP, *ids]) for partition, ids in _by_partition(entries).items()],
        )

    async def hold(self, consumer: str, entries: Sequence[OutboxEntry]) -> None:
        """Say that ``consumer`` is still at work on those of these that are his, so that nobody takes them over."""
        await self._connection.run_many(
            HOLD,
            [([keys.outbox(partition)], [GROUP, consumer, *ids]) for partition, ids in _by_partition(entries).items()],
        )

    async def take_over(self, consumer: str, min_idle_ms: int, count: int = 500) -> list[OutboxEntry]:
        """About ``count`` entries whose consumer has not been heard of for ``min_idle_ms``.

        The server looks at some entries a call; each call goes on where the last one stopped, so that entries in
        living hands never hide those behind them.
        """
        share = max(1, count // len(self._partitions))
        replies = await self._connection.batch(
            [
                (
                    "XAUTOCLAIM",
                    keys.outbox(p),
                    GROUP,
                    consumer,
                    min_idle_ms,
                    self._cursors.get(p, "0-0"),
                    "COUNT",
                    share,
                )
                for p in self._partitions
            ]
        )
        for partition, reply in zip(self._partitions, replies, strict=True):
            self._cursors[partition] = reply[0]
        return [
            entry
            for partition, reply in zip(self._partitions, replies, strict=True)
            for entry in _entries(partition, reply[1])
        ]

    async def depth(self) -> int:
        """Entries not yet acknowledged."""
        return sum(await self._connection.batch([("XLEN", keys.outbox(p)) for p in self._partitions]))

    async def oldest_age_ms(self, at_ms: int | None = None) -> int:
        """Age of the oldest entry not yet acknowledged; 0 when there is none."""
        replies = await self._connection.batch(
            [("XRANGE", keys.outbox(p), "-", "+", "COUNT", 1) for p in self._partitions]
        )
        added = [
            entry.added_at_ms
            for p, reply in zip(self._partitions, replies, strict=True)
            for entry in _entries(p, reply)
        ]
        return max(0, (now_ms() if at_ms is None else at_ms) - min(added)) if added else 0

    async def _read(self, consumer: str, count: int, block_ms: int) -> list[OutboxEntry]:
        share = max(1, count // len(self._partitions))
        if self._connection.is_cluster:
            return await self._poll(consumer, share, block_ms)
        block = ("BLOCK", block_ms) if block_ms > 0 else ()
        reply = await self._connection.block(
            "XREADGROUP", "GROUP", GROUP, consumer, "COUNT", share, *block, *self._new_entries
        )
        return [entry for stream, raw in reply or () for entry in _entries(self._partition_of[stream], raw)]

    async def _poll(self, consumer: str, share: int, block_ms: int) -> list[OutboxEntry]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + block_ms / 1000
        while True:
            replies = await self._connection.batch(
                [
                    ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", share, "STREAMS", keys.outbox(p), ">")
                    for p in self._partitions
                ]
            )
            found = [
                entry
                for partition, reply in zip(self._partitions, replies, strict=True)
                for _, raw in reply or ()
                for entry in _entries(partition, raw)
            ]
            if found or loop.time() >= deadline:
                return found
            await asyncio.sleep(CLUSTER_POLL_S)


def _entries(partition: int, raw: Iterable[Any]) -> list[OutboxEntry]:
    return [
        OutboxEntry(partition, stream_id.decode(), fields[b"user"].decode(), _with_code(fields))
        for stream_id, fields in raw
        if stream_id is not None and fields
    ]


def _with_code(fields: Mapping[bytes, bytes]) -> bytes:
    """The job with the code that was drawn for it: kept apart, so that another try can be given another one."""
    job, code = fields[b"job"], fields.get(b"code")
    return job if code is None else job.replace(_CODE, code).replace(_CODE_IN_LINK, code)


def _by_partition(entries: Sequence[OutboxEntry]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for entry in entries:
        groups.setdefault(entry.partition, []).append(entry.stream_id)
    return groups
