"""WebSockets over real connections: the handshake, good-byes, signs of life, and who does not read."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.web import websocket
from gateway.web.frames import BINARY, CLOSE, PING, PONG, close_frame
from gateway.web.operations import operation, serve
from gateway.web.websocket import WebSocket
from tests.gateway.web.bare import bare_application
from tests.gateway.web.test_frames import sent
from tests.patience import PATIENCE_S

MAX_BYTES = 100_000


@dataclass
class Echo:
    """A server that sends every message back; its last connection."""

    address: tuple[str, int] = ("", 0)
    socket: WebSocket | None = None
    taken: list[list[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/echo"

    async def open(self, *fields: str, tail: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection with the handshake done."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(handshake(*fields) + tail)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return reader, writer


def handshake(*fields: str, key: str | None = None, version: str = "HTTP/1.1") -> bytes:
    given = fields or ("Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13")
    key = base64.b64encode(os.urandom(16)).decode() if key is None else key
    lines = [f"GET /echo {version}", "Host: geo.example", *given, f"Sec-WebSocket-Key: {key}"]
    return "\r\n".join([*lines, "", ""]).encode()


async def frame_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of the next frame."""
    async with asyncio.timeout(PATIENCE_S):
        first, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2))
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8))
        return first & 0xF, await reader.readexactly(length)


async def close_code(reader: asyncio.StreamReader) -> int:
    opcode, payload = await frame_of(reader)
    assert opcode == CLOSE
    return int.from_bytes(payload[:2])


