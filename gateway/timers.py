"""What happens by time alone: dwell reached between fixes, silence, deferred offers, live counters.

Due times live in Redis beside the presence, so any worker may take them; a due user is simply stepped without a ping.
"""

from __future__ import annotations

import asyncio

from gateway.clock import now_ms
from gateway.counting import LiveCounters
from gateway.errors import GeopushError
from gateway.logs import Log
from gateway.pipeline import Pipeline
from gateway.store import Store

_log = Log("timers")

PERIOD_S = 1.0
"""How often due users are looked for: dwell thresholds are whole seconds, so finer would gain nothing."""
BATCH_USERS = 500
"""Most users woken at once: as large as a common batch of pings, so that a tick blocks no longer than one does."""


async def run_timers(store: Store, pipeline: Pipeline, counters: LiveCounters, stop: asyncio.Event) -> None:
    """Each second until ``stop`` is set. A failing Redis is logged and tried again."""
    while not stop.is_set():
        try:
            due = await store.presence.due(now_ms(), BATCH_USERS)
            if due:
                await pipeline.tick(due, now_ms())
            deferred = await store.deferrals.take(now_ms(), BATCH_USERS)
            if deferred:
                await pipeline.resume(deferred, now_ms())
            await counters.refresh()
            if len(due) == BATCH_USERS:
                continue
        except GeopushError as error:
            _log.warning("due users could not be woken", code=error.code, detail=error.detail)
        try:
            await asyncio.wait_for(stop.wait(), PERIOD_S)
        except TimeoutError:
            continue
