"""Operations in: geofences, offers, policy, users, explain, keys, activity, health."""

from __future__ import annotations

from aiohttp import web

from gateway.ops import (
    activity,
    approval,
    audit,
    behaviour,
    codes,
    dead_letters,
    decisions,
    explain,
    geofences,
    health,
    history,
    import_jobs,
    imports,
    inbox,
    keys,
    offers,
    policy,
    previews,
    reach,
    reference,
    reports,
    session,
    tagging,
    tiles,
    users,
)
from gateway.ops.activity import FEED, Feed
from gateway.ops.import_jobs import JOBS, ImportJobs
from gateway.ops.tiles import BASE_MAP, TILES, Tiles
from gateway.web.base_map import tile_source
from gateway.web.context import CONTEXT
from gateway.web.operations import Operation, serve

OPERATIONS: tuple[Operation, ...] = (
    *imports.OPERATIONS,
    *import_jobs.OPERATIONS,
    *tagging.OPERATIONS,
    *geofences.OPERATIONS,
    *tiles.OPERATIONS,
    *offers.OPERATIONS,
    *reach.OPERATIONS,
    *approval.OPERATIONS,
    *codes.OPERATIONS,
    *policy.OPERATIONS,
    *users.OPERATIONS,
    *behaviour.OPERATIONS,
    *inbox.OPERATIONS,
    *explain.OPERATIONS,
    *decisions.OPERATIONS,
    *previews.OPERATIONS,
    *dead_letters.OPERATIONS,
    *reports.OPERATIONS,
    *activity.OPERATIONS,
    *history.OPERATIONS,
    *audit.OPERATIONS,
    *keys.OPERATIONS,
    *session.OPERATIONS,
    *health.OPERATIONS,
    *reference.OPERATIONS,
)
"""Everything this room serves. A fixed path stands before one with an id in the same place."""


def mount(app: web.Application) -> None:
    """Give ``app`` this room's routes and what they keep while it runs."""
    feed = app[FEED] = Feed(app[CONTEXT])
    jobs = app[JOBS] = ImportJobs(app[CONTEXT])
    app[TILES], app[BASE_MAP] = Tiles(), tile_source(app[CONTEXT].settings).base
    serve(app, OPERATIONS)

    async def end(_app: web.Application) -> None:
        feed.end()
        await jobs.stop()

    app.on_shutdown.append(end)
