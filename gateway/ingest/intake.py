"""The one entrance to the ping path: bounded, and shared by what arrives together.

One ping alone costs the path a millisecond of fixed work (arrays, round trips), a ping among hundreds a fiftieth of it.
So single pings are gathered for a millisecond, under load for a few, and go together with whatever came while the batch
before was under way; but most pings change nothing, and of a few that is asked first, at some microseconds each.

One batch goes after the other: two at once would step the same users, and one of them twice. What would be too much at
once is sent away with a time to come back, never queued.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from gateway.errors import Unavailable
from gateway.ingest.limits import KeyRates, Spacing
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from geofences.model import Ping

GATHER_S = 0.001
"""How long the first of a batch waits for others: nothing beside a mobile network's latency."""
PACE_S = 0.005
"""Least time between the beginnings of two batches: under load more share one, and a lone ping does not wait for it."""
FEW = 8
"""Pings that are asked one by one whether they change anything."""
LARGE = 64
"""Pings from which a batch bears its fixed cost, so that it waits for no others."""
MOST_TOGETHER = 5_000
"""Pings of several callers that go together: more spares little, and each waits for the last."""
COME_BACK_S = 1
"""Seconds a refused caller is asked to wait: a full gateway works its bound off in well under a second."""


class Intake:
    """Takes pings of many callers into the ping path."""

    def __init__(
        self,
        pipeline: Pipeline,
        metrics: Metrics,
        max_pings: int,
        *,
        key_pings_per_s: float = 0.0,
        user_min_interval_s: float = 0.0,
        shared_dir: Path | None = None,
    ) -> None:
        """At most ``max_pings`` are under way at once, save that one batch is always let in.

        Limits are kept in ``shared_dir``, together with the other workers of this host. Raises ConfigError.
        """
        self._pipeline = pipeline
        self._max_pings = max_pings
        self._rates = KeyRates(key_pings_per_s, shared_dir)
        self._spacing = Spacing(user_min_interval_s, shared_dir)
        self._too_close = metrics.pings_ignored.labels("too_close")
        self._waiting: deque[tuple[Sequence[Ping], asyncio.Future[None]]] = deque()
        self._waiting_pings = 0
        self._received_at_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self._batch: asyncio.Task[None] | None = None
        self._began_s = 0.0
        self.in_flight = 0

    async def take(self, pings: Sequence[Ping], received_at_ms: int, payer: str) -> None:
        """Return when ``pings`` have been handled. Raises what ``put`` raises, and what the ping path raises."""
        handled = self.put(pings, received_at_ms, payer)
        if handled is not None:
            await handled

    def put(self, pings: Sequence[Ping], received_at_ms: int, payer: str) -> asyncio.Future[None] | None:
        """Take ``pings``, sent with the key or source ``payer``; what comes back is done when they have been handled.

        None comes back where they have been already, because they change nothing. Raises Unavailable when too much is
        under way, TooManyRequests when the payer sends too fast.
        """
        sent = len(pings)
        self._rates.charge(payer, sent, received_at_ms / 1000)
        pings = self._spacing.spaced(pings)
        count = len(pings)
        if count < sent:
            self._too_close.inc(sent - count)
        if count <= FEW and self._pipeline.is_over(pings):
            return None
        if self.in_flight and self.in_flight + count > self._max_pings:
            self._spacing.forget(pings)
            raise Unavailable("too many pings are being handled; send these again", retry_after_s=COME_BACK_S)
        self.in_flight += count
        handled = asyncio.get_running_loop().create_future()
        self._waiting.append((pings, handled))
        self._waiting_pings += count
        self._received_at_ms = received_at_ms
        if self._batch is None:
            self._go_soon()
        return handled

    def _go_soon(self) -> None:
        """Begin a batch: at once with many pings, else when others had the time to come."""
        if self._waiting_pings >= LARGE:
            self._go()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time() + GATHER_S, self._began_s + PACE_S), self._go)

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._began_s = asyncio.get_running_loop().time()
        self._batch = asyncio.create_task(self._handle_together())

    def _take_together(self) -> tuple[list[Ping], list[asyncio.Future[None]]]:
        """The pings of the first callers, and the callers."""
        together: list[Ping] = []
        callers: list[asyncio.Future[None]] = []
        while self._waiting and (not callers or len(together) + len(self._waiting[0][0]) <= MOST_TOGETHER):
            pings, handled = self._waiting.popleft()
            together.extend(pings)
            callers.append(handled)
        self._waiting_pings -= len(together)
        return together, callers

    async def _handle_together(self) -> None:
        """Hand pings to the path; those that fail may be sent again at once."""
        pings, callers = self._take_together()
        failure: Exception | None = None
        try:
            await self._pipeline.handle(pings, self._received_at_ms)
        except Exception as error:  # noqa: BLE001 - every caller gets it, as if alone
            failure = error
            self._spacing.forget(pings)
        self.in_flight -= len(pings)
        for handled in callers:
            if handled.done():
                continue
            if failure is None:
                handled.set_result(None)
            else:
                handled.set_exception(failure)
        self._batch = None
        if self._waiting:
            self._go_soon()


INTAKE = web.AppKey("intake", Intake)
