"""Moving the catalog's pointers: a commit is atomic for every reader, and a large one holds the server only in parts.

A few changes are one Lua script. Many would hold the server for a second, so they are planned: under a lock the plan
is checked and written, then it is settled, and from then on it will be carried out, by whoever comes by if its author
dies. The catalog's version moves last, and readers of many documents go by versions, so none sees a half.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.errors import Conflict
from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.scripts import COMMIT, COMPARE_AND_DELETE, MOVE_POINTERS, PLAN_COMMIT, PUBLISH_COMMIT

Pointer = str
"""Where a version of a document is, "<document version> <body token>"; "" where there is none."""
StoredChange = tuple[int, str, Pointer, Pointer]
"""What a version keeps of one change: number of the kind, id, pointer before, pointer after."""

MAX_AT_ONCE: Final = 500
"""Changes that one script makes: some milliseconds of the server's time."""
LOCK_MS: Final = 30_000
"""How long a plan may take to prepare before another may begin; it is prolonged with each part that is read."""
WAIT_S: Final = 30.0
"""How long a commit waits for another that is under way."""
CARRY_OUT_AFTER_S: Final = 1.0
"""A settled commit that has taken this long is carried out by whoever waits for it."""
POLL_S: Final = 0.05


class Move(msgspec.Struct, frozen=True, array_like=True):
    """One pointer to move: kind by number, from 1; ``expected`` version, -1 any, 0 none; ``token`` "" deletes."""

    kind: int
    id: str
    expected: int
    token: str


class Label(msgspec.Struct, frozen=True):
    """What a version says of itself. ``upload`` names the bodies it takes, see ``Catalog``."""

    at_ms: int
    author: str
    note: str
    upload: str


class Refused(msgspec.Struct, frozen=True):
    """The move that made a commit impossible, and the version its document has; 0 none."""

    index: int
    present: int


class Committed(msgspec.Struct, frozen=True, array_like=True):
    """A version as it is stored."""

    at_ms: int
    author: str
    note: str
    changes: list[StoredChange]


class Pointers:
    """Commits moves."""

    def __init__(self, connection: Connection, documents: Sequence[str]) -> None:
        """``documents`` are the keys of the kinds' hashes, in the order of their numbers."""
        self._connection = connection
        self._documents = documents

    async def commit(self, moves: Sequence[Move], label: Label) -> int | Refused:
        """Make all moves at once, or none; answers the new version. Raises Conflict when others never let it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < WAIT_S:
            done = await (self._at_once if len(moves) <= MAX_AT_ONCE else self._in_parts)(moves, label)
            if done is not None:
                return done
            await asyncio.sleep(POLL_S)
            if loop.time() - began > CARRY_OUT_AFTER_S:
                await self.carry_out()
        raise Conflict("another change of the catalog is under way and does not end; try again")

    async def settled(self) -> str:
        """The version, as text, of a large commit that is being carried out; "" where there is none."""
        plan: bytes = await self._connection.call("GET", keys.CATALOG_PLAN) or b""
        return plan[1:].decode() if plan.startswith(b"=") else ""

    async def carry_out(self) -> None:
        """Finish a settled commit, if there is one; it does no harm if its author does so too."""
        version = await self.settled()
        stored = await self._connection.call("GET", keys.changes(version)) if version else None
        if stored is None:
            return
        changes = decode_committed(stored).changes
        for number, key in enumerate(self._documents, 1):
            for part in _parts([change for change in changes if change[0] == number]):
                words = [word for _, document_id, _, after in part for word in (document_id, after)]
                if not await self._connection.run(MOVE_POINTERS, [keys.CATALOG_PLAN, key], [version, *words]):
                    return
        await self._connection.run(
            PUBLISH_COMMIT, [keys.CATALOG_PLAN, keys.CATALOG_VERSION], [version, keys.CATALOG_NEWS]
        )

    async def _at_once(self, moves: Sequence[Move], label: Label) -> int | Refused | None:
        reply = await self._connection.run(
            COMMIT,
            [keys.CATALOG_VERSION, keys.changes(""), keys.CATALOG_PLAN, keys.CATALOG_STAGED, *self._documents],
            [keys.CATALOG_NEWS, _encode(moves), label.at_ms, label.author, label.note, label.upload],
        )
        if reply[0] > 0:
            return int(reply[0])
        return None if reply[0] == -2 else Refused(reply[1], reply[2])

    async def _in_parts(self, moves: Sequence[Move], label: Label) -> int | Refused | None:
        lock = secrets.token_hex(8)
        if not await self._connection.call("SET", keys.CATALOG_PLAN, lock, "NX", "PX", LOCK_MS):
            return None
        try:
            old = await self._present(moves)
            for index, (move, pointer) in enumerate(zip(moves, old, strict=True)):
                present = int(pointer.partition(" ")[0] or 0)
                if move.expected not in {-1, present} or (not move.token and not present):
                    return Refused(index, present)
            version = int(await self._connection.call("GET", keys.CATALOG_VERSION) or 0) + 1
            changes = [
                (move.kind, move.id, pointer, f"{version} {move.token}" if move.token else "")
                for move, pointer in zip(moves, old, strict=True)
            ]
            settled = await self._connection.run(
                PLAN_COMMIT,
                [keys.CATALOG_PLAN, keys.changes(version), keys.CATALOG_STAGED],
                [lock, version, _encode((label.at_ms, label.author, label.note, changes)), label.upload],
            )
            if not settled:
                return None
        finally:
            await self._connection.run(COMPARE_AND_DELETE, [keys.CATALOG_PLAN], [lock])
        await self.carry_out()
        return version

    async def _present(self, moves: Sequence[Move]) -> list[Pointer]:
        """The pointers of the documents to move, in order; the lock is prolonged with each part."""
        old: list[Pointer] = [""] * len(moves)
        for number, key in enumerate(self._documents, 1):
            for part in _parts([place for place, move in enumerate(moves) if move.kind == number]):
                held, _ = await self._connection.batch(
                    [
                        ("HMGET", key, *(moves[place].id for place in part)),
                        ("PEXPIRE", keys.CATALOG_PLAN, LOCK_MS),
                    ]
                )
                for place, pointer in zip(part, held, strict=True):
                    old[place] = "" if pointer is None else pointer.decode()
        return old


_encode = msgspec.msgpack.Encoder().encode
decode_committed = msgspec.msgpack.Decoder(Committed).decode
_T = TypeVar("_T")


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + MAX_AT_ONCE] for start in range(0, len(items), MAX_AT_ONCE))
