"""The wiring: what a gateway process is made of, the order it starts in, and the order it stops in.

Stopping is an order with reasons: refuse new requests, let those in flight end, stop waking users by time, let the
sender finish what it has in flight (the rest stays in the outbox), close providers, then the sandbox, and Redis last,
because everything above still writes to it. A step that fails is logged and the others still run.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gateway import ingest, ops
from gateway.catalog.live import LiveCatalog
from gateway.console.serve import routes as console_routes
from gateway.counting import LiveCounters
from gateway.delivery.in_app import InAppChannel
from gateway.errors import ConfigError, Unavailable
from gateway.housekeeping import run_housekeeping
from gateway.ingest.express import PATH, ExpressPings
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from gateway.providers import chosen_providers, open_providers
from gateway.sender import Sender
from gateway.settings import Settings
from gateway.store import Store
from gateway.timers import run_timers
from gateway.web.base_map import tile_source
from gateway.web.context import Context
from gateway.web.express import Express
from gateway.web.server import application, make_runner
from geofences.transitions import Policy

if TYPE_CHECKING:
    from aiohttp import web

_log = Log("app")

T = TypeVar("T")

BACKLOG = 1024
"""Connections that wait to be taken: after a restart a fleet comes back all at once."""
RESTART_PAUSE_S = 1.0
"""The wait before a background part that failed is started again: long enough not to spin."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    context: Context
    url: str
    new_admin_key: str | None
    channels: dict[str, str]


@contextlib.asynccontextmanager
async def running(settings: Settings, *, is_worker: bool = False) -> AsyncIterator[Gateway]:
    """Start a gateway, yield it while it serves, and stop it in order.

    The first of all keys is made last, when nothing can fail any more and it will be shown; never by a worker.
    Raises ConfigError when the data directory is taken or a setting cannot work, Unavailable when Redis is not there.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as closing:
        store = await _opened(closing, "store", _store(settings))
        catalog = LiveCatalog(store=store, policy=presence_policy(settings), metrics=metrics)
        await _opened(closing, "catalog", catalog.following())
        states, checks = {"sender": "off: run_sender is false"}, {}
        if settings.run_sender:
            providers = await _opened(closing, "sandbox", chosen_providers(settings))
            sender = await _opened(closing, "sender", sending(providers.settings, store, metrics))
            states, checks = providers.states, {"sender": sender.check}
        counters = LiveCounters(store, catalog)
        pipeline = Pipeline(store=store, catalog=catalog, counters=counters, metrics=metrics)
        await _opened(closing, "timers", background(lambda stop: run_timers(store, pipeline, counters, stop)))
        await _opened(closing, "housekeeping", background(lambda stop: run_housekeeping(store, stop)))
        context = Context(
            settings=settings, store=store, catalog=catalog, pipeline=pipeline, metrics=metrics, checks=checks
        )
        url = await _opened(closing, "http", _listening(context))
        yield Gateway(context, url, None if is_worker else await first_admin_key(store), states)


async def _opened(closing: contextlib.AsyncExitStack, name: str, part: AbstractAsyncContextManager[T]) -> T:
    """Open a part; when its turn to close comes, a failure is logged under its name and the others still close."""

    async def close(*reason: Any) -> None:
        try:
            await part.__aexit__(*reason)
        except Exception:  # noqa: BLE001 - whatever fails, the rest must still be closed
            _log.error("shutdown step failed", exc_info=True, step=name)

    value = await part.__aenter__()
    closing.push_async_exit(close)
    return value


@contextlib.asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.open(settings)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def sending(settings: Settings, store: Store, metrics: Metrics) -> AsyncIterator[Part]:
    """Deliver from the outbox while the block runs; what is in flight at its end gets the grace time."""
    async with open_providers(settings) as channels:
        sender = Sender(
            store,
            channels | {"in_app": InAppChannel(store.inbox)},
            metrics,
            sends_in_flight=settings.sends_in_flight,
            per_minute={"fcm": settings.fcm_per_minute},
            takeover_s=settings.outbox_takeover_s,
            grace_s=settings.shutdown_grace_s,
        )
        async with background(sender.run) as part:
            yield part


class Part:
    """Something that runs beside the requests until it is told to stop, and is started again should it fail."""

    def __init__(self, run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self._run = run
        self._is_up = True

    async def check(self) -> None:
        """Raise Unavailable while it is down."""
        if not self._is_up:
            raise Unavailable("failed, and is being started again; see the log")

    async def keep_running(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set."""
        while not stop.is_set():
            try:
                self._is_up = True
                await self._run(stop)
            except Exception:  # noqa: BLE001 - a part that fails must not end the gateway
                self._is_up = False
                _log.error("background part failed and is started again", exc_info=True)
                await asyncio.sleep(RESTART_PAUSE_S)


@contextlib.asynccontextmanager
async def background(run: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[Part]:
    """Run ``run(stop)`` beside the block; set ``stop`` and wait for it at the end."""
    part, stop = Part(run), asyncio.Event()
    task = asyncio.create_task(part.keep_running(stop))
    try:
        yield part
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def _listening(context: Context) -> AsyncIterator[str]:
    """Serve HTTP; at the end refuse new connections, and let requests in flight finish within the grace time."""
    settings = context.settings
    app = application(context)
    ingest.mount(app)
    ops.mount(app)
    app.add_routes(console_routes(ground=settings.ground_file, tiles=tile_source(settings)))
    runner = make_runner(app, settings.shutdown_grace_s)
    await runner.setup()
    express = Express(PATH, ExpressPings(app), cast("web.Server", runner.server), settings.max_body_bytes)
    try:
        listener = await _listener(express, settings)
        try:
            host, port = listener.sockets[0].getsockname()[:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            listener.close()
    finally:
        await express.end(settings.shutdown_grace_s)
        await runner.cleanup()


async def _listener(express: Express, settings: Settings) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(
            express, settings.host, settings.port, backlog=BACKLOG, reuse_port=settings.reuse_port or None
        )
    except OSError as error:
        raise ConfigError(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error


async def first_admin_key(store: Store) -> str | None:
    """The secret of an admin key, if there was no key at all yet."""
    if await store.api_keys.list():
        return None
    _, secret = await store.api_keys.create(["admin"], "first admin")
    return secret


def presence_policy(settings: Settings) -> Policy:
    """The engine's constants from the settings of the same names."""
    if settings.policy == "raw":
        return Policy.RAW
    names = {field.name for field in dataclasses.fields(Policy)}
    given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings) if field.name in names}
    return dataclasses.replace(Policy.DEFAULT, **given)
