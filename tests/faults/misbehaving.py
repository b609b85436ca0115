"""A provider of our own that breaks what it is told to: streams, connections, bodies, promises."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

from h2.errors import ErrorCodes

from gateway.delivery.sandbox.http2 import Answer, Http2Protocol, Request


class Conversation(Http2Protocol):
    """One connection of the misbehaving server, with the means to misbehave."""

    def __init__(self, behave: Behaviour, connections: set[Http2Protocol]) -> None:
        super().__init__(lambda _: Answer(), connections)
        self._behave = behave
        self.served = 0
        self.is_deaf = False

    def data_received(self, data: bytes) -> None:
        if not self.is_deaf:
            super().data_received(data)

    def _respond(self, stream_id: int, headers: dict[str, str], body: bytearray) -> None:
        self.served += 1
        request = Request(headers.get(":method", ""), headers.get(":path", ""), headers, bytes(body))
        self._behave(self, stream_id, request)

    def reply(
        self, stream_id: int, status: int = 200, body: bytes = b"", *, headers: dict[str, str] | None = None,
        parts: int = 1, empty_data: bool = False,
    ) -> None:  # fmt: skip
        """Answers, with the body in ``parts`` DATA frames, or with an empty DATA frame at the end."""
        if self._transport is None:
            return
        if not body and not empty_data:
            self._h2.send_headers(stream_id, [(":status", str(status)), *(headers or {}).items()], end_stream=True)
        else:
            self._h2.send_headers(stream_id, [(":status", str(status)), *(headers or {}).items()])
            size = max(1, -(-len(body) // parts))
            for start in range(0, len(body), size):
                self._h2.send_data(stream_id, body[start : start + size])
            self._h2.end_stream(stream_id)
        self._flush()

    def reply_later(self, delay_s: float, stream_id: int) -> None:
        """Answers 200 after a while, if the stream still is."""

        def late() -> None:
            if self._transport is not None and stream_id in self._h2.streams:
                self.reply(stream_id)

        self._loop.call_later(delay_s, late)

    def begin_reply(self, stream_id: int, status: int, promised_bytes: int, body: bytes) -> None:
        """Promises a body and sends less of it."""
        headers = [(":status", str(status)), ("content-length", str(promised_bytes))]
        self._h2.send_headers(stream_id, headers)
        self._h2.send_data(stream_id, body)
        self._flush()

    def reset(self, stream_id: int, code: ErrorCodes) -> None:
        self._h2.reset_stream(stream_id, code)
        self._flush()

    def go_away(self) -> None:
        self.close()

    def drop(self) -> None:
        """Breaks the TCP connection without a word."""
        if self._transport is not None:
            self._transport.abort()


Behaviour = Callable[[Conversation, int, Request], None]


def polite(conversation: Conversation, stream_id: int, _request: Request) -> None:
    conversation.reply(stream_id)


class MisbehavingServer:
    """``async with MisbehavingServer(certificate) as server: server.behave = …``; one behaviour at a time."""

    def __init__(self, certificate: Path, *, client_authority: Path | None = None) -> None:
        """With ``client_authority`` only clients with a certificate of that authority are let in."""
        self._certificate = certificate
        self._client_authority = client_authority
        self.behave: Behaviour = polite
        self.requests: list[Request] = []
        self.connections: set[Http2Protocol] = set()
        self.accepted = 0

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        context.set_alpn_protocols(["h2"])
        if self._client_authority is not None:
            context.load_verify_locations(self._client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._converse, "127.0.0.1", 0, ssl=context)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in tuple(self.connections):
            connection.close()
        await self._server.wait_closed()

    def _converse(self) -> Conversation:
        self.accepted += 1
        return Conversation(self._remembering, self.connections)

    def _remembering(self, conversation: Conversation, stream_id: int, request: Request) -> None:
        self.requests.append(request)
        self.behave(conversation, stream_id, request)


class SilentServer:
    """Accepts TCP and never says a word of TLS; until ``wakes`` it is a black hole."""

    async def __aenter__(self) -> Self:
        self._open: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._swallow, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        while await reader.read(65_536):
            continue
