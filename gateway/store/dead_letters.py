"""Pushes that were given up, each with its reason: kept for a look, and for another try."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.outbox import GROUP, OutboxEntry
from gateway.store.scripts import BURY, REPLAY_DEAD

MAX_PER_PARTITION: Final = 1_000
"""Dead letters kept per partition, about a megabyte; the oldest make room."""
_LETTER_ID: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,15}-[0-9]{1,15})")


class DeadLetter(msgspec.Struct, frozen=True):
    """A push that was given up. ``letter_id`` sorts by when, within its partition."""

    letter_id: str
    user_id: str
    job: bytes
    reason: str

    @property
    def buried_at_ms(self) -> int:
        """When it was given up, by the server's clock."""
        return int(self.letter_id.partition(":")[2].partition("-")[0])


class DeadLetters:
    """All partitions' dead letters."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = range(partitions)

    async def bury(self, buried: Sequence[tuple[OutboxEntry, str]]) -> None:
        """Move outbox entries here, each with its reason, and acknowledge them: both, or neither."""
        await self._connection.run_many(
            BURY,
            [
                (
                    [keys.outbox(entry.partition), keys.dead_letters(entry.partition)],
                    [GROUP, MAX_PER_PARTITION, entry.stream_id, reason],
                )
                for entry, reason in buried
            ],
        )

    async def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """The latest, newest first."""
        replies = await self._connection.batch(
            [("XREVRANGE", keys.dead_letters(p), "+", "-", "COUNT", limit) for p in self._partitions]
        )
        letters = [
            DeadLetter(
                f"{partition}:{stream_id.decode()}",
                fields[b"user"].decode(),
                fields[b"job"],
                fields[b"reason"].decode(),
            )
            for partition, reply in zip(self._partitions, replies, strict=True)
            for stream_id, fields in reply
        ]
        return sorted(letters, key=lambda letter: letter.buried_at_ms, reverse=True)[:limit]

    async def replay(self, letter_ids: Sequence[str]) -> int:
        """Put letters back into the outbox; answers how many were still there."""
        places = self._places(letter_ids)
        calls = [([keys.outbox(p), keys.dead_letters(p)], [stream_id]) for p, stream_id in places]
        return sum(await self._connection.run_many(REPLAY_DEAD, calls))

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """Forget letters for good; answers how many were still there."""
        places = self._places(letter_ids)
        return sum(await self._connection.batch([("XDEL", keys.dead_letters(p), stream_id) for p, stream_id in places]))

    async def depth(self) -> int:
        """How many there are."""
        return sum(await self._connection.batch([("XLEN", keys.dead_letters(p)) for p in self._partitions]))

    def _places(self, letter_ids: Sequence[str]) -> Sequence[tuple[int, str]]:
        """Partition and stream id of each that is spelled as ours are; others cannot be here."""
        found = (_LETTER_ID.fullmatch(letter_id) for letter_id in letter_ids)
        return [(int(one[1]), one[2]) for one in found if one and int(one[1]) in self._partitions]
