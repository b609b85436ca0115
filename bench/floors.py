"""Servers that do next to nothing, to compare with: run as ``python -m bench.floors``, prints its address.

/bare reads the body and answers; /located decodes pings as the gateway does and computes their H3 cells; /echo is a
WebSocket that sends every frame back.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import numpy as np
import uvloop
from aiohttp import WSMsgType, web

from geofences import h3grid

RESOLUTION = 12
"""As fine as the index looks at any point."""


class Wire(msgspec.Struct, gc=False):
    """A ping on the wire, unchecked."""

    user_id: str
    ts: int
    lat: float
    lon: float
    accuracy: float | None = None
    speed: float | None = None
    heading: float | None = None


_decode = msgspec.json.Decoder(list[Wire]).decode
_answer = b'{"accepted":1,"rejected":[]}'


async def bare(request: web.Request) -> web.StreamResponse:
    """Read and answer."""
    await request.read()
    return web.Response(status=202, body=_answer, content_type="application/json")


async def located(request: web.Request) -> web.StreamResponse:
    """Decode, compute cells, answer."""
    pings = _decode(await request.read())
    count = len(pings)
    lats = np.fromiter((ping.lat for ping in pings), np.float64, count)
    lngs = np.fromiter((ping.lon for ping in pings), np.float64, count)
    h3grid.cells_of(lats, lngs, RESOLUTION)
    return web.Response(status=202, body=_answer, content_type="application/json")


async def echo(request: web.Request) -> web.StreamResponse:
    """Send every frame back."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def main() -> None:
    """Serve until the standard input closes."""
    app = web.Application(client_max_size=1 << 30)
    app.add_routes([web.post("/bare", bare), web.post("/located", located), web.get("/echo", echo)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