async def is_at_end(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read() == b""


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    server = Echo()

    async def talk(request: web.Request) -> web.StreamResponse:
        server.socket, response = await WebSocket.accept(request, MAX_BYTES)
        socket = server.socket

        def take(messages: list[bytes]) -> None:
            server.taken.append(messages)
            for message in messages:
                socket.send(message)

        socket.listen(take)
        await socket.wait_closed()
        return response

    app = bare_application(Settings(), Metrics())
    serve(app, [operation("GET", "/echo")(talk)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.address = runner.addresses[0][:2]
    yield server
    await runner.cleanup()


async def test_the_handshake_is_answered_as_the_rfc_has_it(echo: Echo) -> None:
    """The example of RFC 6455, section 1.3."""
    reader, writer = await asyncio.open_connection(*echo.address)
    writer.write(handshake(key="dGhlIHNhbXBsZSBub25jZQ=="))
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    assert head[0] == "http/1.1 101 switching protocols"
    assert {"upgrade: websocket", "connection: upgrade"} <= set(head)
    assert "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert not any(line.startswith(("content-length", "transfer-encoding", "sec-websocket-ext")) for line in head)
    writer.close()


@pytest.mark.parametrize(
    "opening",
    [
        handshake("Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        handshake("Upgrade: h2c", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        handshake("Upgrade: websocket", "Connection: keep-alive", "Sec-WebSocket-Version: 13"),
        handshake("Upgrade: websocket", "Connection: Upgrade"),
        handshake("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 12"),
        handshake(key=""),
        handshake(key="c2hvcnQ="),
        handshake(key="not base64 at all!!"),
        handshake(version="HTTP/1.0"),
    ],
)
async def test_what_is_no_handshake_is_refused(echo: Echo, opening: bytes) -> None:
    reader, writer = await asyncio.open_connection(*echo.address)
    writer.write(opening)
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).split()[1] == b"400"
    writer.close()


async def test_aiohttps_client_hears_what_it_said(echo: Echo) -> None:
    """Its writer masks, and fragments nothing; its reader is strict."""
    messages = [os.urandom(size) for size in (0, 1, 125, 126, 65_535, 65_536, MAX_BYTES)]
    async with aiohttp.ClientSession() as session, session.ws_connect(echo.url) as client:
        for message in messages:
            await client.send_bytes(message)
        assert [await client.receive_bytes(timeout=PATIENCE_S) for _ in messages] == messages
        await client.send_str("grüß Gott")
        assert await client.receive_bytes(timeout=PATIENCE_S) == "grüß Gott".encode()
        await client.ping(b"there?")
        await client.close(code=3456)
        assert client.close_code == 3456


async def test_frames_sent_with_the_handshake_are_not_lost(echo: Echo) -> None:
    reader, writer = await echo.open(tail=sent(BINARY, b"early") + sent(PING, b"p"))
    assert await frame_of(reader) == (BINARY, b"early")
    assert await frame_of(reader) == (PONG, b"p")
    writer.close()


async def test_after_its_good_bye_a_side_says_nothing_more(echo: Echo) -> None:
    reader, writer = await echo.open(tail=sent(BINARY, b"hello"))
    assert await frame_of(reader) == (BINARY, b"hello")
    closing = asyncio.create_task(echo.socket.close(1001, "stopping"))
    assert await close_code(reader) == 1001
    good_bye = close_frame(1001)[:1] + b"\x82" + bytes(4) + b"\x03\xe9"
    writer.write(sent(PING, b"there?") + sent(BINARY, b"more") + good_bye)
    assert await is_at_end(reader)
    await closing
    writer.close()


async def test_all_that_one_read_brings_is_handed_over_together(echo: Echo) -> None:
    reader, writer = await echo.open()
    writer.write(b"".join(sent(BINARY, b"%d" % number) for number in range(100)))
    assert [await frame_of(reader) for _ in range(100)] == [(BINARY, b"%d" % number) for number in range(100)]
    assert len(echo.taken) < 100
    writer.close()


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (sent(CLOSE), 1000),
        (close_frame(4000, "bye")[:1] + b"\x82" + bytes(4) + b"\x0f\xa0", 4000),
        (b"\x81\x05hello", 1002),
        (sent(BINARY, bytes(MAX_BYTES + 1)), 1009),
    ],
    ids=["a good-bye", "a code of its own", "not masked", "too long"],
)
async def test_a_good_bye_and_a_fault_end_the_connection_with_their_code(echo: Echo, wire: bytes, code: int) -> None:
    reader, writer = await echo.open()
    writer.write(wire)
    assert await close_code(reader) == code
    assert await is_at_end(reader)
    writer.close()


async def test_who_is_sent_away_may_answer_and_is_not_heard_any_more(echo: Echo) -> None:
    reader, writer = await echo.open()
    writer.write(sent(BINARY, b"before"))
    assert await frame_of(reader) == (BINARY, b"before")
    assert echo.socket is not None
    closing = asyncio.create_task(echo.socket.close(1001, "bye"))
    assert await close_code(reader) == 1001
    writer.write(sent(BINARY, b"after") + sent(CLOSE, b"\x03\xe9"))
    assert await is_at_end(reader)
    await closing
    assert echo.taken == [[b"before"]]
    writer.close()


async def test_who_does_not_answer_a_good_bye_is_cut_off(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CLOSING_S", 0.01)
    _, writer = await echo.open()
    assert echo.socket is not None
    await asyncio.wait_for(echo.socket.close(1001, "bye"), PATIENCE_S)
    writer.close()


async def test_a_silent_client_is_asked_for_a_sign_of_life(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(websocket, "PONG_S", 3.0)
    reader, writer = await echo.open()
    for _ in range(2):
        assert await frame_of(reader) == (PING, b"")
        writer.write(sent(PONG))
    writer.close()


async def test_a_client_that_gives_none_is_cut_off(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not before it was asked, however late that is."""
    monkeypatch.setattr(websocket, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(websocket, "PONG_S", 0.0)
    reader, writer = await echo.open()
    assert await frame_of(reader) == (PING, b"")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await frame_of(reader)
    writer.close()


async def test_nothing_is_read_while_held_and_all_of_it_after(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """And silence that we ask for is nobody's fault."""
    reader, writer = await echo.open()
    writer.write(sent(BINARY, b"first"))
    assert await frame_of(reader) == (BINARY, b"first")
    assert echo.socket is not None
    echo.socket.hold()
    with monkeypatch.context() as impatience:
        impatience.setattr(websocket, "HEARTBEAT_S", 0.001)
        impatience.setattr(websocket, "PONG_S", 0.0)
        echo.socket._beat()
        writer.write(sent(BINARY, b"held"))
        await asyncio.sleep(0.1)
    assert echo.taken == [[b"first"]]
    echo.socket.go_on()
    assert await frame_of(reader) == (BINARY, b"held")
    writer.close()


async def test_a_client_that_does_not_read_is_not_read_and_loses_nothing(echo: Echo) -> None:
    reader, writer = await echo.open()
    assert echo.socket is not None
    message, count = sent(BINARY, bytes(MAX_BYTES)), 400

    async def say_all() -> None:
        for _ in range(count):
            writer.write(message)
            await writer.drain()

    saying = asyncio.create_task(say_all())
    taken, before = 0, -1
    while echo.socket._unread is None or taken != before:  # the kernel's buffers are filled first
        before = taken
        await asyncio.sleep(0.1)
        taken = sum(map(len, echo.taken))
    assert taken < count
    assert not saying.done()
    for _ in range(count):
        assert len((await frame_of(reader))[1]) == MAX_BYTES
    await saying
    writer.close()
