"""The catalog's documents: geofences and offers with their versions, committed atomically, followed by all workers.

Every commit is one new catalog version, however many documents it changes. A document's version is the catalog version
that wrote it. Bodies are immutable and written ahead under the name of their upload; the commit only moves pointers to
them (``pointers.py``). Bodies that were never committed are swept away after a while (``history.py``).
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.clock import now_ms
from gateway.errors import NotFound, PreconditionFailed
from gateway.store import keys
from gateway.store.connection import Arg, Connection, Subscription
from gateway.store.documents import KINDS, CatalogChanges, Change, Document, Documents, Kind
from gateway.store.pointers import Label, Move, Pointer, Pointers, decode_committed

__all__ = ["Catalog", "CatalogChanges", "CatalogNews", "Change", "Document", "Documents", "Kind"]

BODIES_PER_CALL: Final = 200
"""Bodies read or written by one command: about half a megabyte of polygons."""
IDS_PER_CALL: Final = 5_000
"""Pointers read by one command: about a millisecond of the server's time."""
RELOAD_S: Final = 0.05
"""Pause before everything is loaded again because it changed meanwhile."""
MAX_CATCH_UP: Final = 200
"""Versions that are caught up one by one; further behind, everything is loaded anew."""


class _Body(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    author: str
    body: bytes
    extra: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode


class _Ids(msgspec.Struct, frozen=True):
    """A kind's ids in order, and their pointers, at one catalog version."""

    version: int
    ids: list[str]
    pointers: dict[str, str]


class Catalog:
    """Reads and commits documents."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pointers = Pointers(connection, [keys.documents(kind) for kind in KINDS])
        self._ids: dict[Kind, _Ids] = {}

    async def version(self) -> int:
        """The present catalog version; 0 before the first commit."""
        return int(await self._connection.call("GET", keys.CATALOG_VERSION) or 0)

    async def get(self, kind: Kind, document_id: str) -> Document | None:
        """One document as it is now."""
        pointer = await self.pointer(kind, document_id)
        if not pointer:
            return None
        found = await self.load([(kind, document_id, pointer)])
        return found[0] if found else await self.get(kind, document_id)

    async def put(
        self,
        kind: Kind,
        document_id: str,
        body: bytes,
        *,
        extra: bytes = b"",
        expected: int | None = None,
        at_ms: int = 0,
        author: str = "",
    ) -> int:
        """Store one document; answers its version. Raises PreconditionFailed, see ``Change.expected``."""
        change = Change(kind=kind, id=document_id, body=body, extra=extra, expected=expected)
        return await self.commit([change], at_ms=at_ms, author=author)

    async def delete(
        self, kind: Kind, document_id: str, *, expected: int | None = None, at_ms: int = 0, author: str = ""
    ) -> int:
        """Delete one document; answers the catalog version. Raises NotFound, PreconditionFailed."""
        change = Change(kind=kind, id=document_id, body=None, expected=expected)
        return await self.commit([change], at_ms=at_ms, author=author)

    async def commit(self, changes: Sequence[Change], *, at_ms: int = 0, author: str = "", note: str = "") -> int:
        """Make all changes at once, or none; answers the new catalog version, which each document put now has.

        Raises PreconditionFailed when a document has another version than expected, NotFound when one to delete does
        not exist; ``extra["index"]`` names the change.
        """
        if not changes:
            return await self.version()
        upload, tokens = await self._stage([change.body is not None for change in changes])
        for chunk in _chunks([(t, c) for t, c in zip(tokens, changes, strict=True) if c.body is not None]):
            words: list[Arg] = []
            for token, change in chunk:
                words += (keys.body(token), _encode(_Body(at_ms, author, change.body or b"", change.extra)))
            await self._connection.call("MSET", *words)
        done = await self._pointers.commit(
            [
                Move(KINDS.index(c.kind) + 1, c.id, -1 if c.expected is None else c.expected, token)
                for c, token in zip(changes, tokens, strict=True)
            ],
            Label(at_ms, author, note, upload),
        )
        if isinstance(done, int):
            return done
        await self._discard(upload, tokens)
        raise _refused(changes[done.index], index=done.index, present=done.present)

    async def restore(
        self, changes: Sequence[tuple[Kind, str, Pointer, Pointer]], *, at_ms: int, author: str, note: str
    ) -> int:
        """Put documents back to what earlier pointers name, in one commit: (kind, id, earlier, present pointer).

        Raises NotFound where an earlier body is forgotten, PreconditionFailed where a present pointer has moved.
        """
        if not changes:
            return await self.version()
        upload, tokens = await self._stage([bool(earlier) for _, _, earlier, _ in changes])
        copies = [
            ("COPY", keys.body(earlier.partition(" ")[2]), keys.body(token))
            for (_, _, earlier, _), token in zip(changes, tokens, strict=True)
            if earlier
        ]
        copied = [all(await self._connection.batch(chunk)) for chunk in _chunks(copies)]
        if not all(copied):
            await self._discard(upload, tokens)
            raise NotFound("an earlier version of a document is no longer kept")
        done = await self._pointers.commit(
            [
                Move(KINDS.index(kind) + 1, document_id, int(present.partition(" ")[0] or 0), token)
                for (kind, document_id, _, present), token in zip(changes, tokens, strict=True)
            ],
            Label(at_ms, author, note, upload),
        )
        if isinstance(done, int):
            return done
        await self._discard(upload, tokens)
        raise PreconditionFailed("the catalog was changed meanwhile; look again at what would change")

    async def settled_commit(self) -> str:
        """The version, as text, of a large commit that is being carried out; "" where there is none."""
        return await self._pointers.settled()

    async def carry_out(self) -> None:
        """Finish such a commit: its author may have died."""
        await self._pointers.carry_out()

    async def pointer(self, kind: Kind, document_id: str) -> Pointer:
        """Where the present version of a document is; "" where there is none."""
        stored = await self._connection.call("HGET", keys.documents(kind), document_id)
        return "" if stored is None else str(stored, "utf-8")

    async def list(self, kind: Kind, *, after: str = "", limit: int = 100) -> Documents:
        """Documents in order of id, those after ``after``."""
        version = await self.version()
        known = self._ids.get(kind)
        if known is None or known.version != version:
            pointers = {document_id: pointer for _, document_id, pointer in await self._scan(kind)}
            known = self._ids[kind] = _Ids(version, sorted(pointers), pointers)
        start = bisect.bisect_right(known.ids, after) if after else 0
        ids = known.ids[start : start + limit]
        return await self.load([(kind, document_id, known.pointers[document_id]) for document_id in ids])

    async def count(self, kind: Kind) -> int:
        """How many documents there are."""
        return int(await self._connection.call("HLEN", keys.documents(kind)))

    async def load_all(self) -> CatalogChanges:
        """The whole catalog at one version."""
        while True:
            version = await self.version()
            if not await self._pointers.settled():
                pointers = [pointer for kind in KINDS for pointer in await self._scan(kind)]
                documents = await self.load(pointers)
                if await self.version() == version and not await self._pointers.settled():
                    return CatalogChanges(version=version, is_complete=True, documents=tuple(documents))
            await asyncio.sleep(RELOAD_S)

    async def changes_since(self, version: int) -> CatalogChanges:
        """What happened after ``version``; the whole catalog where that is too long ago to tell."""
        present = await self.version()
        if present == version:
            return CatalogChanges(version=version, is_complete=False, documents=())
        if not version < present <= version + MAX_CATCH_UP:
            return await self.load_all()
        stored = await self._connection.mget([keys.changes(v) for v in range(version + 1, present + 1)])
        newest: dict[tuple[Kind, str], str] = {}
        for one in stored:
            if one is None:
                return await self.load_all()
            for kind, document_id, _, pointer in decode_committed(one).changes:
                newest[KINDS[kind - 1], document_id] = pointer
        documents = await self.load([(kind, document_id, p) for (kind, document_id), p in newest.items() if p])
        if len(documents) != sum(map(bool, newest.values())):
            return await self.load_all()
        removed = tuple(changed for changed, pointer in newest.items() if not pointer)
        return CatalogChanges(version=present, is_complete=False, documents=tuple(documents), removed=removed)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[CatalogNews]:
        """Hear of new versions from now on."""
        async with self._connection.subscribe(keys.CATALOG_NEWS) as subscription:
            yield CatalogNews(subscription)

    async def load(self, pointers: Sequence[tuple[Kind, str, Pointer]]) -> Documents:
        """The documents behind pointers; one replaced and forgotten meanwhile is left out."""
        documents: Documents = []
        for chunk in _chunks(pointers):
            bodies = await self._connection.mget([keys.body(pointer.partition(" ")[2]) for _, _, pointer in chunk])
            for (kind, document_id, pointer), stored in zip(chunk, bodies, strict=True):
                if stored is not None:
                    held = _decode_body(stored)
                    documents.append(
                        Document(
                            kind=kind,
                            id=document_id,
                            version=int(pointer.partition(" ")[0]),
                            body=held.body,
                            extra=held.extra,
                            at_ms=held.at_ms,
                            author=held.author,
                        )
                    )
        return documents

    async def _scan(self, kind: Kind) -> Sequence[tuple[Kind, str, Pointer]]:
        """All pointers of a kind, read in parts."""
        found: dict[bytes, bytes] = {}
        cursor: int | bytes = b"0"
        while True:
            cursor, part = await self._connection.call("HSCAN", keys.documents(kind), cursor, "COUNT", IDS_PER_CALL)
            found |= part
            if int(cursor) == 0:
                return [(kind, document_id.decode(), pointer.decode()) for document_id, pointer in found.items()]

    async def _stage(self, has_body: Sequence[bool]) -> tuple[str, Sequence[str]]:
        """Name an upload and the tokens of its bodies, "" where there is none, so that it can be swept if it fails."""
        upload = secrets.token_hex(8)
        await self._connection.call("HSET", keys.CATALOG_STAGED, upload, f"{now_ms()} {len(has_body)}")
        return upload, [f"{upload}-{place}" if has else "" for place, has in enumerate(has_body)]

    async def _discard(self, upload: str, tokens: Sequence[str]) -> None:
        for chunk in _chunks([keys.body(token) for token in tokens if token]):
            await self._connection.call("UNLINK", *chunk)
        await self._connection.call("HDEL", keys.CATALOG_STAGED, upload)


class CatalogNews:
    """Versions as they are committed. Raises Unavailable when the connection is lost: enter ``subscribe`` again."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def wait(self, timeout_s: float) -> int | None:
        """The next version committed; None when there was none within ``timeout_s``."""
        message = await self._subscription.wait(timeout_s)
        return None if message is None else int(message)


def _refused(change: Change, *, index: int, present: int) -> NotFound | PreconditionFailed:
    what = f"{change.kind.removesuffix('s')} {change.id!r}"
    if change.body is None and present == 0:
        return NotFound(f"there is no {what}", index=index)
    if change.expected == 0:
        return PreconditionFailed(f"{what} exists already, at version {present}", index=index, version=present)
    now = f"is at version {present}" if present else "does not exist"
    return PreconditionFailed(f"{what} {now}, not at {change.expected}; read it again", index=index, version=present)


_T = TypeVar("_T")


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + BODIES_PER_CALL] for start in range(0, len(items), BODIES_PER_CALL))
