"""Connections that answer the one request of which a fleet sends millions, without what all others need.

aiohttp spends some forty microseconds on a request: two tasks, a URL, streams, a response with headers that are built
and then written. ``POST /v1/pings`` needs none of it. So a connection begins here, and while its requests are plain
(``gateway.web.heads``) and for that path, they are answered here with prepared bytes. From the first other one on,
aiohttp has the connection and gets every byte of that request: what is not answered here is not judged here either, and
both ways say the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, cast

from gateway.web.heads import Head, Heads

Answer = bytes | None
"""A whole response, or None to leave the request to aiohttp."""
Handler = Callable[[Head, bytes], Answer | Awaitable[Answer]]
"""Answers a plain request by its head and body, at once where it can. It must not raise."""

MAX_HEAD_BYTES = 4_096
"""Longer heads are not plain: a token takes a kilobyte or two."""
MAX_BODY_BYTES = 131_072
"""Longer bodies gain nothing here: about 1,000 pings, beside which a request's fixed cost is small."""
MAX_BUFFERED_BYTES = 65_536
"""What one connection may send ahead, before nothing more is read from it."""
SWEEP_S = 15.0
"""How often idle connections are looked for."""
IDLE_SWEEPS = 5
"""Sweeps that a connection may be idle: as long as aiohttp's keep-alive."""
SLOW_SWEEPS = 2
"""Sweeps that a request may take to arrive here; then aiohttp, which times bodies, waits for the rest."""

_END: Final = b"\r\n\r\n"
_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}


def raw_response(status: int, at_ms: int, body: bytes, fields: Mapping[str, str] = _JSON) -> bytes:
    """A response as it is written; ``fields`` are its header but for Content-Length and Date."""
    before = _before_length(status, at_ms // 1000, tuple(fields.items()))
    return b"%b%d\r\n\r\n%b" % (before, len(body), body)


@functools.lru_cache(maxsize=64)
def _before_length(status: int, at_s: int, fields: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, f"Date: {formatdate(at_s, usegmt=True)}", "Content-Length: "]).encode()


class ExpressConnection(asyncio.Protocol):
    """One connection, until aiohttp has it."""

    __slots__ = (
        "_buffer",
        "_express",
        "_is_held",
        "_is_leaving",
        "_is_stuck",
        "_missing",
        "_quiet_sweeps",
        "_rest",
        "_transport",
        "answering",
    )

    def __init__(self, express: Express) -> None:
        """``express`` knows what is shared by all connections."""
        self._express = express
        self._buffer = b""
        self._rest = bytearray()
        """What came of a body after its beginning, which is in the buffer: joined only once it is whole."""
        self._missing = 0
        """Bytes of a body that the buffer lacks."""
        self._quiet_sweeps = 0
        self._is_leaving = self._is_stuck = self._is_held = False
        self._transport: asyncio.Transport
        self.answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; uvloop's transports are no subclasses of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)
        self._express.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """End. What is being handled goes on: its pings are taken."""
        self._express.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are complete."""
        if self._missing:
            self._rest += data
            if len(self._rest) < self._missing:
                return
            data = self._whole()
        elif self._buffer:
            data = self._buffer + data
        else:
            self._quiet_sweeps = 0
        if self.answering is None and not self._is_stuck:
            self._serve(data)
            return
        self._buffer = data
        if len(data) > MAX_BUFFERED_BYTES and not self._is_held:
            self._is_held = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """A client that does not read its answers gets no more until it does."""
        self._is_stuck = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_stuck = False
        if self.answering is None and not self._transport.is_closing():
            self._go_on()

    def _whole(self) -> bytes:
        """All that came and was not answered."""
        data = self._buffer + self._rest
        self._rest.clear()
        self._missing = 0
        return data

    def _serve(self, data: bytes) -> None:
        express = self._express
        begins = express.begins
        while data and not self._is_stuck:
            if not data.startswith(begins):
                if not begins.startswith(data):
                    self._pass_on(data)
                    return
                break
            end = data.find(_END, 0, MAX_HEAD_BYTES)
            if end < 0:
                if len(data) >= MAX_HEAD_BYTES:
                    self._pass_on(data)
                    return
                break
            head = express.heads.read(data[:end])
            if head is None or head.body_bytes > express.max_body_bytes:
                self._pass_on(data)
                return
            size = end + len(_END) + head.body_bytes
            if len(data) < size:
                self._missing = size - len(data)
                break
            answer = express.handler(head, data[end + len(_END) : size])
            if answer is None:
                self._pass_on(data)
                return
            if not isinstance(answer, bytes):
                self._buffer = data
                self.answering = asyncio.create_task(self._answer(answer, size))
                return
            self._transport.write(answer)
            data = data[size:]
            self._quiet_sweeps = 0
        self._buffer = data

    async def _answer(self, coming: Awaitable[Answer], size: int) -> None:
        """Answer the first request of the buffer, ``size`` bytes long, once that is possible."""
        answer = await coming
        self.answering = None
        if self._transport.is_closing():
            return
        if answer is None:
            self._pass_on(self._buffer)
            return
        self._transport.write(answer)
        self._buffer = self._buffer[size:]
        self._quiet_sweeps = 0
        self._go_on()

    def _go_on(self) -> None:
        if self._is_leaving:
            self._transport.close()
        else:
            self._read_on()
            self._serve(self._buffer)

    def _read_on(self) -> None:
        if self._is_held:
            self._is_held = False
            self._transport.resume_reading()

    def _pass_on(self, data: bytes) -> None:
        """Give the connection to aiohttp, with what it has not seen."""
        express, transport = self._express, self._transport
        express.connections.discard(self)
        self._buffer = b""
        protocol = express.other()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._is_stuck:
            protocol.pause_writing()
        self._read_on()
        protocol.data_received(data)

    def sweep(self) -> None:
        """Close what is idle for long; leave to aiohttp what arrives too slowly."""
        if self.answering is not None or self._transport.is_closing():
            return
        self._quiet_sweeps += 1
        if self._buffer and self._quiet_sweeps > SLOW_SWEEPS and not self._is_stuck:
            self._pass_on(self._whole())
        elif self._quiet_sweeps > IDLE_SWEEPS:
            self._transport.close()

    def leave(self) -> None:
        """Close, after the answer that is under way."""
        self._is_leaving = True
        if self.answering is None:
            self._transport.close()


class Express:
    """All express connections of a process; called, it makes a new one."""

    def __init__(
        self,
        path: str,
        handler: Handler,
        other: Callable[[], asyncio.Protocol],
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """``handler`` answers short POSTs to ``path``; ``other`` makes aiohttp's protocol for all else."""
        self.begins = f"POST {path} HTTP/1.1\r\n".encode()
        self.handler = handler
        self.other = other
        self.max_body_bytes = min(max_body_bytes, MAX_BODY_BYTES)
        self.heads = Heads()
        self.connections: set[ExpressConnection] = set()
        self._sweeping = asyncio.create_task(self._sweep(), name="express sweeper")

    def __call__(self) -> ExpressConnection:
        """The protocol of a new connection."""
        return ExpressConnection(self)

    async def end(self, grace_s: float) -> None:
        """Close all connections; answers under way get ``grace_s``."""
        self._sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeping
        leaving = list(self.connections)
        for connection in leaving:
            connection.leave()
        if answering := [it.answering for it in leaving if it.answering is not None]:
            await asyncio.wait(answering, timeout=grace_s)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for connection in list(self.connections):
                connection.sweep()
