"""Single pings share the cost of a batch: what arrives within a millisecond goes down the ping path together.

One ping alone costs the path about a hundred microseconds of fixed work (arrays, one round trip), a ping among
fifty two or three. Larger batches gain nothing and pass through at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from geofences.model import Ping

GATHER_S = 0.001
"""How long the first of a batch waits for others: nothing beside a mobile network's latency."""
LARGE = 64
"""Pings from which a batch bears its fixed cost alone."""


class Gatherer:
    """Joins small batches of many callers into one call of the ping path."""

    def __init__(self, handle: Callable[[Sequence[Ping], int], Awaitable[object]]) -> None:
        """``handle(pings, received_at_ms)`` is the ping path."""
        self._handle = handle
        self._pings: list[Ping] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def take(self, pings: Sequence[Ping], received_at_ms: int) -> None:
        """Return when ``pings`` have been handled. Raises what the ping path raises."""
        if len(pings) >= LARGE:
            await self._handle(pings, received_at_ms)
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(GATHER_S, self._flush, received_at_ms)
        self._pings.extend(pings)
        done = loop.create_future()
        self._waiting.append(done)
        await done

    def _flush(self, received_at_ms: int) -> None:
        pings, waiting = self._pings, self._waiting
        self._pings, self._waiting = [], []
        task = asyncio.create_task(self._handle_for(pings, waiting, received_at_ms))
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _handle_for(self, pings: list[Ping], waiting: list[asyncio.Future[None]], received_at_ms: int) -> None:
        try:
            await self._handle(pings, received_at_ms)
        except Exception as error:  # noqa: BLE001 - every caller gets it, as if alone
            for done in waiting:
                if not done.done():
                    done.set_exception(error)
        else:
            for done in waiting:
                if not done.done():
                    done.set_result(None)


GATHERER = web.AppKey("gatherer", Gatherer)
