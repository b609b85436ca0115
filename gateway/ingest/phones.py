"""/ingest/{key}/{client}: the clients that phones already have, unmodified, each by a key of its own.

Once the key is good the client hears that all is well, whatever it sent: what cannot be read is counted and set aside,
because a phone that hears of an error sends the same bytes again, some for weeks. Only our own overload, and a phone
beyond its rate, is an error (503), since then the phone should keep its fixes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from aiohttp import web

from gateway.catalog.shelf import box_of
from gateway.clock import now_ms
from gateway.errors import GeopushError, TooManyRequests, Unauthorized, Unavailable
from gateway.ingest.clients import CLIENTS
from gateway.ingest.clients.calls import Call, NearbyStore, Report, Source
from gateway.ingest.decode import Rejected
from gateway.ingest.intake import INTAKE
from gateway.ingest.sources import KNOWN_SOURCES
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, SHELVES
from gateway.web.operations import operation
from geofences.geodesy import M_PER_DEG, distance_m
from geofences.model import Circle, Geofence, Ping

STORES_SENT = 20
"""iOS watches at most 20 regions of an app."""
RENEW_MOVED_M = 500.0
"""Stores are sent again once the phone has moved this far: within it the nearest hardly change."""
INLINE_BYTES = 16_384
"""Larger bodies are read in a thread: at some 15 microseconds a fix, a day of GPSLogger's CSV would hold the loop."""
MAX_TOLD = 100_000
"""Phones whose last place we remember for that."""


class Told:
    """Where each phone was when it last got its nearest stores."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[float, float]] = {}

    def is_due(self, ping: Ping) -> bool:
        """Whether the phone should get them now; then this counts as told."""
        before = self._places.get(ping.user_id)
        if before is not None and distance_m(*before, ping.lat, ping.lng) < RENEW_MOVED_M:
            return False
        if len(self._places) >= MAX_TOLD:
            self._places.clear()
        self._places[ping.user_id] = (ping.lat, ping.lng)
        return True


TOLD = web.AppKey("told", Told)


async def _receive(request: web.Request) -> web.StreamResponse:
    """Take the fixes of a client that phones already have, in its own format; see docs/clients.md.

    The key in the path comes from ``POST /v1/sources``. Whatever was sent, the answer is the one that the client takes
    for success; only overload, and what is beyond the source's rate, is answered 503.
    """
    source = await request.app[KNOWN_SOURCES].find(request.match_info["key"])
    if source is None or source.kind != request.match_info["client"]:
        raise Unauthorized("this address lets nobody in; add a source and use its address")
    client = CLIENTS[source.kind]
    received_at_ms = now_ms()
    report = await _read(request, source, received_at_ms)
    context = request.app[CONTEXT]
    await _take(request, report.pings, source, received_at_ms)
    for refused in report.set_aside:
        context.metrics.pings_rejected.labels(refused.code).inc()
    reply = client.reply(report, await _nearby(request, source, report))
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)


OPERATIONS = tuple(
    operation(method, "/ingest/{key}/{client}", also=(401, 503))(_receive) for method in ("GET", "POST", "PUT")
)


async def _take(request: web.Request, pings: Sequence[Ping], source: Source, received_at_ms: int) -> None:
    """Hand the pings to the path in parts.

    Raises Unavailable, beyond the source's rate too: after a 4xx OwnTracks on iOS throws its fixes away.
    """
    most = request.app[CONTEXT].settings.max_batch_pings
    try:
        for first in range(0, len(pings), most):
            await request.app[INTAKE].take(pings[first : first + most], received_at_ms, source.id)
    except TooManyRequests as error:
        raise Unavailable(error.detail, retry_after_s=error.retry_after_s) from None


async def _read(request: web.Request, source: Source, received_at_ms: int) -> Report:
    settings = request.app[CONTEXT].settings
    try:
        body = await read_body(request, settings.max_body_bytes, settings.max_inflated_bytes)
    except Unavailable:
        raise
    except GeopushError as error:
        return Report(set_aside=[Rejected(0, error.code, error.detail)])
    call = Call(
        method=request.method,
        query=dict(request.query.items()),
        content_type=request.content_type,
        body=body,
        received_at_ms=received_at_ms,
    )
    read = CLIENTS[source.kind].read
    return read(call, source) if len(body) <= INLINE_BYTES else await asyncio.to_thread(read, call, source)


async def _nearby(request: web.Request, source: Source, report: Report) -> Sequence[NearbyStore]:
    """The stores that the phone should watch, if its source wants that and it has moved."""
    if not source.sends_geofences or not report.pings:
        return ()
    newest = max(report.pings, key=lambda ping: ping.at_ms)
    if not request.app[TOLD].is_due(newest):
        return ()
    shelf = await request.app[SHELVES].of(request.app[CONTEXT].catalog.current)
    return [_circle(geofence) for geofence in shelf.nearest(newest.lat, newest.lng, STORES_SENT)]


def _circle(geofence: Geofence) -> NearbyStore:
    """The circle around a geofence's box, as a phone watches it."""
    name = str(geofence.properties.get("name") or geofence.id)
    shape = geofence.shape
    if isinstance(shape, Circle):
        return NearbyStore(geofence.id, name, shape.center.lat, shape.center.lng, shape.radius_m)
    west, south, east, north = box_of(geofence)
    lat, lng = (south + north) / 2, (west + east) / 2
    half_width_m = (east - west) / 2 * M_PER_DEG * math.cos(math.radians(lat))
    return NearbyStore(geofence.id, name, lat, lng, math.hypot(half_width_m, (north - south) / 2 * M_PER_DEG))
