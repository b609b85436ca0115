"""Pings on bare sockets: what express connections answer, and that nobody can tell them from aiohttp's."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway import app
from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.ingest.intake import COME_BACK_S
from gateway.pipeline import Pipeline
from gateway.settings import Settings
from gateway.web import express
from gateway.web.express import Answer, Express, raw_response
from gateway.web.heads import Head
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import circle
from tests.patience import PATIENCE_S


def ping(**change: Any) -> dict[str, Any]:
    return {"user_id": "u1", "ts": now_ms(), "lat": 60.17, "lon": 24.94, **change}


def post(key: str, document: Any, *fields: str, path: str = "/v1/pings") -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: geo.example", f"Authorization: Bearer {key}", *fields]
    if not any(field.startswith("Content-Type") for field in fields):
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@dataclass
class Wire:
    """One connection, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """The next response: status, fields by lower-case name, JSON body."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(fields["content-length"]))
        return int(head[0].split()[1]), fields, json.loads(body)

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], Any]:
        self.writer.write(data)
        return await self.answer()


@pytest.fixture
async def wire(http: Http) -> AsyncIterator[Wire]:
    parts = urlsplit(http.gateway.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    yield Wire(reader, writer)
    writer.close()


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was left to aiohttp."""
    seen: list[bytes] = []
    pass_on = express.ExpressConnection._pass_on

    def watched(self: express.ExpressConnection, data: bytes) -> None:
        seen.append(data)
        pass_on(self, data)

    monkeypatch.setattr(express.ExpressConnection, "_pass_on", watched)
    return seen


async def test_pings_are_answered_without_aiohttp(http: Http, wire: Wire, passed_on: list[bytes]) -> None:
    for document, count in [(ping(), 1), ([ping(), ping()], 2), ([], 0)]:
        status, fields, answer = await wire.ask(post(http.key, document))
        assert (status, answer) == (202, {"accepted": count, "rejected": []})
        assert fields["content-type"] == "application/json"
        assert fields["date"].endswith(" gmt")
    assert passed_on == []
    sample = http.gateway.context.metrics.registry.get_sample_value
    assert sample("geopush_http_requests_total", {"route": "/v1/pings", "status": "202"}) == 3
    assert sample("geopush_pings_total") == 3


async def test_a_request_may_come_in_pieces(http: Http, wire: Wire, passed_on: list[bytes]) -> None:
    request = post(http.key, ping())
    for place in range(len(request)):
        wire.writer.write(request[place : place + 1])
        await wire.writer.drain()
        if place % 20 == 0:
            await asyncio.sleep(0.001)
    assert (await wire.answer())[0] == 202
    assert passed_on == []


