"""Pushes that were given up, each with its reason: kept for a look, and for another try."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.outbox import GROUP, OutboxEntry
from gateway.store.scripts import BURY, REPLAY_DEAD

MAX_PER_PARTITION: Final = 1_000
"""Dead letters kept per partition, about a megabyte; the oldest make room."""
_NO_REFUNDS: Final[Mapping[str, str]] = {}
SMALLEST_SHARE: Final = 8
"""Letters read of a partition at once, at least: they do not lie evenly."""
_LETTER_ID: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,15})-([0-9]{1,15})")
_CHANNEL: Final = re.compile(r"[a-z_]+: (\S+) [^\s(]")

Place = tuple[int, int, int]
"""When a letter was given up, by the server's clock, with the stream's own sequence; then its partition."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A push that was given up. ``job`` is as it was claimed: with a placeholder where it ``has_code``."""

    letter_id: str
    user_id: str
    job: bytes
    reason: str
    has_code: bool = False

    @property
    def place(self) -> Place:
        """Where it stands among all; the newest is the greatest."""
        return place_of(self.letter_id)

    @property
    def buried_at_ms(self) -> int:
        """When it was given up, by the server's clock."""
        return self.place[0]

    @property
    def channel(self) -> str:
        """The channel whose word the reason is; "" where none was asked: ``terminal: apns Unregistered``."""
        found = _CHANNEL.match(self.reason)
        return found[1] if found else ""


class DeadLetters:
    """All partitions' dead letters."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = range(partitions)

    async def bury(self, buried: Sequence[tuple[OutboxEntry, str]], refunds: Mapping[str, str] = _NO_REFUNDS) -> None:
        """Move outbox entries here, each with its reason, and acknowledge them: all of it, or nothing.

        ``refunds`` names by entry id the push whose claim is given back in the same breath; other claims stand.
        """
        calls: list[tuple[Sequence[str], Sequence[Arg]]] = []
        for entry, reason in buried:
            p = entry.partition
            names = [keys.outbox(p), keys.dead_letters(p), keys.pushes(p, entry.user_id)]
            refund = [refunds.get(entry.entry_id, ""), keys.lease(p, ""), keys.code_lease(p, "")]
            calls.append((names, [GROUP, MAX_PER_PARTITION, entry.stream_id, reason, *refund]))
        await self._connection.run_many(BURY, calls)

    async def read(self, before: Place | None = None, limit: int = 100) -> tuple[Sequence[DeadLetter], Place | None]:
        """Some hundred letters before a place, newest first, and the place to go on before; None at the end.

        A partition that gave all it was asked for may hold more: what is older than its last is left for later.
        """
        share = max(SMALLEST_SHARE, 2 * limit // len(self._partitions))
        replies = await self._connection.batch(
            [("XREVRANGE", keys.dead_letters(p), _end(before, p), "-", "COUNT", share) for p in self._partitions]
        )
        found = [
            _letter(partition, stream_id, fields)
            for partition, reply in zip(self._partitions, replies, strict=True)
            for stream_id, fields in reply
        ]
        ends = [
            _letter(partition, *reply[-1]).place
            for partition, reply in zip(self._partitions, replies, strict=True)
            if len(reply) == share
        ]
        horizon = max(ends, default=None)
        sure = [letter for letter in found if horizon is None or letter.place >= horizon]
        return sorted(sure, key=lambda letter: letter.place, reverse=True), horizon

    async def find(self, letter_ids: Iterable[str]) -> Sequence[DeadLetter]:
        """Those of these letters that are here, each once."""
        places = self._places(dict.fromkeys(letter_ids))
        replies = await self._connection.batch(
            [("XRANGE", keys.dead_letters(p), f"{at_ms}-{n}", f"{at_ms}-{n}") for at_ms, n, p in places]
        )
        return [_letter(place[2], *reply[0]) for place, reply in zip(places, replies, strict=True) if reply]

    async def put_back(self, letter_ids: Sequence[str]) -> int:
        """Put letters whose claim still stands back into the outbox; answers how many were still there."""
        calls = [([keys.outbox(p), keys.dead_letters(p)], [f"{at_ms}-{n}"]) for at_ms, n, p in self._places(letter_ids)]
        return sum(await self._connection.run_many(REPLAY_DEAD, calls))

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """Forget letters for good; answers how many were still there."""
        calls = [("XDEL", keys.dead_letters(p), f"{at_ms}-{n}") for at_ms, n, p in self._places(letter_ids)]
        return sum(await self._connection.batch(calls))

    async def depth(self) -> int:
        """How many there are."""
        return sum(await self._connection.batch([("XLEN", keys.dead_letters(p)) for p in self._partitions]))

    def _places(self, letter_ids: Iterable[str]) -> Sequence[Place]:
        """Of each that is spelled as ours are; others cannot be here."""
        spelled = [place_of(letter_id) for letter_id in letter_ids if _LETTER_ID.fullmatch(letter_id)]
        return [place for place in spelled if place[2] in self._partitions]


def place_of(letter_id: str) -> Place:
    """The place that a letter's id says. Raises ValueError for what is no id of ours."""
    found = _LETTER_ID.fullmatch(letter_id)
    if found is None:
        raise ValueError(f"{letter_id!r} is no id of a dead letter")
    return int(found[2]), int(found[3]), int(found[1])


def letter_id_at(place: Place) -> str:
    """The id of the letter at a place."""
    at_ms, sequence, partition = place
    return f"{partition}:{at_ms}-{sequence}"


def _end(before: Place | None, partition: int) -> str:
    """Where reading a partition's stream backwards begins: of two at one instant the higher partition comes first."""
    if before is None:
        return "+"
    at_ms, sequence, last = before
    return f"{at_ms}-{sequence}" if partition < last else f"({at_ms}-{sequence}"


def _letter(partition: int, stream_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        f"{partition}:{stream_id.decode()}",
        fields[b"user"].decode(),
        fields[b"job"],
        fields[b"reason"].decode(),
        b"code" in fields,
    )
