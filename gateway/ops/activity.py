"""GET /v1/activity: transitions, decisions, deliveries and edits as they happen, as server-sent events.

One subscription to the store feeds every watcher of this process. A watcher that reads too slowly loses the oldest
events, never slows another, and is told how many it lost. Events hold keyed hashes and coarse cells, no user ids and
no coordinates.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import BadRequest, Forbidden, GeopushError, Unauthorized, Unavailable
from gateway.logs import Log
from gateway.web.auth import DOORKEEPER
from gateway.web.context import Context
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission

_log = Log("activity")

HEARTBEAT_S = 15.0
"""Silence after which a comment is sent: below the 60 s at which common proxies cut an idle connection."""
MAX_WAITING = 1_000
"""Events that wait for one slow watcher, some 300 kB, before the oldest are dropped."""
MAX_WATCHERS = 100
"""Watchers of one process: consoles, not a public feed."""
PRESENCE_PERIOD_S = 1.0
"""Between two pictures of who is present: as often as a person reads one."""
ADMIT_AGAIN_S = 15.0
"""How often a watcher's key or session is asked about again: a revoked one watches no longer than this."""
RETRY_S = 1.0
"""Pause before the store is listened to again after it failed."""
TYPES = ("transition", "decision", "delivery", "catalog", "presence")
_FILTERS = ("offer_id", "geofence_id", "user", "outcome", "gate")


class Watcher:
    """One client's bounded queue of the events it asked for."""

    def __init__(self, types: frozenset[str], wanted: Mapping[str, str]) -> None:
        """``types`` empty means all; ``wanted`` are members that an event that has them must equal."""
        self._types = types
        self._wanted = wanted
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._lost = 0
        self.is_over = False

    def offer(self, event: Mapping[str, Any], frame: bytes) -> None:
        """Queue ``frame`` if the event is wanted; drop the oldest when there is no room."""
        if self._types and event.get("type") not in self._types:
            return
        if any(name in event and event[name] != value for name, value in self._wanted.items()):
            return
        if len(self._waiting) == MAX_WAITING:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(frame)
        self._arrived.set()

    def end(self) -> None:
        """Let the client go once it has what is waiting."""
        self.is_over = True
        self._arrived.set()

    async def take(self) -> bytes:
        """All frames that wait, or a heartbeat after a silence."""
        try:
            await asyncio.wait_for(self._arrived.wait(), HEARTBEAT_S)
        except TimeoutError:
            return b": heartbeat\n\n"
        self._arrived.clear()
        frames = list(self._waiting)
        self._waiting.clear()
        if self._lost:
            frames.insert(0, frame_of("lost", {"type": "lost", "events": self._lost}))
            self._lost = 0
        return b"".join(frames)


class Feed:
    """Listens to the store while anyone watches, and hands every event to all watchers.

    Each second it adds an event ``presence`` from this worker's copy of who is present: users by coarse cell, cells
    of fewer than ``activity_min_users`` left out, and the pings that this worker took.
    """

    def __init__(self, context: Context) -> None:
        """``context`` brings the store, which publishes what all workers do, and the counters."""
        self._context = context
        self._watchers: set[Watcher] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def watching(self, watcher: Watcher) -> Iterator[None]:
        """Feed ``watcher`` until the block ends. Raises Unavailable when too many watch."""
        if len(self._watchers) >= MAX_WATCHERS:
            raise Unavailable(f"{MAX_WATCHERS} clients watch already; close one", retry_after_s=5)
        self._watchers.add(watcher)
        if not self._tasks:
            self._tasks = [asyncio.create_task(work()) for work in (self._listen, self._tell_presence)]
        try:
            yield
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                while self._tasks:
                    self._tasks.pop().cancel()

    def end(self) -> None:
        """Let every watcher go: the gateway is stopping."""
        for watcher in self._watchers:
            watcher.end()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._context.store.activity.subscribe() as news:
                    while True:
                        for event in await news.wait(HEARTBEAT_S):
                            self._hand_out(event)
            except GeopushError as error:
                _log.warning("activity cannot be followed", code=error.code, detail=error.detail)
                await asyncio.sleep(RETRY_S)

    async def _tell_presence(self) -> None:
        present, least = self._context.store.present, self._context.settings.activity_min_users
        before = self._pings()
        while True:
            await asyncio.sleep(PRESENCE_PERIOD_S)
            pings = self._pings()
            cells = {format(cell, "x"): users for cell, users in present.cells().items() if users >= least}
            event = {
                "type": "presence",
                "at_ms": now_ms(),
                "users_present": len(present),
                "pings_per_s": round((pings - before) / PRESENCE_PERIOD_S, 1),
                "cells": cells,
            }
            self._hand_out(event)
            before = pings

    def _pings(self) -> float:
        return self._context.metrics.registry.get_sample_value("geopush_pings_total") or 0.0

    def _hand_out(self, event: Mapping[str, Any]) -> None:
        frame = frame_of(event["type"], event)
        for watcher in self._watchers:
            watcher.offer(event, frame)


FEED = web.AppKey("feed", Feed)


@operation(
    "GET",
    "/v1/activity",
    needs=Permission.WATCH_ACTIVITY,
    answer_type="text/event-stream",
    parameters=(
        Parameter("type", f"Only these kinds, separated by commas: {', '.join(TYPES)}."),
        *(Parameter(name, f"Only events whose {name}, where they have one, is this.") for name in _FILTERS),
    ),
)
async def watch_activity(request: web.Request) -> web.StreamResponse:
    """Watch transitions, decisions, deliveries and changes of the catalog as server-sent events.

    Nothing is replayed: a watcher sees what happens while it watches, as long as its key or session holds.
    Events that a slow watcher could not take are dropped, oldest first, and reported as an event ``lost`` with their
    number.
    """
    types = frozenset(filter(None, request.query.get("type", "").split(",")))
    if not types <= set(TYPES):
        raise BadRequest(f"type must be some of {', '.join(TYPES)}", parameter="type")
    watcher = Watcher(types, {name: request.query[name] for name in _FILTERS if name in request.query})
    with request.app[FEED].watching(watcher):
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        asked_at = time.monotonic()
        with contextlib.suppress(ConnectionError):
            await response.write(b": watching\n\n")
            while not watcher.is_over:
                await response.write(await watcher.take())
                if time.monotonic() - asked_at >= ADMIT_AGAIN_S:
                    asked_at = time.monotonic()
                    watcher.is_over = await _is_sent_away(request)
    return response


async def _is_sent_away(request: web.Request) -> bool:
    """Whether the watcher's key or session opens this no more; asking also keeps its session alive."""
    try:
        await request.app[DOORKEEPER].admit(request, Permission.WATCH_ACTIVITY)
    except (Unauthorized, Forbidden):
        return True
    except GeopushError as error:
        _log.warning("a watcher cannot be asked about", code=error.code)
    return False


def frame_of(name: str, event: Mapping[str, Any]) -> bytes:
    """One event in the event stream format (WHATWG HTML, server-sent events)."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(event))


OPERATIONS = (watch_activity,)
