"""Whether the process lives, whether it can do its work, and its metrics. Open to whoever reaches the port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.errors import GeopushError
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import json_answer
from gateway.web.operations import operation


@operation("GET", "/healthz", answer=dict[str, str])
async def healthz(_request: web.Request) -> web.StreamResponse:
    """Answer as long as the process lives: for a supervisor that restarts it otherwise."""
    return json_answer({"status": "ok"})


@operation("GET", "/readyz", answer=dict[str, object], alike=(503,))
async def readyz(request: web.Request) -> web.StreamResponse:
    """Answer 200 when Redis, catalog and sender do their work, else 503 with the part that does not."""
    context = request.app[CONTEXT]
    return await readiness({"redis": context.store.ping, "catalog": lambda: _catalog(context), **context.checks})


async def readiness(checks: Mapping[str, Callable[[], Awaitable[object]]]) -> web.Response:
    """The answer for these parts, each with what checks it: a GeopushError says what is not ready."""
    parts = {name: await _state(check()) for name, check in checks.items()}
    is_ready = all(state == "ok" for state in parts.values())
    return json_answer({"status": "ready" if is_ready else "not ready", "parts": parts}, 200 if is_ready else 503)


@operation("GET", "/metrics", answer_type=CONTENT_TYPE_LATEST)
async def metrics(request: web.Request) -> web.StreamResponse:
    """Give all metrics in Prometheus' text format."""
    context = request.app[CONTEXT]
    context.metrics.users_present.set(len(context.store.present))
    return web.Response(body=context.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


OPERATIONS = (healthz, readyz, metrics)


async def _state(check: Awaitable[object]) -> str:
    try:
        await check
    except GeopushError as error:
        return error.detail
    return "ok"


async def _catalog(context: Context) -> None:
    if getattr(context.catalog, "current", None) is None:
        raise GeopushError("the catalog is being loaded")