async def test_requests_sent_ahead_are_answered_in_their_order(http: Http, wire: Wire, passed_on: list[bytes]) -> None:
    """Also those that wait for the ping path, and the last one, which is aiohttp's."""
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    batches = [[ping(user_id=f"u{n}", lat=60.17 if n % 2 else 10.0)] * n for n in range(1, 30)]
    wire.writer.write(
        b"".join(post(http.key, batch) for batch in batches) + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    for batch in batches:
        assert (await wire.answer())[2]["accepted"] == len(batch)
    assert (await wire.answer())[0] == 200
    assert passed_on[-1].startswith(b"GET /healthz")


async def test_pings_that_act_are_answered_once_they_have(http: Http, wire: Wire, passed_on: list[bytes]) -> None:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    assert (await wire.ask(post(http.key, ping(accuracy=5))))[0] == 202
    assert "u1" in await http.gateway.context.store.presence.load(["u1"])
    assert http.gateway.context.store.present.is_maybe_present("u1")
    assert not any(data.startswith(b"POST /v1/pings") for data in passed_on)


SAME = {
    "good": lambda key: post(key, ping()),
    "refused": lambda key: post(key, [ping(), ping(lat=91), ping(ts=5), {"user_id": "u"}, 7]),
    "no json": lambda key: post(key, b"{"),
    "no body": lambda key: post(key, b""),
    "not utf-8": lambda key: post(key, b'{"user_id":"\xff"}'),
    "text": lambda key: post(key, ping(), "Content-Type: text/plain"),
    "lines": lambda key: post(key, b"\n".join([json.dumps(ping()).encode()] * 3), "Content-Type: application/x-ndjson"),
    "broken line": lambda key: post(key, b'{"user_id"\n', "Content-Type: application/x-ndjson"),
    "too many": lambda key: post(key, b"[" + b"{}," * 10_000 + b"{}]"),
    "no key": lambda _: post("", ping()),
    "unknown key": lambda _: post("gp_no", ping()),
    "offers": lambda key: post(key, ping(), path="/v1/pings?offers=true"),
    "bad offers": lambda key: post(key, ping(), path="/v1/pings?offers=1"),
    "elsewhere": lambda key: post(key, ping(), path="/v1/pingsy"),
    "below": lambda key: post(key, ping(), path="/v1/pings/1"),
}


@pytest.mark.parametrize("name", SAME)
async def test_both_ways_say_the_same(http: Http, name: str) -> None:
    """``TE`` makes a head not plain and changes nothing else."""
    parts = urlsplit(http.gateway.url)
    answers = []
    for data in (SAME[name](http.key), SAME[name](http.key).replace(b"Host:", b"TE: trailers\r\nHost:", 1)):
        wire = Wire(*await asyncio.open_connection(parts.hostname, parts.port))
        status, fields, body = await wire.ask(data)
        body.pop("request_id", None)
        kept = {field: fields.get(field) for field in ("content-type", "www-authenticate", "retry-after")}
        answers.append((status, kept, body))
        wire.writer.close()
    assert answers[0] == answers[1]


async def test_a_key_without_the_permission_and_one_of_another_user_are_told_so(http: Http, wire: Wire) -> None:
    bound = await http.new_key("ingest", user_id="u2")
    status, _, answer = await wire.ask(post(bound, ping()))
    assert (status, answer["rejected"][0]["code"]) == (202, "wrong_user")
    status, _, answer = await wire.ask(post(await http.new_key("ops"), ping()))
    assert (status, answer["code"]) == (403, "forbidden")


async def test_the_failure_of_the_ping_path_is_told_with_the_request_id(
    http: Http, wire: Wire, passed_on: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    for error, status, code in [
        (Unavailable("no Redis", retry_after_s=COME_BACK_S), 503, "unavailable"),
        (RuntimeError("a fault of ours"), 500, "internal_error"),
    ]:

        async def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Pipeline, "handle", fail)
        found, fields, problem = await wire.ask(post(http.key, ping(), "X-Request-Id: r-7"))
        assert (found, problem["code"], problem["request_id"]) == (status, code, "r-7")
        assert fields["x-request-id"] == "r-7"
        assert fields.get("retry-after") == (str(COME_BACK_S) if status == 503 else None)
    assert not any(data.startswith(b"POST /v1/pings") for data in passed_on)


async def test_stopping_closes_idle_connections_and_answers_what_is_under_way(settings: Settings) -> None:
    async with app.running(settings) as gateway:
        parts = urlsplit(gateway.url)
        idle = Wire(*await asyncio.open_connection(parts.hostname, parts.port))
        _, key = await gateway.context.store.api_keys.create(["ingest"], "test")
        assert (await idle.ask(post(key, ping())))[0] == 202
        going = Wire(*await asyncio.open_connection(parts.hostname, parts.port))
        gateway.context.store.present._is_current = False
        going.writer.write(post(key, ping()))
        await asyncio.sleep(0.0005)
    assert await idle.reader.read() == b""
    said = await going.reader.read()
    assert said == b"" or said.startswith(b"HTTP/1.1 202")


class Sink(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_reading, self.is_closed = True, False
        self.protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class Other(asyncio.Protocol):
    """Stands where aiohttp stands, and keeps what it gets."""

    def __init__(self) -> None:
        self.got = b""

    def data_received(self, data: bytes) -> None:
        self.got += data


REQUEST = post("k", b"1")


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., tuple[express.ExpressConnection, Sink]]]:
    """Makes connections whose requests are answered with their bodies, or by what is given."""
    made: list[Express] = []

    def connected(handler: Any = None) -> tuple[express.ExpressConnection, Sink]:
        def echo(_: Head, body: bytes) -> Answer:
            return body

        made.append(Express("/v1/pings", handler or echo, Other))
        connection, sink = made[-1](), Sink()
        connection.connection_made(sink)
        return connection, sink

    yield connected
    for it in made:
        await it.end(0.1)


