"""Operations in: geofences, offers, policy, users, explain, keys, activity, health."""

from __future__ import annotations

from aiohttp import web

from gateway.ops import (
    activity,
    audit,
    codes,
    decisions,
    deliveries,
    explain,
    geofences,
    health,
    history,
    imports,
    inbox,
    keys,
    offers,
    policy,
    reference,
    reports,
    users,
)
from gateway.ops.activity import FEED, Feed
from gateway.web.context import CONTEXT
from gateway.web.operations import Operation, serve

OPERATIONS: tuple[Operation, ...] = (
    *imports.OPERATIONS,
    *geofences.OPERATIONS,
    *offers.OPERATIONS,
    *codes.OPERATIONS,
    *policy.OPERATIONS,
    *users.OPERATIONS,
    *inbox.OPERATIONS,
    *explain.OPERATIONS,
    *decisions.OPERATIONS,
    *deliveries.OPERATIONS,
    *reports.OPERATIONS,
    *activity.OPERATIONS,
    *history.OPERATIONS,
    *audit.OPERATIONS,
    *keys.OPERATIONS,
    *health.OPERATIONS,
    *reference.OPERATIONS,
)
"""Everything this room serves. A fixed path stands before one with an id in the same place."""


def mount(app: web.Application) -> None:
    """Give ``app`` this room's routes and what they keep while it runs."""
    feed = Feed(app[CONTEXT])
    app[FEED] = feed
    serve(app, OPERATIONS)

    async def end_feed(_app: web.Application) -> None:
        feed.end()

    app.on_shutdown.append(end_feed)
