"""Calls to one Redis over shared wires: no call takes a connection for itself, none waits for another's answer to ask.

A wire is one connection. Commands go out as they are asked for (uvloop writes those of one turn at once) and a server
answers them in order, so the oldest call on a wire is whose reply comes next. Everything else follows from that queue:

- a caller who gives up stays in it until his reply has come, and the reply is dropped;
- the oldest call is the first to be overdue, so one alarm serves a wire. An overdue wire is cut and all its callers
  are told: nothing else tells a dead peer from a slow one;
- what waits on a wire that the server closed is asked once more, on a new one, within its first time limit;
- a call joins a wire only while what waits there is young and small, so that no large reply or request holds up others
  for long; as many wires as that takes are opened, up to ``MAX_WIRES``.

The driver makes the connections (TLS, login, choice of database); from then on a socket belongs to its wire.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis
from redis.asyncio.client import Redis
from redis.asyncio.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError

from gateway.store.driver import DriverConnection

Command = Sequence[bytes | str | int | float]

MAX_WIRES: Final = 16
"""Connections of one worker for its calls; one event loop cannot use more at once."""
MAX_WAITING: Final = 1_000
"""Calls that may wait on one wire: with all wires so full, Redis has fallen behind and waiting longer does not help."""
HELD_UP_S: Final = 0.001
"""A wire whose oldest call is older takes no other: a call takes half of it, so what waits longer may be large."""
SHARED_BYTES: Final = 4_096
"""What may wait on one wire unless it waits alone: dozens of calls, yet less than asks for hundreds of keys, whose
replies hold up what is behind them (of small calls beside an import, one in a hundred takes 3 ms; 8 with 64 KiB)."""

_NOT_YET: Final = object()


class _Call:
    """Commands that were asked for, and who waits for their replies."""

    __slots__ = ("asked_s", "count", "is_repeated", "packed", "replies")

    def __init__(self, packed: bytes, count: int, asked_s: float, replies: asyncio.Future[list[Any]]) -> None:
        self.packed = packed
        self.count = count
        self.asked_s = asked_s
        self.replies = replies
        self.is_repeated = False


class Wires:
    """The wires to one server."""

    def __init__(self, driver: Redis, timeout_s: float) -> None:
        """``driver``, its pool adapted, makes connections and shapes replies; each call may take ``timeout_s``."""
        self._pool = driver.connection_pool
        self._shapes: dict[Any, Callable[[Any], Any]] = dict(driver.response_callbacks)
        self._timeout_s = timeout_s
        self._wires: list[_Wire] = []
        self._is_closed = False

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to commands, in order, those that were refused as exceptions.

        Raises the driver's ConnectionError when there are none: whether they were carried out is not known.
        """
        loop = asyncio.get_running_loop()
        packed = b"".join([hiredis.pack_command(cast(Any, tuple(command))) for command in commands])
        call = _Call(packed, len(commands), loop.time(), loop.create_future())
        self._wire_for(call).take(call)
        replies = await call.replies
        shapes = self._shapes
        for place, command in enumerate(commands):
            shape = shapes.get(command[0])
            if shape is not None and not isinstance(replies[place], Exception):
                replies[place] = shape(replies[place])
        return replies

    async def aclose(self) -> None:
        """Cut all wires; calls in flight and later ones fail."""
        self._is_closed = True
        wires = tuple(self._wires)
        for wire in wires:
            wire.cut(RedisConnectionError("the connection was closed"))
        await asyncio.gather(*(wire.opening for wire in wires), return_exceptions=True)

    def _wire_for(self, call: _Call) -> _Wire:
        for wire in self._wires:
            if wire.has_room(call):
                return wire
        if len(self._wires) < MAX_WIRES:
            return self._new_wire()
        wire = min(self._wires, key=_Wire.__len__)
        if len(wire) >= MAX_WAITING:
            raise RedisConnectionError("too many calls wait for Redis")
        return wire

    def _new_wire(self) -> _Wire:
        if self._is_closed:
            raise RedisConnectionError("the connection was closed")
        wire = _Wire(self, self._pool.make_connection(), self._timeout_s)  # type: ignore[no-untyped-call]
        self._wires.append(wire)
        return wire

    def ended(self, wire: _Wire, waiting: Sequence[_Call], error: Exception, *, may_repeat: bool) -> None:
        """A wire is no more: ask again what waited there, or tell those who wait."""
        self._wires.remove(wire)
        fresh: _Wire | None = None
        for call in waiting:
            if call.replies.done():
                continue
            if may_repeat and not call.is_repeated and not self._is_closed:
                call.is_repeated = True
                fresh = fresh or self._new_wire()
                fresh.take(call)
            else:
                told = RedisConnectionError(str(error))  # one for each: a raised exception grows
                told.__cause__ = error
                call.replies.set_exception(told)


class _Wire(asyncio.Protocol):
    """One connection, from its opening to its end."""

    def __init__(self, wires: Wires, connection: DriverConnection, timeout_s: float) -> None:
        self._wires = wires
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._waiting: deque[_Call] = deque()
        self._waiting_bytes = 0
        self._replies: list[Any] = []
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_NOT_YET
        )
        self._writer: asyncio.StreamWriter | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._is_over = False
        self.opening = self._loop.create_task(self._open(connection))

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, call: _Call) -> bool:
        """Whether the call would neither be held up here nor hold up others."""
        return not self._waiting or (
            call.asked_s - self._waiting[0].asked_s < HELD_UP_S
            and self._waiting_bytes + len(call.packed) <= SHARED_BYTES
        )

    def take(self, call: _Call) -> None:
        """Ask, now or as soon as the connection stands."""
        self._waiting.append(call)
        self._waiting_bytes += len(call.packed)
        if self._writer is not None:
            self._writer.write(call.packed)
        if self._alarm is None:
            self._alarm = self._loop.call_at(call.asked_s + self._timeout_s, self._ring)

    def data_received(self, data: bytes) -> None:
        """Give each caller his replies."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOT_YET:
                self._replies.append(reply)
                call = self._waiting[0]
                if len(self._replies) == call.count:
                    self._waiting.popleft()
                    self._waiting_bytes -= len(call.packed)
                    replies, self._replies = self._replies, []
                    if not call.replies.done():
                        call.replies.set_result(replies)
        except InvalidResponse as error:
            self.cut(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed the connection, or it broke."""
        self._end(RedisConnectionError(str(exc or "the server closed the connection")), may_repeat=True)

    def cut(self, error: Exception) -> None:
        """End the wire; its callers are told."""
        self.opening.cancel()
        if self._writer is not None:
            self._writer.transport.abort()
        self._end(error, may_repeat=False)

    async def _open(self, connection: DriverConnection) -> None:
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self._writer = connection.hand_over(self)
        except (RedisError, OSError) as error:
            self._end(error, may_repeat=False)
            return
        for call in self._waiting:
            self._writer.write(call.packed)

    def _ring(self) -> None:
        self._alarm = None
        if not self._waiting:
            return
        due_s = self._waiting[0].asked_s + self._timeout_s
        if due_s > self._loop.time():
            self._alarm = self._loop.call_at(due_s, self._ring)
        else:
            self.cut(TimeoutError("no reply in time"))

    def _end(self, error: Exception, *, may_repeat: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._wires.ended(self, self._waiting, error, may_repeat=may_repeat)
