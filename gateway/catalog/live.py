"""The catalog in use: follows the documents in the store and swaps in a new snapshot by one assignment.

Writers publish each new version; every worker then compiles the difference in a thread. A lost notification costs at
most ``POLL_S``. Until the first snapshot stands the gateway is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

from gateway.catalog.compiling import compile_changes
from gateway.catalog.snapshot import Snapshot
from gateway.errors import GeopushError
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.store import Store
from geofences.transitions import Policy

_log = Log("catalog")

POLL_S = 1.0
"""How long a lost notification may go unnoticed."""


MANY = 5_000
"""Documents of one change that would make the collector walk a large catalog, over and over, while it grows."""


class LiveCatalog:
    """Holds ``current``, the snapshot that readers take once per batch."""

    current: Snapshot

    def __init__(self, *, store: Store, policy: Policy, metrics: Metrics) -> None:
        """``policy`` holds the presence constants that settings gave."""
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._refreshing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Load and compile everything, then follow changes while the block runs.

        Raises Unavailable when Redis does not answer at the start.
        """
        gc.disable()  # of the millions of objects that loading makes none is garbage: looking took a third of its time
        try:
            everything = await self._store.catalog.load_all()
            self._swap(await asyncio.to_thread(compile_changes, None, everything, self._policy))
        finally:
            gc.enable()
        gc.collect()
        gc.freeze()  # a full collection over a large catalog would stall every ping for half a second
        follower = asyncio.create_task(self._follow(), name="catalog follower")
        try:
            yield
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def refresh(self) -> None:
        """Bring the snapshot to the newest version now: a writer sees its own change without waiting for the news."""
        async with self._refreshing:
            changes = await self._store.catalog.changes_since(self.current.version)
            if changes.version == self.current.version:
                return
            with _uncollected(is_many=len(changes.documents) >= MANY):
                self._swap(await asyncio.to_thread(compile_changes, self.current, changes, self._policy))
            documents = list(changes.documents)
            del changes
            while len(documents) > MANY:  # to free a hundred thousand at once would hold the event loop
                del documents[-MANY:]
                await asyncio.sleep(0)

    def _swap(self, snapshot: Snapshot) -> None:
        self.current = snapshot
        self._metrics.catalog_version.set(snapshot.version)
        self._metrics.geofences.set(len(snapshot.index))
        self._metrics.offers.set(len(snapshot.rulebook))

    async def _follow(self) -> None:
        while True:
            try:
                async with self._store.catalog.subscribe() as news:
                    while True:
                        await self.refresh()
                        await news.wait(POLL_S)
            except GeopushError as error:
                _log.warning("catalog cannot be followed", code=error.code, detail=error.detail)
                await asyncio.sleep(POLL_S)


@contextlib.contextmanager
def _uncollected(*, is_many: bool) -> Iterator[None]:
    """Without garbage collections while many lasting objects are made; afterwards none will ever walk them.

    Each would stop every ping for as long as it walks. What is replaced later is freed all the same: it has no cycles.
    """
    if not is_many:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
