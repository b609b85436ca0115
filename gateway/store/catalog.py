"""The catalog's documents: geofences and offers with their versions, committed atomically, followed by all workers.

Every commit is one new catalog version, however many documents it changes. A document's version is the catalog version
that wrote it. Bodies are immutable and written ahead; the commit only moves pointers, so a large import holds the
server for as long as its pointers take. ``lua/commit.lua`` says how the keys look.
"""

from __future__ import annotations

import bisect
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from gateway.errors import NotFound, PreconditionFailed
from gateway.store import keys
from gateway.store.connection import Arg, Connection, Subscription
from gateway.store.scripts import COMMIT

BODIES_PER_CALL: Final = 200
"""Bodies read or written by one command: about half a megabyte of polygons."""
MAX_CATCH_UP: Final = 200
"""Versions that are caught up one by one; further behind, everything is loaded anew."""


class Kind(StrEnum):
    """What a document describes; the value is its Redis hash."""

    GEOFENCE = "geofences"
    OFFER = "offers"
    POLICY = "policies"


_KINDS: Final = tuple(Kind)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one document. ``body`` is its JSON; ``extra`` what was computed once from it (a covering)."""

    kind: Kind
    id: str
    version: int
    body: bytes
    extra: bytes = b""
    at_ms: int = 0
    author: str = ""


Documents = list[Document]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One document to put, or to delete where ``body`` is None.

    ``expected`` is the version it must have now: None any, 0 none (it must not exist).
    """

    kind: Kind
    id: str
    body: bytes | None
    extra: bytes = b""
    expected: int | None = None


class CatalogChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What brings a reader to ``version``: documents to put, and (kind, id) pairs to remove.

    With ``is_complete`` the documents are the whole catalog, and whatever the reader held before goes.
    """

    version: int
    is_complete: bool
    documents: tuple[Document, ...]
    removed: tuple[tuple[Kind, str], ...] = ()


class _Body(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    author: str
    body: bytes
    extra: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode
_decode_changes = msgspec.msgpack.Decoder(list[tuple[int, str, str, str]]).decode


class _Ids(msgspec.Struct, frozen=True):
    """A kind's ids in order, and their pointers, at one catalog version."""

    version: int
    ids: list[str]
    pointers: dict[str, str]


class Catalog:
    """Reads and commits documents."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[Kind, _Ids] = {}

    async def version(self) -> int:
        """The present catalog version; 0 before the first commit."""
        return int(await self._connection.call("GET", keys.CATALOG_VERSION) or 0)

    async def get(self, kind: Kind, document_id: str) -> Document | None:
        """One document as it is now."""
        pointer = await self._connection.call("HGET", keys.documents(kind), document_id)
        if pointer is None:
            return None
        found = await self._load([(kind, document_id, pointer.decode())])
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

    async def commit(self, changes: Sequence[Change], *, at_ms: int = 0, author: str = "") -> int:
        """Make all changes at once, or none; answers the new catalog version, which each document put now has.

        Raises PreconditionFailed when a document has another version than expected, NotFound when one to delete does
        not exist; ``extra["index"]`` names the change.
        """
        if not changes:
            return await self.version()
        upload = secrets.token_hex(8)
        tokens = ["" if change.body is None else f"{upload}-{place}" for place, change in enumerate(changes)]
        await self._write_bodies(changes, tokens, at_ms, author)
        wanted = [
            (_KINDS.index(change.kind) + 1, change.id, -1 if change.expected is None else change.expected, token)
            for change, token in zip(changes, tokens, strict=True)
        ]
        try:
            reply = await self._connection.run(
                COMMIT,
                [keys.CATALOG_VERSION, keys.changes(""), *(keys.documents(kind) for kind in _KINDS)],
                [keys.CATALOG_NEWS, _encode(wanted)],
            )
        except BaseException:
            await self._unlink(tokens)
            raise
        if reply[0] > 0:
            return int(reply[0])
        await self._unlink(tokens)
        raise _refused(changes[reply[1]], index=reply[1], present=reply[2])

    async def list(self, kind: Kind, *, after: str = "", limit: int = 100) -> Documents:
        """Documents in order of id, those after ``after``."""
        version = await self.version()
        known = self._ids.get(kind)
        if known is None or known.version != version:
            stored = await self._connection.call("HGETALL", keys.documents(kind))
            pointers = {document_id.decode(): pointer.decode() for document_id, pointer in stored.items()}
            known = self._ids[kind] = _Ids(version, sorted(pointers), pointers)
        start = bisect.bisect_right(known.ids, after) if after else 0
        ids = known.ids[start : start + limit]
        return await self._load([(kind, document_id, known.pointers[document_id]) for document_id in ids])

    async def count(self, kind: Kind) -> int:
        """How many documents there are."""
        return int(await self._connection.call("HLEN", keys.documents(kind)))

    async def load_all(self) -> CatalogChanges:
        """The whole catalog at one version."""
        while True:
            version = await self.version()
            pointers = [
                (kind, document_id.decode(), pointer.decode())
                for kind in _KINDS
                for document_id, pointer in (await self._connection.call("HGETALL", keys.documents(kind))).items()
            ]
            documents = await self._load(pointers)
            if await self.version() == version:
                return CatalogChanges(version=version, is_complete=True, documents=tuple(documents))

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
            for kind, document_id, _, pointer in _decode_changes(one):
                newest[_KINDS[kind - 1], document_id] = pointer
        documents = await self._load([(kind, document_id, p) for (kind, document_id), p in newest.items() if p])
        if len(documents) != sum(map(bool, newest.values())):
            return await self.load_all()
        removed = tuple(changed for changed, pointer in newest.items() if not pointer)
        return CatalogChanges(version=present, is_complete=False, documents=tuple(documents), removed=removed)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[CatalogNews]:
        """Hear of new versions from now on."""
        async with self._connection.subscribe(keys.CATALOG_NEWS) as subscription:
            yield CatalogNews(subscription)

    async def _load(self, pointers: Sequence[tuple[Kind, str, str]]) -> Documents:
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

    async def _write_bodies(self, changes: Sequence[Change], tokens: Sequence[str], at_ms: int, author: str) -> None:
        pairs: list[tuple[str, bytes]] = [
            (keys.body(token), _encode(_Body(at_ms, author, change.body, change.extra)))
            for change, token in zip(changes, tokens, strict=True)
            if change.body is not None
        ]
        for chunk in _chunks(pairs):
            command: list[Arg] = ["MSET", *(word for pair in chunk for word in pair)]
            await self._connection.call(*command)

    async def _unlink(self, tokens: Iterable[str]) -> None:
        for chunk in _chunks([keys.body(token) for token in tokens if token]):
            await self._connection.call("UNLINK", *chunk)


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
