"""The sandbox's ports: HTTP/2 over TLS for both providers, plain HTTP on loopback for tokens and for looking."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from gateway.delivery.sandbox.apns_answers import ApnsAnswers
from gateway.delivery.sandbox.arrivals import Arrivals
from gateway.delivery.sandbox.fcm_answers import FcmAnswers
from gateway.delivery.sandbox.http2 import Answer, Http2Protocol, Request
from gateway.delivery.sandbox.identity import KEY_ID, TEAM_ID, TOPIC, create
from gateway.delivery.sandbox.tokens import Fates

HOST = "127.0.0.1"


class Sandbox:
    """The running servers. ``addresses`` is what a gateway must be told to deliver here."""

    def __init__(self, directory: Path) -> None:
        """``directory`` takes the generated keys."""
        self._directory = directory
        self._connections: set[Http2Protocol] = set()
        self.arrivals = Arrivals()
        self.addresses: dict[str, str | int] = {}

    async def start(self, port: int = 0, pages_port: int = 0) -> None:
        """Listens on loopback; port 0 takes a free one."""
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_get("/sandbox/pushes", self._pushes)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, pages_port).start()
        pages_url = f"http://{HOST}:{self._runner.addresses[0][1]}"

        identity = create(self._directory, f"{pages_url}/token")
        fates = Fates()
        self._apns = ApnsAnswers(identity.apns_public_key, self.arrivals, fates)
        self._fcm = FcmAnswers(identity.google_public_key, self.arrivals, fates)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.server_file)
        context.set_alpn_protocols(["h2"])
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Http2Protocol(self._answer, self._connections), HOST, port, ssl=context
        )
        taken: int = self._server.sockets[0].getsockname()[1]
        self.addresses = {
            "apns_host": HOST,
            "apns_port": taken,
            "apns_ca_file": str(identity.ca_file),
            "apns_key_file": str(identity.apns_key_file),
            "apns_key_id": KEY_ID,
            "apns_team_id": TEAM_ID,
            "apns_topic": TOPIC,
            "fcm_credentials_file": str(identity.fcm_credentials_file),
            "fcm_host": f"https://{HOST}:{taken}",
            "fcm_ca_file": str(identity.ca_file),
            "pages_url": pages_url,
        }

    async def stop(self) -> None:
        """Says goodbye to every connection and stops listening."""
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await self._server.wait_closed()
        await self._runner.cleanup()

    def _answer(self, request: Request) -> Answer:
        return (self._apns if request.path.startswith("/3/") else self._fcm)(request)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        granted = self._fcm.issue(str(form.get("assertion", "")))
        if granted is None:
            error = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return web.json_response(error, status=400)
        return web.json_response(granted)

    async def _pushes(self, request: web.Request) -> web.Response:
        try:
            after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 1000))
        except ValueError:
            return web.json_response({"detail": "after and limit are whole numbers"}, status=400)
        return _json(self.arrivals.page(after, max(1, min(limit, 1000))))


def _json(document: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json")
