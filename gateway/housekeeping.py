"""What has to be tidied now and then, by whichever worker comes first: old catalog versions, abandoned uploads."""

from __future__ import annotations

import asyncio
import contextlib

from gateway.clock import now_ms
from gateway.errors import GeopushError
from gateway.logs import Log
from gateway.store import Store

PERIOD_S = 600.0
"""Tidying is idempotent and cheap when there is nothing to do; leftovers only cost memory."""

_log = Log("housekeeping")


async def run_housekeeping(store: Store, stop: asyncio.Event) -> None:
    """Tidy every ``PERIOD_S`` until ``stop`` is set. A failing Redis is logged and tried again."""
    while not stop.is_set():
        try:
            await store.history.prune()
            await store.history.sweep(now_ms())
        except GeopushError as error:
            _log.warning("tidying up failed", code=error.code, detail=error.detail)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PERIOD_S)
