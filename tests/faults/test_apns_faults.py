"""Faults of an APNs connection, by the letters of docs/delivery.md: each push ends, and the others do not notice.

Each of these breaks the stock connection pool of aioapns 4.0; the letters say how.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from collections import Counter
from email.utils import formatdate

import msgspec
import pytest
from h2.errors import ErrorCodes

from bench.nginx import Nginx
from gateway.clock import now_ms
from gateway.delivery.apns import ApnsChannel
from gateway.delivery.apns_http2 import Http2Apns
from gateway.delivery.channel import Outcome, Status
from gateway.delivery.http2 import ALONE_AT_ONCE, MAX_SILENCES
from gateway.delivery.sandbox.http2 import Request
from gateway.delivery.sandbox.identity import Identity
from rules.model import Message
from tests.faults.conftest import app_at
from tests.faults.misbehaving import Conversation, MisbehavingServer, SilentServer
from tests.gateway.delivery.jobs import a_device, a_job
from tests.patience import PATIENCE_S, until


def token_of(request: Request) -> str:
    return request.path.rpartition("/")[2]


async def send(channel: ApnsChannel, token: str = "fine") -> Outcome:
    return await channel.send(a_job(token), a_device("apns", token))


async def send_many(channel: ApnsChannel, tokens: list[str], at_once: int = 50) -> list[Outcome]:
    slots = asyncio.Semaphore(at_once)

    async def one(token: str) -> Outcome:
        async with slots:
            return await send(channel, token)

    return await asyncio.gather(*(one(token) for token in tokens))


async def test_a_thousands_of_dead_tokens_on_one_connection_are_all_answered(identity: Identity, nginx: Nginx) -> None:
    channel = ApnsChannel(Http2Apns(app_at(identity, nginx.port)))
    async with asyncio.timeout(100):
        outcomes = await send_many(channel, ["gone"] * 3000)
        assert Counter(outcome.code for outcome in outcomes) == {"Unregistered": 3000}
        assert (await send(channel)).status is Status.ACCEPTED
    await channel.close()


async def test_b_a_goaway_each_thousand_requests_loses_and_repeats_nothing(identity: Identity, nginx: Nginx) -> None:
    nginx.requests()
    channel = ApnsChannel(Http2Apns(app_at(identity, nginx.port)))
    async with asyncio.timeout(100):
        outcomes = await send_many(channel, [f"fine{n}" for n in range(4500)], at_once=100)
    await channel.close()
    assert Counter(outcome.status for outcome in outcomes) == {Status.ACCEPTED: 4500}
    wanted = {a_job(f"fine{n}").push_id for n in range(4500)}
    served: Counter[str] = Counter()

    def all_are_logged() -> bool:
        """nginx answers first and logs then."""
        served.update(request.apns_id for request in nginx.requests())
        return served.keys() >= wanted

    await until(all_are_logged)
    assert {served[push_id] for push_id in wanted} == {1}


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.ENHANCE_YOUR_CALM])
async def test_c_a_reset_stream_is_a_retry_at_once_and_touches_no_other(
    server: MisbehavingServer, apns: ApnsChannel, code: ErrorCodes
) -> None:
    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        if token_of(request) == "broken":
            conversation.reset(stream_id, code)
        else:
            conversation.reply_later(1.0, stream_id)

    server.behave = behave
    others = [asyncio.create_task(send(apns)) for _ in range(20)]
    broken = await send(apns, "broken")
    assert (broken.status, broken.code) == (Status.RETRY, "reset")
    assert {outcome.status for outcome in await asyncio.gather(*others)} == {Status.ACCEPTED}
    assert server.accepted == 1


async def test_d_a_reply_after_its_deadline_harms_no_other(server: MisbehavingServer, hasty: ApnsChannel) -> None:
    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        conversation.reply_later(4.5 if token_of(request) == "late" else 0.5, stream_id)

    server.behave = behave
    late = asyncio.create_task(send(hasty, "late"))
    await asyncio.sleep(2.5)
    others = [asyncio.create_task(send(hasty)) for _ in range(20)]
    outcome = await late
    assert (outcome.status, outcome.code) == (Status.RETRY, "timeout")
    assert {outcome.status for outcome in await asyncio.gather(*others)} == {Status.ACCEPTED}


async def test_e_a_cancelled_push_and_then_a_broken_connection_leave_nothing_hanging(
    server: MisbehavingServer, apns: ApnsChannel
) -> None:
    conversations: list[Conversation] = []
    server.behave = lambda conversation, stream_id, request: conversations.append(conversation)
    cancelled = asyncio.create_task(send(apns))
    others = [asyncio.create_task(send(apns)) for _ in range(20)]
    await until(lambda: len(conversations) == 21)
    cancelled.cancel()
    conversations[0].drop()
    outcomes = await asyncio.wait_for(asyncio.gather(*others), PATIENCE_S)
    assert {outcome.status for outcome in outcomes} == {Status.RETRY}
    assert {outcome.code for outcome in outcomes} <= {"reset", "protocol", "refused"}


async def test_f_after_its_connection_died_under_a_full_load_it_connects_again(
    server: MisbehavingServer, apns: ApnsChannel
) -> None:
    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        if server.accepted == 1 and conversation.served == 500:
            conversation.drop()
        elif server.accepted > 1:
            conversation.reply(stream_id)

    server.behave = behave
    await send_many(apns, ["fine"] * 1500, at_once=1500)
    assert {outcome.status for outcome in await send_many(apns, ["fine"] * 100)} == {Status.ACCEPTED}
    assert server.accepted >= 2


@pytest.mark.parametrize(("pushes", "body_chars"), [(1000, 200), (100, 2800)])
async def test_g_a_burst_over_the_flow_control_window_is_delivered_whole(
    server: MisbehavingServer, identity: Identity, pushes: int, body_chars: int
) -> None:
    channel = ApnsChannel(Http2Apns(app_at(identity, server.port), timeout_s=30.0))
    job = a_job(message=Message(title="Hello", body="x" * body_chars))
    outcomes = await asyncio.gather(*(channel.send(job, a_device("apns")) for _ in range(pushes)))
    await channel.close()
    assert Counter(outcome.status for outcome in outcomes) == {Status.ACCEPTED: pushes}


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("no-body", Status.RETRY, "status_503"),
        ("no-json", Status.RETRY, "status_503"),
        ("two-frames", Status.TERMINAL, "BadDeviceToken"),
        ("empty-data", Status.ACCEPTED, ""),
        ("ok-with-text", Status.ACCEPTED, ""),
        ("half-body", Status.RETRY, "reset"),
        ("torn-connection", Status.RETRY, "reset"),
        ("not-utf8", Status.TERMINAL, "status_400"),
    ],
)
async def test_h_an_odd_body_is_read_for_what_it_says(
    server: MisbehavingServer, apns: ApnsChannel, name: str, status: Status, code: str
) -> None:
    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        match token_of(request):
            case "no-body":
                conversation.reply(stream_id, 503)
            case "no-json":
                conversation.reply(stream_id, 503, b"<html>upstream is away</html>")
            case "two-frames":
                conversation.reply(stream_id, 400, b'{"reason":"BadDeviceToken"}', parts=2)
            case "empty-data":
                conversation.reply(stream_id, 200, empty_data=True)
            case "ok-with-text":
                conversation.reply(stream_id, 200, b"OK")
            case "half-body":
                conversation.begin_reply(stream_id, 400, 100, b'{"reason":')
                conversation.reset(stream_id, ErrorCodes.INTERNAL_ERROR)
            case "torn-connection":
                conversation.begin_reply(stream_id, 400, 100, b'{"reason":')
                conversation.drop()
            case "not-utf8":
                conversation.reply(stream_id, 400, b'{"reason":"\xff"}')

    server.behave = behave
    outcome = await send(apns, name)
    assert (outcome.status, outcome.code) == (status, code)


@pytest.mark.parametrize("apns_id", [None, "", "NOT-A-UUID", "6F0B1D5E-2F0C-5D55-9A6E-5F6765767073"])
async def test_i_the_reply_belongs_to_its_request_whatever_id_it_carries(
    server: MisbehavingServer, apns: ApnsChannel, apns_id: str | None
) -> None:
    headers = {} if apns_id is None else {"apns-id": apns_id}
    server.behave = lambda conversation, stream_id, request: conversation.reply(stream_id, headers=headers)
    assert (await send(apns)).status is Status.ACCEPTED


async def test_j_nothing_is_remembered_of_pushes_that_are_done(identity: Identity, nginx: Nginx) -> None:
    """What is kept for each push goes to nothing once free lists and caches are full: aioapns keeps 287 bytes."""
    channel = ApnsChannel(Http2Apns(app_at(identity, nginx.port)))
    held: list[int] = []
    tracemalloc.start()
    for _ in range(6):
        await send_many(channel, ["fine"] * 500)
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    await channel.close()
    assert min(later - sooner for sooner, later in itertools.pairwise(held)) < 50 * 500


async def test_k_suspects_of_breaking_connections_never_share_one_and_do_not_open_one_each(
    server: MisbehavingServer, apns: ApnsChannel
) -> None:
    """After an outage there may be hundreds of suspects; a storm of connections would be the next outage."""
    in_flight: Counter[Conversation] = Counter()
    most: Counter[Conversation] = Counter()

    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        in_flight[conversation] += 1
        most[conversation] = max(most[conversation], in_flight[conversation])
        asyncio.get_running_loop().call_later(0.02, finish, conversation, stream_id)

    def finish(conversation: Conversation, stream_id: int) -> None:
        in_flight[conversation] -= 1
        conversation.reply(stream_id)

    server.behave = behave
    suspects = [apns.send(a_job(f"u{n}"), a_device("apns", "suspect"), alone=True) for n in range(40)]
    outcomes = await asyncio.gather(*suspects)
    assert {outcome.status for outcome in outcomes} == {Status.ACCEPTED}
    assert set(most.values()) == {1}
    assert len(most) <= ALONE_AT_ONCE


async def test_a_connection_that_has_gone_deaf_is_replaced(server: MisbehavingServer, hasty: ApnsChannel) -> None:
    assert (await send(hasty)).status is Status.ACCEPTED
    for connection in server.connections:
        assert isinstance(connection, Conversation)
        connection.is_deaf = True
    for _ in range(MAX_SILENCES):
        assert (await send(hasty)).code == "timeout"
    assert (await send(hasty)).status is Status.ACCEPTED
    await until(lambda: len(server.connections) == 1)


async def test_a_server_that_never_finishes_tls_costs_its_deadline_and_no_more(identity: Identity) -> None:
    async with SilentServer() as silent:
        channel = ApnsChannel(Http2Apns(app_at(identity, silent.port), timeout_s=0.5))
        outcomes = await asyncio.wait_for(asyncio.gather(*(send(channel) for _ in range(20))), PATIENCE_S)
        assert {outcome.status for outcome in outcomes} == {Status.RETRY}
        await channel.close()


async def test_a_refused_connection_is_a_retry_at_once(identity: Identity) -> None:
    channel = ApnsChannel(Http2Apns(app_at(identity, 1)))
    outcome = await send(channel)
    assert (outcome.status, outcome.code) == (Status.RETRY, "refused")
    await channel.close()


async def test_a_wrong_clock_is_cured_by_the_date_of_the_refusal(server: MisbehavingServer, apns: ApnsChannel) -> None:
    """A provider token that Apple calls expired, because our clock is wrong, is minted again by Apple's clock: once."""
    tokens: list[str] = []

    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        tokens.append(request.headers["authorization"])
        if tokens[0] == tokens[-1]:
            headers = {"date": formatdate(now_ms() / 1000 + 86_400, usegmt=True)}
            conversation.reply(stream_id, 403, b'{"reason":"ExpiredProviderToken"}', headers=headers)
        else:
            conversation.reply(stream_id)

    server.behave = behave
    first = await asyncio.gather(*(send(apns) for _ in range(30)))
    assert {outcome.status for outcome in first} <= {Status.REAUTHENTICATE, Status.ACCEPTED}
    assert {outcome.status for outcome in await send_many(apns, ["fine"] * 30)} == {Status.ACCEPTED}
    assert len(set(tokens)) == 2


async def test_a_certificate_identifies_us_where_there_is_no_key(identity: Identity) -> None:
    async with MisbehavingServer(identity.server_file, client_authority=identity.ca_file) as server:
        app = msgspec.structs.replace(
            app_at(identity, server.port), key_file=None, certificate_file=identity.server_file
        )
        channel = ApnsChannel(Http2Apns(app))
        assert (await send(channel)).status is Status.ACCEPTED
        assert "authorization" not in server.requests[0].headers
        await channel.close()


async def test_no_outcome_carries_the_device_token(server: MisbehavingServer, hasty: ApnsChannel) -> None:
    server.behave = lambda conversation, stream_id, request: None
    outcome = await send(hasty, "secret-token")
    assert outcome.code == "timeout"
    assert "secret-token" not in str(outcome)


async def test_closing_leaves_no_connection_and_no_task(server: MisbehavingServer, identity: Identity) -> None:
    tasks = asyncio.all_tasks()
    channel = ApnsChannel(Http2Apns(app_at(identity, server.port)))
    await send_many(channel, ["fine"] * 100)
    assert server.connections
    await channel.close()
    await until(lambda: not server.connections)
    assert asyncio.all_tasks() == tasks
