"""Load generators that cost little themselves: HTTP/1.1 keep-alive and WebSocket connections on bare protocols.

Requests are prepared as bytes beforehand; an answer is read only as far as it must be. Each lane has one request in
flight. ``Histogram`` holds latencies in buckets a tenth wide, so that a million of them take no room.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import math
import os
import struct
from collections import Counter
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit


class Histogram:
    """Latencies by powers of 1.1 from a microsecond."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[max(0, math.ceil(math.log(max(seconds, 1e-6) * 1e6, 1.1)))] += 1

    def quantile_ms(self, ratio: float) -> float:
        """The latency that at least ``ratio`` of all do not exceed, up to a tenth too high."""
        left = ratio * self._counts.total()
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return 1.1**bucket / 1000
        return math.nan


class HttpLane(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self.retry_after_s = 0
        """What the last answer said of coming back; 0 if nothing."""

    @classmethod
    async def open(cls, url: str) -> HttpLane:
        """Connect to the origin of ``url``."""
        parts = urlsplit(url)
        _, lane = await asyncio.get_running_loop().create_connection(cls, parts.hostname, parts.port)
        return lane

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's is no subclass of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer once head and body are here."""
        self._buffer = data = self._buffer + data if self._buffer else data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        length = data.lower().find(b"content-length:", 0, head)
        body_bytes = int(data[length + 15 : data.find(b"\r\n", length)]) if length >= 0 else 0
        if len(data) >= head + 4 + body_bytes and self._answer is not None and not self._answer.done():
            self._buffer = b""
            after = data.lower().find(b"retry-after:", 0, head) if data[9:10] != b"2" else -1
            self.retry_after_s = int(data[after + 12 : data.find(b"\r\n", after)]) if after >= 0 else 0
            self._answer.set_result(int(data[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request in flight."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    async def post(self, request: bytes) -> int:
        """Send prepared bytes; the status."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    async def deliver(self, request: bytes) -> int:
        """Send until it is taken, as late again as each refusal says; how often it was refused.

        Raises RuntimeError for an answer that is neither.
        """
        for refused in itertools.count():
            status = await self.post(request)
            if status == 202:
                return refused
            if not self.retry_after_s:
                raise RuntimeError(f"{request.partition(b' HTTP')[0].decode()} was answered {status}")
            await asyncio.sleep(self.retry_after_s)
        raise AssertionError

    def close(self) -> None:
        """Disconnect."""
        if self._transport is not None:
            self._transport.abort()


def request(url: str, key: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A prepared POST."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def frame(payload: bytes) -> bytes:
    """A prepared WebSocket text frame from a client, masked at random as RFC 6455 demands."""
    length, mask = len(payload), os.urandom(4)
    head = struct.pack("!BB", 0x81, 0x80 | length) if length < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, length)
    masks = mask * (length // 4 + 1)
    return head + mask + bytes(byte ^ key for byte, key in zip(payload, masks, strict=False))


class WebSocketLane(asyncio.Protocol):
    """One WebSocket connection; ``on_message`` gets each payload."""

    def __init__(self, opening: bytes, on_message: Callable[[bytes], None]) -> None:
        self._opening = opening
        self._on_message = on_message
        self._buffer = b""
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the other side has closed the connection."""
        self.transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, url: str, key: str, on_message: Callable[[bytes], None]) -> WebSocketLane:
        """Connect and upgrade."""
        parts = urlsplit(url)
        token = base64.b64encode(os.urandom(16)).decode()
        opening = (
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Authorization: Bearer {key}\r\nSec-WebSocket-Key: {token}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        _, lane = await loop.create_connection(lambda: cls(opening, on_message), parts.hostname, parts.port)
        await lane.opened
        return lane

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        """Hand out whole payloads."""
        self._buffer += data
        if not self.opened.done():
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(head[:60].decode()))
                return
            self._buffer = rest
            self.opened.set_result(None)
        while len(self._buffer) >= 2:
            length, start = self._buffer[1] & 0x7F, 2
            if length == 126:
                if len(self._buffer) < 4:
                    return
                length, start = int.from_bytes(self._buffer[2:4]), 4
            if len(self._buffer) < start + length:
                return
            payload, self._buffer = self._buffer[start : start + length], self._buffer[start + length :]
            self._on_message(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so to who waits."""
        self.lost.set_result(None)
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError())

    def send(self, prepared: bytes) -> None:
        """Send a prepared frame."""
        assert self.transport is not None
        self.transport.write(prepared)

    def close(self) -> None:
        """Disconnect."""
        if self.transport is not None:
            self.transport.abort()
