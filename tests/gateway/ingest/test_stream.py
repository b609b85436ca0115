"""The WebSocket stream: frames counted on both sides, acknowledged together, resumed without counting twice."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NoReturn

import aiohttp
import pytest

from gateway import app
from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.ingest import stream
from gateway.ingest.intake import Intake
from gateway.ingest.lines import MAX_UNTOLD
from gateway.ingest.stream import MAX_FRAME_BYTES
from gateway.settings import Settings
from gateway.web.websocket import WebSocket
from geofences.model import Ping
from tests.gateway.conftest import Http
from tests.patience import PATIENCE_S


def ping(**change: Any) -> dict[str, Any]:
    return {"user_id": "u1", "ts": now_ms(), "lat": 60.17, "lon": 24.94, **change}


def connect(http: Http, session: str | None = None, key: str | None = None) -> Any:
    query = f"?session={session}" if session else ""
    headers = {"Authorization": f"Bearer {key or http.key}"}
    return http.session.ws_connect(http.gateway.url + "/v1/stream" + query, headers=headers)


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message = await socket.receive(timeout=PATIENCE_S)
    assert message.type is aiohttp.WSMsgType.BINARY, message
    answer: dict[str, Any] = json.loads(message.data)
    return answer


async def acknowledged(socket: aiohttp.ClientWebSocketResponse, seq: int) -> list[dict[str, Any]]:
    """Read acknowledgements up to ``seq``; the refusals they told."""
    refused: list[dict[str, Any]] = []
    while True:
        ack = await heard(socket)
        assert ack["type"] == "ack"
        refused += ack.get("rejected", [])
        if ack["seq"] >= seq:
            assert ack["seq"] == seq
            return refused


async def everything(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """All that is said until the connection ends."""
    messages: list[dict[str, Any]] = []
    while (message := await socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.BINARY:
        messages.append(json.loads(message.data))
    return messages


def unavailable(*_: object) -> NoReturn:
    raise Unavailable("Redis does not answer")


def handled(http: Http) -> float:
    return http.gateway.context.metrics.registry.get_sample_value("geopush_pings_total") or 0.0


async def test_frames_are_acknowledged_by_their_number(http: Http) -> None:
    async with connect(http) as socket:
        hello = await heard(socket)
        assert (hello["type"], hello["seq"]) == ("hello", 0)
        await socket.send_str(json.dumps(ping()))
        await socket.send_bytes(json.dumps([ping(), ping()]).encode())
        assert await acknowledged(socket, 2) == []
    assert handled(http) == 3


async def test_acknowledgements_of_a_fast_stream_are_few(http: Http) -> None:
    async with connect(http) as socket:
        await heard(socket)
        for _ in range(200):
            await socket.send_str(json.dumps(ping()))
        acks = 0
        seq = 0
        while seq < 200:
            seq = (await heard(socket))["seq"]
            acks += 1
    assert acks < 100


async def test_refusals_come_with_the_acknowledgement_and_stop_nothing(http: Http) -> None:
    async with connect(http) as socket:
        await heard(socket)
        await socket.send_str(json.dumps([ping(), ping(lat=91)]))
        await socket.send_str("no json")
        await socket.send_str(json.dumps(ping()))
        refused = await acknowledged(socket, 3)
    assert [(r["seq"], r["index"], r["code"]) for r in refused] == [(1, 1, "out_of_range"), (2, -1, "bad_request")]


async def test_refusals_are_counted_by_their_code(http: Http) -> None:
    """As over HTTP."""
    async with connect(http) as socket:
        await heard(socket)
        await socket.send_str(json.dumps([ping(lat=91), ping(), ping(lon=181), ping(ts=1)]))
        await socket.send_str("no json")
        await acknowledged(socket, 2)
    sample = http.gateway.context.metrics.registry.get_sample_value
    codes = ("out_of_range", "ts_not_milliseconds", "bad_request")
    assert [sample("geopush_pings_rejected_total", {"code": code}) for code in codes] == [2, 1, 1]


async def test_a_stream_ends_with_the_key_that_opened_it(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "RECHECK_S", 0.02)
    _, made = await http.call("POST", "/v1/keys", {"name": "phone", "scopes": ["ingest"]})
    async with connect(http, key=made["secret"]) as socket:
        await heard(socket)
        await socket.send_str(json.dumps(ping()))
        assert await acknowledged(socket, 1) == []
        assert (await http.call("DELETE", f"/v1/keys/{made['key_id']}"))[0] == 204
        assert await everything(socket) == []
        assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_session_goes_on_where_it_was_left(http: Http) -> None:
    async with connect(http) as socket:
        session = (await heard(socket))["session"]
        for _ in range(3):
            await socket.send_str(json.dumps(ping()))
        await acknowledged(socket, 3)
    async with connect(http, session) as socket:
        assert await heard(socket) == {"type": "hello", "session": session, "seq": 3}
        await socket.send_str(json.dumps(ping()))
        await acknowledged(socket, 4)
    assert handled(http) == 4


async def test_a_lost_acknowledgement_is_made_good_by_hello(http: Http) -> None:
    """Frames that were taken but never acknowledged are not sent again by a client that heeds hello."""
    async with connect(http) as socket:
        session = (await heard(socket))["session"]
        await socket.send_str(json.dumps(ping()))
        while handled(http) < 1:
            await asyncio.sleep(0.001)
        assert socket._response.connection is not None
        socket._response.connection.close()
    while True:
        async with connect(http, session) as socket:
            if (await heard(socket))["seq"] == 1:
                break


async def test_a_second_connection_of_a_session_closes_the_first(http: Http) -> None:
    async with connect(http) as first:
        session = (await heard(first))["session"]
        await first.send_str(json.dumps(ping()))
        await acknowledged(first, 1)

        async def close_when_asked() -> int | None:
            while (message := await first.receive()).type is aiohttp.WSMsgType.BINARY:
                pass
            assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
            return first.close_code

        closing = asyncio.create_task(close_when_asked())
        async with connect(http, session) as second:
            assert (await heard(second))["seq"] == 1
            assert await closing == 1001


async def test_stopping_acknowledges_what_was_taken_and_sends_clients_away(settings: Settings) -> None:
    async with aiohttp.ClientSession() as session:
        async with app.running(settings) as gateway:
            _, key = await gateway.context.store.api_keys.create(["ingest"], "test")
            url, headers = gateway.url + "/v1/stream", {"Authorization": f"Bearer {key}"}
            socket = await session.ws_connect(url, headers=headers)
            await heard(socket)
            await socket.send_str(json.dumps(ping()))
            while not (gateway.context.metrics.registry.get_sample_value("geopush_pings_total") or 0.0):
                await asyncio.sleep(0.001)
            reading = asyncio.create_task(everything(socket))
        assert [message["seq"] for message in await reading] == [1]
        assert socket.close_code == 1001


async def test_a_frame_over_the_limit_ends_the_connection(http: Http) -> None:
    async with connect(http) as socket:
        await heard(socket)
        await socket.send_bytes(b" " * (MAX_FRAME_BYTES + 1))
        await socket.receive(timeout=PATIENCE_S)
        assert socket.close_code == 1009


@pytest.mark.parametrize("session", ["short", "x" * 23, "../../../etc/passwd..."])
async def test_a_session_we_never_named_is_refused(http: Http, session: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await connect(http, session)
    assert refusal.value.status == 400


async def test_the_stream_asks_for_the_scope_ingest(http: Http) -> None:
    for key, status in [("gp_no", 401), (await http.new_key("ops"), 403)]:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await connect(http, key=key)
        assert refusal.value.status == status


async def test_a_client_is_sent_away_when_its_pings_cannot_be_handled_and_may_resume(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing unhandled is acknowledged: the client sends it again after hello."""
    monkeypatch.setattr("gateway.ingest.stream.RETRY_S", (0.001,))
    async with connect(http) as socket:
        session = (await heard(socket))["session"]
        await socket.send_str(json.dumps(ping()))
        await acknowledged(socket, 1)
        with monkeypatch.context() as outage:
            outage.setattr(Intake, "put", unavailable)
            await socket.send_str(json.dumps(ping()))
            while (await socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.BINARY:
                pass
            assert socket.close_code == 1013
    async with connect(http, session) as socket:
        assert (await heard(socket))["seq"] == 1


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_could_not_be_handled_is_tried_again_and_taken_once(
    http: Http, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """Whether it is refused at the door or fails under way; what comes meanwhile waits, and keeps its order."""
    monkeypatch.setattr("gateway.ingest.stream.RETRY_S", (0.001, 0.001))
    put, tries = Intake.put, 0

    def put_in_the_end(
        intake: Intake, pings: Sequence[Ping], received_at_ms: int, payer: str
    ) -> asyncio.Future[None] | None:
        nonlocal tries
        tries += 1
        if tries > 2:
            return put(intake, pings, received_at_ms, payer)
        if not is_late:
            unavailable()
        failing = asyncio.get_running_loop().create_future()
        failing.set_exception(Unavailable("Redis does not answer"))
        return failing

    monkeypatch.setattr(Intake, "put", put_in_the_end)
    async with connect(http) as socket:
        await heard(socket)
        await socket.send_str(json.dumps(ping()))
        await socket.send_str("no json")
        await socket.send_str(json.dumps([ping(), ping()]))
        refused = await acknowledged(socket, 3)
    assert [r["seq"] for r in refused] == [2]
    assert handled(http) == 3


@pytest.mark.parametrize(
    "frame",
    [json.dumps(ping()), json.dumps([ping(lat=91)]), "no json", "[]"],
    ids=["good", "refused", "no pings", "nothing"],
)
async def test_a_client_that_outruns_the_gateway_is_slowed_and_loses_nothing(
    http: Http, monkeypatch: pytest.MonkeyPatch, frame: str
) -> None:
    """Whatever it sends: what waits is bounded."""
    monkeypatch.setattr("gateway.ingest.stream.MAX_WAITING", 5)
    put, hold, gate = Intake.put, WebSocket.hold, asyncio.get_running_loop().create_future()
    is_under_way, is_held = asyncio.Event(), asyncio.Event()

    def put_behind_the_gate(
        intake: Intake, pings: Sequence[Ping], received_at_ms: int, payer: str
    ) -> asyncio.Future[None] | None:
        is_under_way.set()
        return put(intake, pings, received_at_ms, payer) if gate.done() else gate

    def hold_and_say(held: WebSocket) -> None:
        is_held.set()
        hold(held)

    monkeypatch.setattr(Intake, "put", put_behind_the_gate)
    monkeypatch.setattr(WebSocket, "hold", hold_and_say)
    async with connect(http) as socket:
        await heard(socket)
        await socket.send_str(json.dumps(ping()))
        await asyncio.wait_for(is_under_way.wait(), PATIENCE_S)  # what comes in one read with it would not wait
        for _ in range(49):
            await socket.send_str(frame)
        await asyncio.wait_for(is_held.wait(), PATIENCE_S)
        gate.set_result(None)
        await acknowledged(socket, 50)


async def test_refusals_are_told_before_they_pile_up(http: Http) -> None:
    """However slowly acknowledgements are meant to come."""
    async with connect(http) as socket:
        await heard(socket)
        await socket.send_str(json.dumps([ping(lat=91)] * (MAX_UNTOLD + 1)))
        assert len(await acknowledged(socket, 1)) == MAX_UNTOLD + 1


async def test_a_bound_key_streams_for_its_user_only(http: Http) -> None:
    async with connect(http, key=await http.new_key("ingest", user_id="u1")) as socket:
        await heard(socket)
        await socket.send_str(json.dumps([ping(), ping(user_id="u2")]))
        refused = await acknowledged(socket, 1)
    assert [(r["index"], r["code"]) for r in refused] == [(1, "wrong_user")]
