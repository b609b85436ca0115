"""An HTTP/2 server of one function: request in, answer out. Framing is h2's; this is its asyncio shell.

Small answers only: a body is sent once the client's flow control window has room for all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

MAX_CONCURRENT_STREAMS: Final = 1000
"""What APNs was seen to allow after the first valid token."""

MAX_BODY_BYTES: Final = 65_536
"""A larger request is cut off here and answered as it stands: both providers refuse it for its size."""


@dataclass(slots=True)
class Request:
    """One request, complete. Header names are lower case; ``path`` carries the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Answer:
    """What to send back, and when. ``resets`` breaks the stream instead of answering."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    resets: bool = False


class Http2Protocol(asyncio.Protocol):
    """One connection. ``answer`` must not block: what takes time is a ``delay_s`` in its Answer."""

    def __init__(self, answer: Callable[[Request], Answer], open_connections: set[Http2Protocol]) -> None:
        """``open_connections`` is kept up to date, so that the server can close them all."""
        self._answer = answer
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._blocked: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets with the settings."""
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)
        self._h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = MAX_CONCURRENT_STREAMS
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forgets what was in progress."""
        self._transport = None
        self._open.discard(self)
        self._requests.clear()

    def close(self) -> None:
        """Says GOAWAY and closes."""
        if self._transport is not None:
            self._h2.close_connection()
            self._flush()
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Takes bytes from the client; a breach of the protocol ends the connection."""
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except ProtocolError:
            self._flush()
            if self._transport is not None:
                self._transport.close()
            return
        self._flush()

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived(stream_id=stream_id, headers=headers):
                self._requests[stream_id] = ({str(name): str(value) for name, value in headers}, bytearray())
            case events.DataReceived(stream_id=stream_id, data=data):
                self._h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
                if (request := self._requests.get(stream_id)) and len(request[1]) <= MAX_BODY_BYTES:
                    request[1].extend(data)
            case events.StreamEnded(stream_id=stream_id):
                if request := self._requests.pop(stream_id, None):
                    self._respond(stream_id, *request)
            case events.StreamReset(stream_id=stream_id):
                self._requests.pop(stream_id, None)
                self._blocked.pop(stream_id, None)
            case events.WindowUpdated():
                for stream_id in tuple(self._blocked):
                    self._send_body(stream_id, self._blocked.pop(stream_id))
            case events.ConnectionTerminated():
                if self._transport is not None:
                    self._transport.close()

    def _respond(self, stream_id: int, headers: dict[str, str], body: bytearray) -> None:
        request = Request(headers.get(":method", ""), headers.get(":path", ""), headers, bytes(body))
        answer = self._answer(request)
        if answer.delay_s:
            self._loop.call_later(answer.delay_s, self._send_late, stream_id, answer)
        else:
            self._send(stream_id, answer)

    def _send_late(self, stream_id: int, answer: Answer) -> None:
        if self._transport is not None:
            self._send(stream_id, answer)
            self._flush()

    def _send(self, stream_id: int, answer: Answer) -> None:
        try:
            if answer.resets:
                self._h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
                return
            headers = [(":status", str(answer.status)), *answer.headers.items()]
            self._h2.send_headers(stream_id, headers, end_stream=not answer.body)
            if answer.body:
                self._send_body(stream_id, answer.body)
        except (StreamClosedError, ProtocolError):
            return  # the client gave up on this stream

    def _send_body(self, stream_id: int, body: bytes) -> None:
        if self._h2.local_flow_control_window(stream_id) < len(body):
            self._blocked[stream_id] = body
        else:
            self._h2.send_data(stream_id, body, end_stream=True)

    def _flush(self) -> None:
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)
