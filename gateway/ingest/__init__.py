"""Pings in: our own formats, the stream, and the clients that phones already have."""

from __future__ import annotations

from aiohttp import web

from gateway.ingest.pings import post_pings
from gateway.web.operations import Operation, routes_of

OPERATIONS: tuple[Operation, ...] = (post_pings,)
"""Everything this room serves."""


def mount(app: web.Application) -> None:
    """Give ``app`` this room's routes."""
    app.add_routes(routes_of(OPERATIONS))
