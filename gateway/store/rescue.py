"""Finishes large commits whose author died, though nobody commits again.

Every worker looks; carrying a commit out twice, or by two at once, does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.store.catalog import Catalog

PERIOD_S: Final = 5.0
"""A settled commit that is still there at the next look has lost its author."""

_log = Log("store")


class Rescue:
    """Looks in the background."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._looker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._looker = asyncio.create_task(self._look(), name="commit rescue")

    async def stop(self) -> None:
        """End, in the middle of anything."""
        if self._looker is not None:
            self._looker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looker

    async def _look(self) -> None:
        before = ""
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                settled = await self._catalog.settled_commit()
                if settled and settled == before:
                    _log.warning("a commit whose author died is carried out", version=settled)
                    await self._catalog.carry_out()
                before = settled
            except Unavailable as error:
                _log.warning("orphaned commits cannot be looked for", detail=error.detail)
