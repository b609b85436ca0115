"""Open streaming connections: each counts and acknowledges its frames; one session has one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

import msgspec
from aiohttp import WSCloseCode, web

from gateway.errors import GeopushError
from gateway.ingest.offers import waiting_for
from gateway.logs import Log
from gateway.store.inbox import Inbox
from gateway.store.stream_sessions import StreamSessions
from gateway.web.websocket import WebSocket
from geofences.model import Ping

_log = Log("stream")
_encode = msgspec.json.Encoder().encode

ACK_S = 0.02
"""Longest that an acknowledgement waits to cover more frames."""
MAX_UNTOLD = 256
"""Refusals that wait for an acknowledgement before it comes at once: bounds what a client can make us hold."""


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refused ping: its frame, its place in the frame."""

    seq: int
    index: int
    code: str
    detail: str
    pointer: str = ""


class Line:
    """One connection."""

    def __init__(self, socket: WebSocket, session: str, seq: int, inbox: Inbox | None = None) -> None:
        """``seq`` frames of ``session`` were taken before. With an ``inbox`` the client hears of in-app offers."""
        self._inbox = inbox
        self._offered: set[bytes] = set()
        self.session = session
        self.seq = seq
        self.is_over = asyncio.Event()
        self._socket = socket
        self._told_seq = seq
        self._refused: list[Refused] = []
        self._telling: asyncio.TimerHandle | None = None

    @property
    def hears_of_offers(self) -> bool:
        """Whether the client asked for them."""
        return self._inbox is not None

    def greet(self) -> None:
        """Tell the client its session and the last frame that was taken."""
        self._send({"type": "hello", "session": self.session, "seq": self.seq})

    def took(self, frames: int, refused: Iterable[Refused]) -> None:
        """Count frames as taken; they are acknowledged soon, together with those that come meanwhile."""
        self.seq += frames
        self._refused.extend(refused)
        if len(self._refused) >= MAX_UNTOLD:
            self._tell()
        elif self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(ACK_S, self._tell)

    async def offer(self, pings: Iterable[Ping]) -> None:
        """Tell of the in-app offers that wait for the users of ``pings``, each once on this connection."""
        if self._inbox is None:
            return
        try:
            waiting = await waiting_for(self._inbox, pings)
        except GeopushError as error:
            _log.warning("inboxes could not be read", code=error.code)
            return
        new = [document for document in waiting if bytes(document) not in self._offered]
        self._offered = {bytes(document) for document in waiting}
        if new:
            self._send({"type": "offers", "items": new})

    async def leave(self, code: WSCloseCode, reason: str) -> None:
        """Acknowledge what was taken and close."""
        self._tell()
        await self._socket.close(code, reason)

    def _tell(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self.seq == self._told_seq:
            return
        message: dict[str, object] = {"type": "ack", "seq": self.seq}
        if self._refused:
            message["rejected"], self._refused = self._refused, []
        self._told_seq = self.seq
        self._send(message)

    def _send(self, message: dict[str, object]) -> None:
        """A client that is gone learns from hello, when it comes back, what it did not hear now."""
        self._socket.send(_encode(message))


class Lines:
    """All open connections of this process by session."""

    def __init__(self, stored: StreamSessions) -> None:
        """``stored`` remembers sessions between connections."""
        self._stored = stored
        self._open: dict[str, Line] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    async def resume(self, session: str) -> int:
        """Frames of ``session`` that were taken; a connection that still holds it here is closed first."""
        before = self._open.get(session)
        if before is not None:
            await before.leave(WSCloseCode.GOING_AWAY, "resumed on another connection")
            await before.is_over.wait()
        return await self._stored.recall(session)

    @contextlib.contextmanager
    def opened(self, line: Line) -> Iterator[None]:
        """Know the line while the block lasts."""
        self._open[line.session] = line
        try:
            yield
        finally:
            if self._open.get(line.session) is line:
                del self._open[line.session]
            line.is_over.set()

    async def remember(self, line: Line) -> None:
        """Keep the line's count for whoever resumes it."""
        try:
            await self._stored.remember(line.session, line.seq)
        except GeopushError as error:
            _log.warning("a stream's count could not be kept", code=error.code)

    async def end(self) -> None:
        """Send every client away: the gateway is stopping, and they may resume elsewhere."""
        leaving = (line.leave(WSCloseCode.GOING_AWAY, "the gateway is stopping") for line in list(self._open.values()))
        await asyncio.gather(*leaving, return_exceptions=True)


LINES = web.AppKey("lines", Lines)
