"""The catalog's documents: geofences and offers with their versions, committed atomically, followed by all workers.

Every commit is one new catalog version, however many documents it changes. A document's version is the catalog version
that wrote it. Bodies are immutable and written ahead under the name of their upload; the commit only moves pointers to
them (``pointers.py``). Bodies that were never committed are swept away after a while (``history.py``).
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import msgspec

from gateway.errors import PreconditionFailed
from gateway.store import keys
from gateway.store.connection import Connection, Subscription
from gateway.store.documents import KINDS, CatalogChanges, Change, Document, Documents, Kind
from gateway.store.pointers import Forgotten, Pointer, Pointers, read_changes
from gateway.store.uploads import Body, Upload, chunks, refusal

__all__ = ["Catalog", "CatalogChanges", "CatalogNews", "Change", "Document", "Documents", "Kind", "Upload"]

IDS_PER_CALL: Final = 5_000
"""Pointers read by one command: about a millisecond of the server's time."""
RELOAD_S: Final = 0.05
"""Pause before everything is loaded again because it changed meanwhile."""
MAX_CATCH_UP: Final = 200
"""Versions that are caught up one by one; further behind, everything is loaded anew."""


_decode_body = msgspec.msgpack.Decoder(Body).decode


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

    async def get_many(self, kind: Kind, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those of the documents that there are, by id."""
        held = await self._connection.call("HMGET", keys.documents(kind), *document_ids) if document_ids else []
        pointers = [
            (kind, document_id, str(pointer, "utf-8"))
            for document_id, pointer in zip(document_ids, held, strict=True)
            if pointer is not None
        ]
        return {document.id: document for document in await self.load(pointers)}

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
        upload = self.upload(at_ms=at_ms, author=author)
        await upload.add(changes)
        return await self._committed(upload, note)

    def upload(self, *, at_ms: int, author: str) -> Upload:
        """A commit too large to be held at once: add changes to it, then finish it by ``commit_upload``."""
        return Upload(self._connection, self._pointers, at_ms=at_ms, author=author)

    async def commit_upload(self, upload: Upload, note: str = "") -> int:
        """Commit an upload, as ``commit``; the present version where nothing was added."""
        return await self._committed(upload, note) if len(upload) else await self.version()

    async def restore(
        self, changes: Sequence[tuple[Kind, str, Pointer, Pointer]], *, at_ms: int, author: str, note: str
    ) -> int:
        """Put documents back to what earlier pointers name, in one commit: (kind, id, earlier, present pointer).

        Raises NotFound where an earlier body is forgotten, PreconditionFailed where a present pointer has moved.
        """
        if not changes:
            return await self.version()
        upload = self.upload(at_ms=at_ms, author=author)
        await upload.add_earlier(changes)
        done = await upload.commit(note)
        if isinstance(done, int):
            return done
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
        newest: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}
        try:
            for number, one in enumerate(stored, version + 1):
                async for part in read_changes(self._connection, number, one):
                    for kind, document_id, _, pointer in part:
                        newest[KINDS[kind - 1]][document_id] = pointer
        except Forgotten:
            return await self.load_all()
        # told one by one, for a list of a large import at once would hold the event loop
        put = ((kind, id_, pointer) for kind, moved in newest.items() for id_, pointer in moved.items() if pointer)
        documents = await self.load(put)
        if len(documents) != sum(map(bool, (pointer for moved in newest.values() for pointer in moved.values()))):
            return await self.load_all()
        removed = tuple((kind, id_) for kind, moved in newest.items() for id_, pointer in moved.items() if not pointer)
        return CatalogChanges(version=present, is_complete=False, documents=tuple(documents), removed=removed)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[CatalogNews]:
        """Hear of new versions from now on."""
        async with self._connection.subscribe(keys.CATALOG_NEWS) as subscription:
            yield CatalogNews(subscription)

    async def load(self, pointers: Iterable[tuple[Kind, str, Pointer]]) -> Documents:
        """The documents behind pointers; one replaced and forgotten meanwhile is left out."""
        documents: Documents = []
        for chunk in chunks(pointers):
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

    async def _committed(self, upload: Upload, note: str) -> int:
        done = await upload.commit(note)
        if isinstance(done, int):
            return done
        raise refusal(*done)


class CatalogNews:
    """Versions as they are committed. Raises Unavailable when the connection is lost: enter ``subscribe`` again."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def wait(self, timeout_s: float) -> int | None:
        """The next version committed; None when there was none within ``timeout_s``."""
        message = await self._subscription.wait(timeout_s)
        return None if message is None else int(message)