async def test_what_is_sent_far_ahead_is_not_kept_in_memory(connect: Any) -> None:
    """While an answer is under way, or is not read, no more than the limit is read."""
    waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    connection, sink = connect(lambda *_: waiting)
    connection.data_received(REQUEST)
    while sink.is_reading:
        connection.data_received(REQUEST)
    assert len(connection._buffer) < express.MAX_BUFFERED_BYTES + 2 * len(REQUEST)
    waiting.set_result(b"!")
    while not sink.is_reading:
        await asyncio.sleep(0)
    connection, sink = connect()
    connection.pause_writing()
    for _ in range(3):
        connection.data_received(REQUEST)
    assert sink.written == []
    connection.resume_writing()
    assert sink.written == [b"1"] * 3


@pytest.mark.parametrize("answer", [b"!", None])
async def test_who_left_before_the_answer_is_written_nothing(connect: Any, answer: bytes | None) -> None:
    coming: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    connection, sink = connect(lambda *_: coming)
    connection.data_received(REQUEST)
    sink.close()
    connection.connection_lost(None)
    task = connection.answering
    coming.set_result(answer)
    await task
    assert (sink.written, sink.protocol) == ([], None)


@pytest.mark.parametrize("piece", [1, 7, 4096, 70_000])
async def test_a_long_body_may_come_in_pieces_with_more_behind_it(connect: Any, piece: int) -> None:
    body = b"abc" * 20_000
    connection, sink = connect()
    data = post("k", body) + REQUEST + post("k", body[::-1]) + REQUEST
    for place in range(0, len(data), piece):
        connection.data_received(data[place : place + piece])
    assert sink.written == [body, b"1", body[::-1], b"1"]


async def test_a_long_body_that_comes_slowly_is_left_to_aiohttp_to_the_byte(connect: Any) -> None:
    connection, sink = connect()
    data = post("k", b"x" * 60_000)[:50_000]
    for place in range(0, len(data), 10_000):
        connection.data_received(data[place : place + 10_000])
    for _ in range(express.SLOW_SWEEPS + 1):
        connection.sweep()
    assert sink.protocol is not None
    assert sink.protocol.got == data


async def test_a_body_over_the_setting_is_refused(settings: Settings) -> None:
    async with app.running(dataclasses.replace(settings, max_body_bytes=1000)) as gateway:
        parts = urlsplit(gateway.url)
        wire = Wire(*await asyncio.open_connection(parts.hostname, parts.port))
        _, key = await gateway.context.store.api_keys.create(["ingest"], "test")
        assert (await wire.ask(post(key, [ping()] * 2)))[0] == 202
        status, _, problem = await wire.ask(post(key, [ping()] * 20))
        assert (status, problem["code"]) == (413, "too_large")
        wire.writer.close()


async def test_idle_connections_are_closed_and_slow_requests_left_to_aiohttp(connect: Any) -> None:
    idle, idle_sink = connect()
    slow, slow_sink = connect()
    slow.data_received(REQUEST[:50])
    for _ in range(express.SLOW_SWEEPS + 1):
        slow.data_received(b"")
        slow.sweep()
        idle.sweep()
    assert slow_sink.protocol is not None
    assert slow_sink.protocol.got == REQUEST[:50]
    assert not idle_sink.is_closed
    idle.data_received(REQUEST)
    for _ in range(express.IDLE_SWEEPS + 1):
        assert not idle_sink.is_closed
        idle.sweep()
    assert idle_sink.is_closed


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"\x16\x03\x01",
        b"\r\n" + REQUEST,
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        REQUEST.replace(b"\r\n", b"\n"),
        REQUEST.replace(b"Content-Length: 1", b"Content-Length: %d" % (express.MAX_BODY_BYTES + 1)),
        REQUEST.replace(b"Host", b"Host: " + b"x" * express.MAX_HEAD_BYTES + b"\r\nX"),
    ],
)
async def test_all_else_is_left_to_aiohttp_to_the_byte(connect: Any, data: bytes) -> None:
    connection, sink = connect()
    connection.data_received(REQUEST)
    for place in range(0, len(data), 7):
        piece = data[place : place + 7]
        (sink.protocol or connection).data_received(piece)
    assert sink.written == [b"1"]
    if sink.protocol is None:
        connection.data_received(b"x" * express.MAX_HEAD_BYTES)
        data += b"x" * express.MAX_HEAD_BYTES
    assert sink.protocol is not None
    assert sink.protocol.got == data


def test_a_response_names_its_date_and_length() -> None:
    assert raw_response(202, 1_700_000_000_999, b"{}") == (
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Length: 2\r\n\r\n{}"
    )
