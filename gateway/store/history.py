"""The catalog's past: which versions there were, what each changed, and the way back.

Bodies are immutable and every version keeps what it replaced, so an earlier state is a matter of pointers. The latest
``KEPT_VERSIONS`` can be looked at and returned to; older ones are forgotten, with the bodies only they held.
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec

from gateway.errors import NotFound
from gateway.store import keys
from gateway.store.catalog import Catalog
from gateway.store.connection import Connection
from gateway.store.documents import KINDS, Document, Kind
from gateway.store.pointers import Forgotten, Pointer, decode_committed, read_changes

KEPT_VERSIONS: Final = 500
"""Months of edits by hand, and as many imports as anyone undoes."""
STAGED_MS: Final = 3_600_000
"""Far longer than any import takes."""
BODIES_PER_CALL: Final = 1_000


class Version(msgspec.Struct, frozen=True):
    """One committed version. ``changes`` is how many documents it changed."""

    version: int
    at_ms: int
    author: str
    note: str
    changes: int


class Difference(msgspec.Struct, frozen=True):
    """One document that differs: ``before`` and ``after`` are its versions, None where it did not exist."""

    kind: Kind
    id: str
    before: int | None
    after: int | None


class History:
    """Looks at earlier versions and returns to them."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        self._catalog = catalog

    async def versions(self, *, before: int | None = None, limit: int = 50) -> list[Version]:
        """Versions, newest first, those before ``before``."""
        newest = await self._catalog.version()
        if before is not None:
            newest = min(newest, before - 1)
        wanted = range(newest, max(0, newest - limit), -1)
        stored = await self._connection.mget([keys.changes(version) for version in wanted])
        return [
            Version(version, commit.at_ms, commit.author, commit.note, commit.count or len(commit.changes))
            for version, one in zip(wanted, stored, strict=True)
            if one is not None
            for commit in [decode_committed(one)]
        ]

    async def document(self, kind: Kind, document_id: str, version: int) -> Document:
        """The document as the catalog held it at ``version``. Raises NotFound."""
        changed = (await self._differences(version, await self._catalog.version())).get((kind, document_id))
        pointer = changed[0] if changed is not None else await self._catalog.pointer(kind, document_id)
        found = await self._catalog.load([(kind, document_id, pointer)]) if pointer else []
        if not found:
            raise NotFound(f"there was no {kind.removesuffix('s')} {document_id!r} at catalog version {version}")
        return found[0]

    async def diff(self, older: int, newer: int) -> list[Difference]:
        """Documents that differ between two versions, in order. Raises NotFound where the older is forgotten."""
        return [
            Difference(kind, document_id, _version(before), _version(after))
            for (kind, document_id), (before, after) in sorted((await self._differences(older, newer)).items())
        ]

    async def rollback(self, version: int, *, at_ms: int, author: str) -> int:
        """Make the catalog again what it was at ``version``, as a new version; answers that one.

        Raises NotFound where it is forgotten, PreconditionFailed where someone else commits meanwhile.
        """
        differences = await self._differences(version, await self._catalog.version())
        return await self._catalog.restore(
            [(kind, document_id, before, after) for (kind, document_id), (before, after) in differences.items()],
            at_ms=at_ms,
            author=author,
            note=f"rollback to version {version}",
        )

    async def prune(self, kept: int = KEPT_VERSIONS) -> None:
        """Forget all but the latest ``kept`` versions, oldest first; interrupted, it goes on where it was."""
        last = int(await self._connection.call("GET", keys.CATALOG_FORGOTTEN) or 0)
        for version in range(last + 1, await self._catalog.version() - kept + 1):
            stored = await self._connection.call("GET", keys.changes(version))
            if stored is not None:
                await self._forget(version, stored)
            await self._connection.call("SET", keys.CATALOG_FORGOTTEN, version)

    async def _forget(self, version: int, stored: bytes) -> None:
        """Remove the bodies that a version replaced, then the version."""
        with contextlib.suppress(Forgotten):
            async for changes in read_changes(self._connection, version, stored):
                bodies = [keys.body(_token(before)) for _, _, before, _ in changes if before]
                for start in range(0, len(bodies), BODIES_PER_CALL):
                    await self._connection.call("UNLINK", *bodies[start : start + BODIES_PER_CALL])
        parts = [keys.changes_part(version, number) for number in range(decode_committed(stored).parts)]
        await self._connection.call("UNLINK", keys.changes(version), *parts)

    async def sweep(self, at_ms: int) -> None:
        """Remove the bodies of uploads that were not committed within ``STAGED_MS``: their worker died or gave up."""
        for upload, facts in (await self._connection.call("HGETALL", keys.CATALOG_STAGED)).items():
            staged_at_ms, count = map(int, facts.split())
            if staged_at_ms < at_ms - STAGED_MS:
                bodies = [keys.body(f"{upload.decode()}-{place}") for place in range(count)]
                for start in range(0, count, BODIES_PER_CALL):
                    await self._connection.call("UNLINK", *bodies[start : start + BODIES_PER_CALL])
                await self._connection.call("HDEL", keys.CATALOG_STAGED, upload)

    async def _differences(self, older: int, newer: int) -> dict[tuple[Kind, str], tuple[Pointer, Pointer]]:
        if not 0 <= older <= newer <= await self._catalog.version():
            raise NotFound(f"there is no catalog version {older} before {newer}")
        if older < int(await self._connection.call("GET", keys.CATALOG_FORGOTTEN) or 0):
            raise NotFound(_too_long_ago(older))
        stored = await self._connection.mget([keys.changes(version) for version in range(older + 1, newer + 1)])
        found: dict[tuple[Kind, str], tuple[Pointer, Pointer]] = {}
        try:
            for version, one in enumerate(stored, older + 1):
                async for part in read_changes(self._connection, version, one):
                    for kind, document_id, before, after in part:
                        name = KINDS[kind - 1], document_id
                        found[name] = (found[name][0] if name in found else before, after)
        except Forgotten:
            raise NotFound(_too_long_ago(older)) from None
        return {name: (before, after) for name, (before, after) in found.items() if before != after}


def _too_long_ago(version: int) -> str:
    return f"catalog version {version} is too long ago; the latest {KEPT_VERSIONS} are kept"


def _version(pointer: Pointer) -> int | None:
    return int(pointer.partition(" ")[0]) if pointer else None


def _token(pointer: Pointer) -> str:
    return pointer.partition(" ")[2]
