"""An import on its way into the catalog: each block compared with what is there, and what is new written ahead.

Nothing is seen before the commit, which moves pointers only. The gateway never holds more than a block of bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.ops import stored
from gateway.ops.ownership import held_to_own
from gateway.store.catalog import Change, Kind
from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT

MAX_SHOWN = 1_000
"""Ids of each kind that a difference lists."""
REMOVED_AT_ONCE = 250


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file changes: how many, and the first ids of each kind."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    added_ids: list[str] = []
    changed_ids: list[str] = []
    removed_ids: list[str] = []


class Staging:
    """The commit of one import."""

    def __init__(self, request: web.Request, *, is_dry_run: bool, replaces: bool) -> None:
        self._request = request
        self._catalog = request.app[CONTEXT].store.catalog
        self._is_dry_run, self._replaces = is_dry_run, replaces
        self._upload = self._catalog.upload(at_ms=now_ms(), author=request[IDENTITY].name)
        self._seen: set[str] = set()
        self._added: list[str] = []
        self._changed: list[str] = []
        self._removed: list[str] = []

    async def add(self, features: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Compare a block, (id, document, covering) each, and write what is new. Raises Forbidden for foreign ones."""
        changes = [Change(kind=Kind.GEOFENCE, id=i, body=body, extra=extra) for i, body, extra in features]
        self._seen.update(change.id for change in changes)
        held = await self._catalog.get_many(Kind.GEOFENCE, [change.id for change in changes])
        needed = []
        for change in changes:
            before = held.get(change.id)
            if before is not None and before.body == change.body:
                continue
            needed.append(change)
            (self._added if before is None else self._changed).append(change.id)
        await self._write(needed)

    async def finish(self) -> Difference:
        """Find what is to be removed, and tell the whole difference."""
        if self._replaces:
            catalog = self._request.app[CONTEXT].catalog
            await catalog.refresh()
            index = catalog.current.index
            self._removed = await asyncio.to_thread(lambda: sorted({g.id for g in index} - self._seen))
            for start in range(0, len(self._removed), REMOVED_AT_ONCE):
                part = self._removed[start : start + REMOVED_AT_ONCE]
                await self._write([Change(kind=Kind.GEOFENCE, id=id_, body=None) for id_ in part])
        added, changed, removed = len(self._added), len(self._changed), len(self._removed)
        return Difference(
            added=added,
            changed=changed,
            removed=removed,
            unchanged=len(self._seen) - added - changed,
            added_ids=self._added[:MAX_SHOWN],
            changed_ids=self._changed[:MAX_SHOWN],
            removed_ids=self._removed[:MAX_SHOWN],
        )

    async def commit(self, note: str) -> int:
        """Make it the catalog's next version and put it to work here; the present version if nothing changes."""
        if not len(self._upload):
            return await self._catalog.version()
        version = await self._catalog.commit_upload(self._upload, note)
        await self._request.app[CONTEXT].catalog.refresh()
        touched = [*self._added, *self._changed, *self._removed]
        await stored.tell(self._request, version, await asyncio.to_thread(_named, touched))
        return version

    async def discard(self) -> None:
        """Give it up: nothing was changed."""
        if len(self._upload):
            await self._upload.discard()

    async def _write(self, changes: Sequence[Change]) -> None:
        allowed = await held_to_own(self._request, changes)
        if not self._is_dry_run:
            await self._upload.add(allowed)


def _named(ids: Sequence[str]) -> list[str]:
    return [f"{Kind.GEOFENCE}/{id_}" for id_ in ids]
