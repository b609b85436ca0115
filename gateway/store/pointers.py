"""Moving the catalog's pointers: a commit is atomic for every reader, and a large one holds the server only in parts.

A few changes are one Lua script. Many would hold the server for a second, so they are planned: under a lock the plan
is checked and written, then it is settled, and from then on it will be carried out, by whoever comes by if its author
dies. The catalog's version moves last, and readers of many documents go by versions, so none sees a half.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from gateway.errors import Conflict
from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.scripts import COMMIT, COMPARE_AND_DELETE, MOVE_POINTERS, PLAN_COMMIT, PLAN_PART, PUBLISH_COMMIT

Pointer = str
"""Where a version of a document is, "<document version> <body token>"; "" where there is none."""
StoredChange = tuple[int, str, Pointer, Pointer]
"""What a version keeps of one change: number of the kind, id, pointer before, pointer after."""

MAX_AT_ONCE: Final = 500
"""Changes that one script makes: some milliseconds of the server's time."""
LOCK_MS: Final = 30_000
"""How long a part of a plan may take to prepare before another plan may begin."""
PART_MS: Final = 3_600_000
"""How long a part is kept before it is carried out; one whose plan was given up goes by itself."""
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
    """A version as it is stored. A large one keeps its changes apart: ``count`` of them in ``parts`` keys."""

    at_ms: int
    author: str
    note: str
    changes: list[StoredChange]
    count: int = 0
    parts: int = 0


class Forgotten(Exception):
    """A version's changes are not kept any more."""


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
        for number in range(decode_committed(stored).parts):
            part = keys.changes_part(version, number)
            changes = _decode_part(await self._connection.call("GET", part) or b"\x90")
            for kind, key in enumerate(self._documents, 1):
                own = [(document_id, after) for kind_, document_id, _, after in changes if kind_ == kind]
                words = [word for pair in own for word in pair]
                moving = [keys.CATALOG_PLAN, key, part]
                if words and not await self._connection.run(MOVE_POINTERS, moving, [version, *words]):
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
            version = int(await self._connection.call("GET", keys.CATALOG_VERSION) or 0) + 1
            parts = 0
            for begin in range(0, len(moves), MAX_AT_ONCE):
                part = moves[begin : begin + MAX_AT_ONCE]
                old = await self._present(part)
                for index, (move, pointer) in enumerate(zip(part, old, strict=True), begin):
                    present = int(pointer.partition(" ")[0] or 0)
                    if move.expected not in {-1, present} or (not move.token and not present):
                        return Refused(index, present)
                changes = [
                    (move.kind, move.id, pointer, f"{version} {move.token}" if move.token else "")
                    for move, pointer in zip(part, old, strict=True)
                ]
                planned = [keys.CATALOG_PLAN, keys.changes_part(version, parts)]
                if not await self._connection.run(PLAN_PART, planned, [lock, LOCK_MS, PART_MS, _encode(changes)]):
                    return None
                parts += 1
            settled = await self._connection.run(
                PLAN_COMMIT,
                [keys.CATALOG_PLAN, keys.changes(version), keys.CATALOG_STAGED],
                [
                    lock, version,
                    _encode(Committed(label.at_ms, label.author, label.note, [], len(moves), parts)), label.upload,
                ],
            )  # fmt: skip
            if not settled:
                return None
        finally:
            await self._connection.run(COMPARE_AND_DELETE, [keys.CATALOG_PLAN], [lock])
        await self.carry_out()
        return version

    async def _present(self, moves: Sequence[Move]) -> list[Pointer]:
        """The pointers of the documents to move, in order."""
        old: list[Pointer] = [""] * len(moves)
        for number, key in enumerate(self._documents, 1):
            places = [place for place, move in enumerate(moves) if move.kind == number]
            if places:
                held = await self._connection.call("HMGET", key, *(moves[place].id for place in places))
                for place, pointer in zip(places, held, strict=True):
                    old[place] = "" if pointer is None else pointer.decode()
        return old


async def read_changes(
    connection: Connection, version: int, stored: bytes | None
) -> AsyncIterator[Sequence[StoredChange]]:
    """What a version changed, in parts; ``stored`` is its record. Raises Forgotten."""
    if stored is None:
        raise Forgotten
    committed = decode_committed(stored)
    if committed.changes:
        yield committed.changes
    for number in range(committed.parts):
        part = await connection.call("GET", keys.changes_part(version, number))
        if part is None:
            raise Forgotten
        yield _decode_part(part)


_encode = msgspec.msgpack.Encoder().encode
decode_committed = msgspec.msgpack.Decoder(Committed).decode
_decode_part = msgspec.msgpack.Decoder(list[StoredChange]).decode
