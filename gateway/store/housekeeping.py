"""What must be tidied however quiet it is: commits whose author died, bodies never committed, versions too old to keep.

Every worker does it; each step may be done twice, or by two at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.store.catalog import Catalog
from gateway.store.history import History

PERIOD_S: Final = 5.0
"""A settled commit that is still there at the next look has lost its author."""
LOOKS_PER_TIDY: Final = 720
"""An hour between looks for what is too old."""

_log = Log("store")


class Housekeeping:
    """Tidies in the background."""

    def __init__(self, catalog: Catalog, history: History) -> None:
        self._catalog = catalog
        self._history = history
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._keeper = asyncio.create_task(self._keep(), name="store housekeeping")

    async def stop(self) -> None:
        """End, in the middle of anything."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    async def tidy(self) -> None:
        """Remove what is too old. Raises Unavailable."""
        await self._history.sweep(now_ms())
        await self._history.prune()

    async def _keep(self) -> None:
        looks, settled = 0, ""
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                seen = await self._catalog.settled_commit()
                if seen and seen == settled:
                    await self._catalog.carry_out()
                settled = seen
                looks += 1
                if looks % LOOKS_PER_TIDY == 0:
                    await self.tidy()
            except Unavailable as error:
                _log.warning("housekeeping waits for Redis", detail=error.detail)
