"""Pings in: our own formats, the stream, and the clients that phones already have."""

from __future__ import annotations

from aiohttp import web

from gateway.ingest.pings import post_pings
from gateway.web.operations import Operation, routes_of

OPERATIONS: tuple[Operation, ...] = (post_pings,)
"""Everything this room serves."""


def routes() -> list[web.RouteDef]:
    """The routes to mount."""
    return routes_of(OPERATIONS)
