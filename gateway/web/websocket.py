"""A WebSocket without a task or future per frame: all messages that one read brings are handed over at once.

aiohttp admits the client and keeps the connection's life and death; what comes after the handshake it gives to us as to
its own parser. A client that does not read what it is told is not read either, so that neither side piles up.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web
from aiohttp.http import WS_KEY, HttpVersion11

from gateway.errors import BadRequest
from gateway.web.frames import BINARY, PING, PONG, End, FrameReader, close_frame, frame

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import WebSocketReader

HEARTBEAT_S = 30.0
"""Silence before the client is asked for a sign of life: mobile networks forget a silent connection in a minute."""
PONG_S = 15.0
"""Time to give one, before the connection is taken for dead."""
CLOSING_S = 10.0
"""Time to say good-bye, before the connection is cut."""

_VERSION = "13"
_KEY_BYTES = 16


class WebSocket:
    """One connection, from the handshake on."""

    def __init__(
        self, request: web.Request, transport: asyncio.Transport, writer: AbstractStreamWriter, max_bytes: int
    ) -> None:
        """Use ``accept``."""
        self._protocol = request.protocol
        self._transport = transport
        self._writer = writer
        self._frames = FrameReader(max_bytes)
        self._take: Callable[[list[bytes]], None]
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard_s = asyncio.get_running_loop().time()
        self._asked_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_leaving = self._is_held = False
        self._unread: asyncio.Task[None] | None = None
        """Waits for a client that does not read."""

    @classmethod
    async def accept(cls, request: web.Request, max_bytes: int) -> tuple[WebSocket, web.StreamResponse]:
        """Answer the handshake; messages of at most ``max_bytes`` come once ``listen`` is called.

        The response is for aiohttp, which wants it back when all is over. Raises BadRequest for what is no handshake,
        ConnectionError where the client is gone.
        """
        fields = {hdrs.UPGRADE: "websocket", hdrs.CONNECTION: "upgrade", hdrs.SEC_WEBSOCKET_ACCEPT: _accepted(request)}
        response = web.StreamResponse(status=101, headers=fields)
        response.force_close()
        writer = await response.prepare(request)
        if writer is None or request.transport is None:
            raise ConnectionResetError
        return cls(request, request.transport, writer, max_bytes), response

    def listen(self, take: Callable[[list[bytes]], None]) -> None:
        """Hand messages to ``take`` from now on, in their order. It must not raise."""
        self._take = take
        self._beat_after(HEARTBEAT_S)
        self._protocol.keep_alive(False)
        self._protocol.set_parser(cast("WebSocketReader", self))

    async def wait_closed(self) -> None:
        """Return when the connection is no more."""
        await asyncio.shield(self._closed)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what aiohttp has read; nothing of it is left for aiohttp to parse."""
        self._heard_s = asyncio.get_running_loop().time()
        frames = self._frames
        messages = frames.read(data)
        if messages and not self._is_leaving:
            self._take(messages)
        if frames.pings:
            for payload in () if self._is_leaving else frames.pings:
                self._write(frame(PONG, payload))
            frames.pings.clear()
        if frames.end is not None:
            self._finish(frames.end)
        return False, b""

    def feed_eof(self) -> None:
        """The connection is lost."""
        self._is_leaving = True
        if self._timer is not None:
            self._timer.cancel()
        if self._unread is not None:
            self._unread.cancel()
        self._closed.set_result(None)

    def send(self, payload: bytes) -> None:
        """Send a message; whoever closes hears nothing more."""
        if not self._is_leaving:
            self._write(frame(BINARY, payload))

    def hold(self) -> None:
        """Read no more until ``go_on``, so that TCP slows the client down."""
        self._is_held = True
        self._read_or_wait()

    def go_on(self) -> None:
        """Read again."""
        if self._is_held:
            self._is_held = False
            self._read_or_wait()

    async def close(self, code: int, reason: str) -> None:
        """Say good-bye and return when the connection is no more."""
        self._leave(code, reason)
        self.go_on()
        await self.wait_closed()

    def _leave(self, code: int, reason: str) -> None:
        if self._is_leaving:
            return
        self._write(close_frame(code, reason))
        self._is_leaving = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(CLOSING_S, self._transport.abort)

    def _finish(self, end: End) -> None:
        """Answer a good-bye, or a fault: then more is on its way, and closed at once, we would be reset unheard."""
        self._leave(end.code, end.fault)
        if end.fault and self._transport.can_write_eof():
            self.go_on()
            self._transport.write_eof()
        else:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        self._transport.write(data)
        if self._protocol.writing_paused and self._unread is None:
            self._unread = asyncio.create_task(self._until_read())
            self._read_or_wait()

    async def _until_read(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        self._unread = None
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        if self._transport.is_closing():
            return
        if self._is_held or self._unread is not None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _beat_after(self, pause_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._beat)

    def _beat(self) -> None:
        """Ask a silent client for a sign of life, and cut one off that gives none. One that is held cannot give any.

        However late this comes, as after a pause of the whole machine, nobody is cut off who was not asked.
        """
        now_s = asyncio.get_running_loop().time()
        if self._is_held:
            self._heard_s = now_s
        left_s = self._heard_s + HEARTBEAT_S - now_s
        if left_s > 0:
            self._beat_after(left_s)
        elif self._asked_s <= self._heard_s:
            self._asked_s = now_s
            self._write(frame(PING))
            self._beat_after(PONG_S)
        else:
            self._transport.abort()


def _accepted(request: web.Request) -> str:
    """What proves that the handshake was understood (RFC 6455, section 4.2). Raises BadRequest where it is none."""
    fields = request.headers
    offered = {word.strip().lower() for word in fields.get(hdrs.CONNECTION, "").split(",")}
    if fields.get(hdrs.UPGRADE, "").lower() != "websocket" or "upgrade" not in offered:
        raise BadRequest("this is a WebSocket; ask with Upgrade: websocket and Connection: Upgrade")
    if request.version < HttpVersion11 or fields.get(hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        raise BadRequest(f"WebSockets of version {_VERSION} over HTTP/1.1 are spoken; set Sec-WebSocket-Version")
    key = fields.get(hdrs.SEC_WEBSOCKET_KEY, "")
    try:
        is_good = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (ValueError, binascii.Error):
        is_good = False
    if not is_good:
        raise BadRequest(f"Sec-WebSocket-Key has to be {_KEY_BYTES} random bytes in base64")
    return base64.b64encode(hashlib.sha1(key.encode() + WS_KEY, usedforsecurity=False).digest()).decode()
