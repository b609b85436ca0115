"""GET /v1/stream: a WebSocket on which a phone or a relay streams pings, and hears how far they have been taken.

A frame is a ping object or an array of them, text or binary; both sides count frames from 1. The gateway says first

    {"type": "hello", "session": "…", "seq": 0}

then acknowledges everything up to a frame at once, with what it refused since the last time:

    {"type": "ack", "seq": 17, "rejected": [{"seq": 16, "index": 0, "code": "out_of_range", "detail": "…"}]}

A client that lost the connection asks for ``/v1/stream?session=…`` and sends again what comes after hello's ``seq``:
frames that were taken before are not taken twice. Frames are handled in their order, those that come while one batch is
under way as the next; a client that sends faster than the gateway works is slowed by TCP, not kept in memory. While
Redis does not answer, a batch waits and is tried again.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.clock import now_ms
from gateway.errors import BadRequest, GeopushError
from gateway.ingest.decode import JSON_TYPE, Decoded, Rejected, decode_pings
from gateway.ingest.intake import INTAKE
from gateway.ingest.lines import LINES, NO_PING, Line
from gateway.ingest.offers import wants_offers
from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from geofences.model import Ping

HEARTBEAT_S = 30.0
"""Between pings of an idle connection: mobile networks forget a silent one after a minute or so."""
MAX_FRAME_BYTES = 1_000_000
"""Largest frame: a batch of some 7,000 pings."""
MAX_WAITING_PINGS = 2_000
"""Pings of one connection that wait while a batch is under way, before nothing more is read from it."""
RETRY_S = (0.1, 0.3, 1.0, 3.0, 6.0)
"""Pauses between tries of a frame that could not be handled: some ten seconds, then the client is sent away."""

_SESSION = re.compile(r"^[A-Za-z0-9_-]{22}$")
_SESSION_BYTES = 16


@operation(
    "GET",
    "/v1/stream",
    needs=Permission.SEND_PINGS,
    status=101,
    parameters=(
        Parameter("session", "A session to go on with, named by an earlier hello."),
        Parameter("offers", "Tell of the in-app offers that wait for the pings' users.", {"type": "boolean"}),
    ),
)
async def open_stream(request: web.Request) -> web.StreamResponse:
    """Stream pings over a WebSocket.

    Frames are ping objects or arrays of them. The gateway answers ``hello``, then ``ack`` by sequence; a lost
    connection is resumed by session without double counting.
    """
    lines = request.app[LINES]
    inbox = request.app[CONTEXT].store.inbox if wants_offers(request) else None
    session = request.query.get("session")
    if session is not None and not _SESSION.match(session):
        raise BadRequest("session must be one that an earlier hello named", parameter="session")
    seq = 0 if session is None else await lines.resume(session)
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, max_msg_size=MAX_FRAME_BYTES, compress=False, decode_text=False
    )
    await socket.prepare(request)
    line = Line(socket, session or secrets.token_urlsafe(_SESSION_BYTES), seq, inbox)
    with lines.opened(line):
        try:
            await line.greet()
            await _take_frames(request, socket, line)
        finally:
            await lines.remember(line)
    return socket


class _Backlog:
    """What one connection sent and was not handled yet: one batch is under way, the next gathers meanwhile."""

    def __init__(self, request: web.Request, line: Line) -> None:
        self._intake = request.app[INTAKE]
        self._line = line
        self._payer = request[IDENTITY].key_id
        self._frames: list[Decoded] = []
        self._waiting_pings = 0
        self._work: asyncio.Task[None] | None = None
        self._is_given_up = False

    async def put(self, decoded: Decoded) -> None:
        """Take one frame; waits while too much waits."""
        if self._is_given_up:
            return
        self._frames.append(decoded)
        self._waiting_pings += len(decoded.pings)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._handle_all())
        if self._waiting_pings >= MAX_WAITING_PINGS:
            await self._work

    async def finish(self) -> None:
        """Return when everything is handled or given up."""
        if self._work is not None:
            await self._work

    async def _handle_all(self) -> None:
        while self._frames:
            frames, self._frames = self._frames, []
            self._waiting_pings = 0
            pings = frames[0].pings if len(frames) == 1 else [ping for frame in frames for ping in frame.pings]
            if pings and not await self._is_handled(pings):
                self._is_given_up = True
                await self._line.leave(WSCloseCode.TRY_AGAIN_LATER, "try again later")
                return
            for frame in frames:
                self._line.took(frame.rejected)
            await self._line.offer(pings)
            await self._line.settled()

    async def _is_handled(self, pings: Sequence[Ping]) -> bool:
        """Whether the pings went down the ping path, if need be at a later try."""
        received_at_ms = now_ms()
        for pause_s in (*RETRY_S, None):
            try:
                await self._intake.take(pings, received_at_ms, self._payer)
            except GeopushError as error:
                if not error.retryable or pause_s is None:
                    return False
                await asyncio.sleep(pause_s)
            else:
                return True
        return False


async def _take_frames(request: web.Request, socket: web.WebSocketResponse[bool], line: Line) -> None:
    max_pings, bound_to = request.app[CONTEXT].settings.max_batch_pings, request[IDENTITY].user_id
    backlog = _Backlog(request, line)
    try:
        while True:
            frame = await socket.receive()
            if frame.type is not WSMsgType.TEXT and frame.type is not WSMsgType.BINARY:
                return
            try:
                decoded = decode_pings(frame.data, JSON_TYPE, max_pings, bound_to)
            except GeopushError as error:
                decoded = Decoded([], [Rejected(NO_PING, error.code, error.detail)])
            await backlog.put(decoded)
    finally:
        await backlog.finish()
