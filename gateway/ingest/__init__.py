"""Pings in: our own formats, the stream, and the clients that phones already have."""

from __future__ import annotations

from aiohttp import web

from gateway.ingest.events import post_events
from gateway.ingest.intake import INTAKE, Intake
from gateway.ingest.lines import LINES, Lines
from gateway.ingest.pings import post_pings
from gateway.ingest.stream import open_stream
from gateway.store.stream_sessions import StreamSessions
from gateway.web.context import CONTEXT
from gateway.web.operations import Operation, routes_of

OPERATIONS: tuple[Operation, ...] = (post_pings, open_stream, post_events)
"""Everything this room serves."""


def mount(app: web.Application) -> None:
    """Give ``app`` this room's routes and what they keep while it runs."""
    context = app[CONTEXT]
    app[INTAKE] = Intake(context.pipeline, context.settings.max_pings_in_flight)
    lines = app[LINES] = Lines(StreamSessions(context.store.connection))
    app.add_routes(routes_of(OPERATIONS))

    async def end_lines(_app: web.Application) -> None:
        await lines.end()

    app.on_shutdown.append(end_lines)
