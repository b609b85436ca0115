"""A gateway without an engine: the console's own routes, real stores, and an activity stream that tests speak into.

It answers as docs/api.md says the gateway does, so that the console's looks and manners can be tested without traffic.
The journeys with a real gateway are in ``test_with_gateway``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

from aiohttp import web

import gateway.demo
from gateway.console.serve import routes
from gateway.web.permissions import Permission

KEY = "gp_test_key"
COOKIE = "geopush"
SESSION = {
    "key_id": "1",
    "name": "first admin",
    "role": "admin",
    "scopes": [],
    "permissions": [*Permission],
    "tags": [],
    "csrf_token": "token",
    "ends_at_ms": 0,
}
_DATA = Path(gateway.demo.__file__).parent / "data"
GROUND = _DATA / "ground.geojson.gz"


def real_stores(count: int) -> list[dict[str, Any]]:
    """The first stores of the demo's city as the API answers with them, sorted by id."""
    features = json.loads(gzip.decompress((_DATA / "stores.geojson.gz").read_bytes()))["features"][:count]
    for feature in features:
        properties = feature["properties"]
        tag = properties.get("shop") or properties.get("amenity") or "store"
        feature["properties"] = {"name": properties["name"], "tags": [tag]}
    return sorted(features, key=lambda feature: str(feature["id"]))


class CannedGateway:
    """What a test arranges (stores, offers) and tells (events); ``url`` once it is started."""

    def __init__(self, stores: list[dict[str, Any]], offers: list[dict[str, Any]] | None = None) -> None:
        self.stores = stores
        self.offers = offers or []
        self.decisions: dict[str, dict[str, Any]] = {}
        self.is_open = True
        self.is_known = True
        self.url = ""
        self._listeners: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.add_routes(routes(ground=GROUND))
        app.router.add_post("/v1/session", self._sign_in)
        app.router.add_get("/v1/session", self._who)
        app.router.add_delete("/v1/session", self._sign_out)
        app.router.add_get("/v1/geofences", self._list("stores"))
        app.router.add_get("/v1/offers", self._list("offers"))
        app.router.add_get("/v1/activity", self._activity)
        app.router.add_get("/v1/pushes/{decision_id}/decision", self._decision)
        app.router.add_get("/v1/decisions/{decision_id}", self._decision)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """End all streams, then the server."""
        self.hang_up()
        if self._runner is not None:
            await self._runner.cleanup()

    def tell(self, *events: dict[str, Any]) -> None:
        """Send events to everyone who listens."""
        for listener in self._listeners:
            for event in events:
                listener.put_nowait(event)

    def hang_up(self) -> None:
        """End all streams, as a gateway does that restarts."""
        for listener in self._listeners:
            listener.put_nowait(None)

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def _list(self, name: str) -> Any:
        async def page(request: web.Request) -> web.Response:
            refused = self._refused(request)
            if refused is not None:
                return refused
            items = getattr(self, name)
            start, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "100"))
            answer: dict[str, Any] = {"items": items[start : start + limit], "next_cursor": None}
            if start + limit < len(items):
                answer["next_cursor"] = str(start + limit)
            return web.json_response(answer)

        return page

    async def _activity(self, request: web.Request) -> web.StreamResponse:
        refused = self._refused(request)
        if refused is not None:
            return refused
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        await response.write(b": welcome\n\n")
        events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._listeners.add(events)
        with contextlib.suppress(ConnectionResetError):  # the browser left
            while (event := await events.get()) is not None:
                await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self._listeners.discard(events)
        return response

    async def _decision(self, request: web.Request) -> web.Response:
        if request.match_info["decision_id"] not in self.decisions:
            return problem(404, "not_found", "Not found", "no trace is kept of a push of this id")
        return web.json_response(self.decisions[request.match_info["decision_id"]])

    def _refused(self, request: web.Request) -> web.Response | None:
        if not self.is_open:
            return problem(503, "unavailable", "Service unavailable", "Redis is away.")
        if request.cookies.get(COOKIE) != KEY or not self.is_known:
            return problem(401, "unauthorized", "Unauthorized", "There is no such session. Sign in.")
        return None

    async def _sign_in(self, request: web.Request) -> web.Response:
        if not self.is_open:
            return problem(503, "unavailable", "Service unavailable", "Redis is away.")
        if (await request.json())["key"] != KEY:
            return problem(401, "unauthorized", "Unauthorized", "this API key is unknown, expired or revoked")
        response = web.json_response(SESSION, status=201)
        response.set_cookie(COOKIE, KEY, httponly=True, samesite="Strict")
        return response

    async def _who(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response(SESSION)

    async def _sign_out(self, request: web.Request) -> web.Response:
        response = web.Response(status=204)
        response.del_cookie(COOKIE)
        return self._refused(request) or response


def problem(status: int, code: str, title: str, detail: str) -> web.Response:
    """A refusal as the gateway words it (RFC 9457)."""
    document = {"status": status, "code": code, "title": title, "detail": detail}
    return web.json_response(document, status=status, content_type="application/problem+json")
