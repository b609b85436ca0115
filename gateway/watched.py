"""What a sender alone shows over HTTP: whether it lives, whether it does its work, and its metrics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.ops.health import healthz, readiness


@contextlib.asynccontextmanager
async def watched(
    host: str, port: int, metrics: Metrics, checks: Mapping[str, Callable[[], Awaitable[object]]]
) -> AsyncIterator[str]:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics`` while the block runs; gives the address. Raises ConfigError."""

    async def readyz(_request: web.Request) -> web.StreamResponse:
        return await readiness(checks)

    async def show(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz.handler), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from error
        host, port = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        await runner.cleanup()
