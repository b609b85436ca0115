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
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial

from aiohttp import WSCloseCode, web

from gateway.clock import now_ms
from gateway.errors import BadRequest, Forbidden, GeopushError, Unauthorized
from gateway.ingest.decode import JSON_TYPE, decode_ping, decode_pings
from gateway.ingest.intake import INTAKE
from gateway.ingest.lines import LINES, Line, Refused
from gateway.ingest.offers import wants_offers
from gateway.logs import Log
from gateway.web.auth import DOORKEEPER, IDENTITY
from gateway.web.context import CONTEXT
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from gateway.web.websocket import WebSocket
from geofences.model import Ping

_log = Log("stream")

MAX_FRAME_BYTES = 1_000_000
"""Largest frame: a batch of some 7,000 pings."""
MAX_WAITING = 2_000
"""Pings, good or refused, or frames of one connection that wait while a batch is under way, before nothing more is read
from it."""
RETRY_S = (0.1, 0.3, 1.0, 3.0, 6.0)
"""Pauses between tries of a frame that could not be handled: some ten seconds, then the client is sent away."""
RECHECK_S = 30.0
"""How often it is asked whether the credential of an open connection still opens anything."""
NO_PING = -1
"""Index of a frame that held no ping at all."""

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
    socket, response = await WebSocket.accept(request, MAX_FRAME_BYTES)
    line = Line(socket, session or secrets.token_urlsafe(_SESSION_BYTES), seq, inbox)
    backlog = _Backlog(request, socket, line)
    with lines.opened(line):
        recheck = asyncio.create_task(_leave_when_revoked(request, line))
        try:
            line.greet()
            socket.listen(backlog.take)
            await socket.wait_closed()
            await backlog.finish()
        finally:
            recheck.cancel()
            await lines.remember(line)
    return response


async def _leave_when_revoked(request: web.Request, line: Line) -> None:
    """Send the client away once its key is revoked, or its token or session has ended."""
    while True:
        await asyncio.sleep(RECHECK_S)
        try:
            await request.app[DOORKEEPER].admit(request, Permission.SEND_PINGS)
        except (Unauthorized, Forbidden):
            await line.leave(WSCloseCode.POLICY_VIOLATION, "the credential opens nothing any more")
            return
        except GeopushError:
            continue


@dataclass(slots=True)
class _Frames:
    """Frames that go down the ping path together: how many, and what they held."""

    count: int = 0
    pings: list[Ping] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def size(self) -> int:
        """What is held, whatever it is of: a frame may hold many pings, bad ones, or none."""
        return max(self.count, len(self.pings) + len(self.refused))


class _Backlog:
    """What one connection sent and was not handled yet: one batch is under way, the next gathers meanwhile."""

    def __init__(self, request: web.Request, socket: WebSocket, line: Line) -> None:
        self._intake = request.app[INTAKE]
        self._socket = socket
        self._line = line
        context = request.app[CONTEXT]
        self._max_pings, self._rejected = context.settings.max_batch_pings, context.metrics.pings_rejected
        self._payer, self._bound_to = request[IDENTITY].payer, request[IDENTITY].user_id
        self._seq = line.seq
        self._waiting = _Frames()
        self._work: asyncio.Future[None] | None = None
        self._is_given_up = False

    def take(self, messages: list[bytes]) -> None:
        """Take frames; nothing more is read while too much waits."""
        if self._is_given_up:
            return
        waiting, bound_to = self._waiting, self._bound_to
        for message in messages:
            ping = decode_ping(message, bound_to)
            if ping is None:
                self._take_apart(message, self._seq + 1)
            else:
                waiting.pings.append(ping)
            self._seq += 1
        waiting.count += len(messages)
        self._go_on()
        if self._waiting.size >= MAX_WAITING:
            self._socket.hold()

    async def finish(self) -> None:
        """Return when everything is handled or given up."""
        while self._work is not None:
            await asyncio.wait([self._work])

    def _take_apart(self, message: bytes, seq: int) -> None:
        """Take a frame that is not one good ping."""
        waiting = self._waiting
        try:
            decoded = decode_pings(message, JSON_TYPE, self._max_pings, self._bound_to)
        except GeopushError as error:
            waiting.refused.append(Refused(seq, NO_PING, error.code, error.detail))
        else:
            waiting.pings.extend(decoded.pings)
            waiting.refused.extend(Refused(seq, r.index, r.code, r.detail, r.pointer) for r in decoded.rejected)

    def _go_on(self) -> None:
        """Give the intake what waits, batch after batch, as long as none has to be waited for."""
        while self._waiting.count and self._work is None:
            frames, self._waiting = self._waiting, _Frames()
            received_at_ms = now_ms()
            try:
                handled = self._intake.put(frames.pings, received_at_ms, self._payer) if frames.pings else None
            except GeopushError as error:
                self._wait_for(self._try_again(frames, received_at_ms, error))
                break
            if handled is None:
                self._took(frames)
            else:
                self._work = handled
                handled.add_done_callback(partial(self._handled, frames, received_at_ms))
        if not self._waiting.count:
            self._socket.go_on()

    def _handled(self, frames: _Frames, received_at_ms: int, handled: asyncio.Future[None]) -> None:
        self._work = None
        error = handled.exception()
        if error is None:
            self._took(frames)
        else:
            self._wait_for(self._try_again(frames, received_at_ms, error))
        self._go_on()

    def _acknowledge(self, frames: _Frames) -> None:
        for refused in frames.refused:
            self._rejected.labels(refused.code).inc()
        self._line.took(frames.count, frames.refused)

    def _took(self, frames: _Frames) -> None:
        self._acknowledge(frames)
        if frames.pings and self._line.hears_of_offers:
            self._wait_for(self._line.offer(frames.pings))

    def _wait_for(self, coming: Coroutine[None, None, None]) -> None:
        """Handle nothing more until ``coming`` is done."""
        self._work = asyncio.create_task(coming)
        self._work.add_done_callback(self._done)

    def _done(self, _work: asyncio.Future[None]) -> None:
        self._work = None
        self._go_on()

    async def _try_again(self, frames: _Frames, received_at_ms: int, error: BaseException) -> None:
        """Take frames that failed at a later try, or send the client away."""
        for pause_s in RETRY_S:
            if not isinstance(error, GeopushError) or not error.retryable:
                break
            await asyncio.sleep(pause_s)
            try:
                await self._intake.take(frames.pings, received_at_ms, self._payer)
            except Exception as again:  # noqa: BLE001 - judged like the first
                error = again
            else:
                self._acknowledge(frames)
                await self._line.offer(frames.pings)
                return
        if not isinstance(error, GeopushError):
            _log.error("frames could not be handled", exc_info=error)
        self._is_given_up = True
        self._waiting = _Frames()
        await self._line.leave(WSCloseCode.TRY_AGAIN_LATER, "try again later")
