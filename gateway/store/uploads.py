"""Documents on their way into the catalog: bodies written ahead, in parts, then committed by their pointers alone.

However large an upload is, no command carries more than ``BODIES_PER_CALL`` bodies, and its author need not hold them.
What is never committed is swept away later (``history.py``).
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.clock import now_ms
from gateway.errors import NotFound, PreconditionFailed
from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.documents import KINDS, Change, Kind
from gateway.store.pointers import Label, Move, Pointer, Pointers, Refused

BODIES_PER_CALL: Final = 200
"""Bodies read or written by one command: about half a megabyte of polygons."""


class Body(msgspec.Struct, frozen=True, array_like=True):
    """One version of one document as it is stored."""

    at_ms: int
    author: str
    body: bytes
    extra: bytes


_encode = msgspec.msgpack.Encoder().encode
_T = TypeVar("_T")


class Upload:
    """One commit in the making."""

    def __init__(self, connection: Connection, pointers: Pointers, *, at_ms: int, author: str) -> None:
        self._connection = connection
        self._pointers = pointers
        self._at_ms, self._author = at_ms, author
        self._name = secrets.token_hex(8)
        self._moves: list[Move] = []

    def __len__(self) -> int:
        return len(self._moves)

    async def add(self, changes: Sequence[Change]) -> None:
        """Write bodies ahead; nothing is seen of them before the commit."""
        for chunk in chunks(changes):
            begin = len(self._moves)
            words: list[Arg] = []
            for place, change in enumerate(chunk, begin):
                expected = -1 if change.expected is None else change.expected
                token = "" if change.body is None else f"{self._name}-{place}"
                if change.body is not None:
                    words += (keys.body(token), _encode(Body(self._at_ms, self._author, change.body, change.extra)))
                self._moves.append(Move(KINDS.index(change.kind) + 1, change.id, expected, token))
            await self._announce()
            if words:
                await self._connection.call("MSET", *words)

    async def add_earlier(self, changes: Sequence[tuple[Kind, str, Pointer, Pointer]]) -> None:
        """Take the bodies of earlier pointers again: (kind, id, earlier, present pointer). NotFound where forgotten."""
        for chunk in chunks(changes):
            begin = len(self._moves)
            copies: list[Sequence[Arg]] = []
            for place, (kind, document_id, earlier, present) in enumerate(chunk, begin):
                token = f"{self._name}-{place}" if earlier else ""
                if earlier:
                    copies.append(("COPY", keys.body(earlier.partition(" ")[2]), keys.body(token)))
                expected = int(present.partition(" ")[0] or 0)
                self._moves.append(Move(KINDS.index(kind) + 1, document_id, expected, token))
            await self._announce()
            if copies and not all(await self._connection.batch(copies)):
                await self.discard()
                raise NotFound("an earlier version of a document is no longer kept")

    async def commit(self, note: str = "") -> int | tuple[Move, Refused]:
        """Commit all that was added, or nothing; the new version, or which move was refused and why.

        Raises Conflict when other commits never let it.
        """
        done = await self._pointers.commit(self._moves, Label(self._at_ms, self._author, note, self._name))
        if isinstance(done, int):
            return done
        await self.discard()
        return self._moves[done.index], done

    async def discard(self) -> None:
        """Remove what was written."""
        for chunk in chunks([keys.body(move.token) for move in self._moves if move.token]):
            await self._connection.call("UNLINK", *chunk)
        await self._connection.call("HDEL", keys.CATALOG_STAGED, self._name)

    async def _announce(self) -> None:
        """Leave word of what is being written, so that it can be swept if this process dies."""
        await self._connection.call("HSET", keys.CATALOG_STAGED, self._name, f"{now_ms()} {len(self._moves)}")


def refusal(move: Move, refused: Refused) -> NotFound | PreconditionFailed:
    """The error of a commit that was refused."""
    what = f"{KINDS[move.kind - 1].removesuffix('s')} {move.id!r}"
    if not move.token and refused.present == 0:
        return NotFound(f"there is no {what}", index=refused.index)
    if move.expected == 0:
        detail = f"{what} exists already, at version {refused.present}"
        return PreconditionFailed(detail, index=refused.index, version=refused.present)
    now = f"is at version {refused.present}" if refused.present else "does not exist"
    detail = f"{what} {now}, not at {move.expected}; read it again"
    return PreconditionFailed(detail, index=refused.index, version=refused.present)


def chunks(items: Iterable[_T]) -> Iterator[Sequence[_T]]:
    """Parts of at most ``BODIES_PER_CALL``, made as they are asked for."""
    left = iter(items)
    while part := list(itertools.islice(left, BODIES_PER_CALL)):
        yield part
