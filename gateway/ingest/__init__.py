"""Pings in: our own formats, the stream, and the clients that phones already have."""

from __future__ import annotations

from aiohttp import web

from gateway.ingest import phones, sources
from gateway.ingest.events import post_events
from gateway.ingest.intake import INTAKE, Intake
from gateway.ingest.lines import LINES, Lines
from gateway.ingest.phones import TOLD, Told
from gateway.ingest.pings import post_pings
from gateway.ingest.sources import KNOWN_SOURCES, find_source
from gateway.ingest.stream import open_stream
from gateway.store.sources import Sources
from gateway.store.stream_sessions import StreamSessions
from gateway.web.context import CONTEXT
from gateway.web.operations import Operation, serve
from gateway.web.remembering import Remembering

OPERATIONS: tuple[Operation, ...] = (
    post_pings,
    open_stream,
    post_events,
    *sources.OPERATIONS,
    *phones.OPERATIONS,
)
"""Everything this room serves."""


def mount(app: web.Application) -> None:
    """Give ``app`` this room's routes and what they keep while it runs."""
    context = app[CONTEXT]
    settings = context.settings
    app[INTAKE] = Intake(
        context.pipeline,
        context.metrics,
        settings.max_pings_in_flight,
        key_pings_per_s=settings.key_pings_per_s,
        user_min_interval_s=settings.user_min_interval_s,
        shared_dir=settings.shared_dir,
    )
    lines = app[LINES] = Lines(StreamSessions(context.store.connection))
    stored_sources = Sources(context.store.connection)
    app[KNOWN_SOURCES] = Remembering(lambda secret: find_source(stored_sources, secret))
    app[TOLD] = Told()
    serve(app, OPERATIONS)

    async def end_lines(_app: web.Application) -> None:
        await lines.end()

    app.on_shutdown.append(end_lines)
