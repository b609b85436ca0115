"""The faults of docs/delivery.md over aioapns' own connections: what they cost there, and what they may never cost.

aioapns 4.0 stands few of them, which is why it is not the default. As the fallback it must still keep our word: every
push ends within its own deadline, as an outcome, in doubt where the provider may have it; and closing ends everything.
The same faults of FCM run over both transports in test_fcm_faults.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from h2.errors import ErrorCodes

from bench.nginx import Nginx
from gateway.delivery.apns import ApnsChannel
from gateway.delivery.apns_stock import StockApns
from gateway.delivery.channel import Outcome, Status
from gateway.delivery.sandbox.http2 import Request
from gateway.delivery.sandbox.identity import Identity
from tests.faults.conftest import app_at
from tests.faults.misbehaving import Behaviour, Conversation, MisbehavingServer, SilentServer
from tests.faults.test_apns_faults import send, send_many
from tests.patience import PATIENCE_S


@pytest.fixture
async def stock(identity: Identity, server: MisbehavingServer) -> AsyncIterator[ApnsChannel]:
    channel = ApnsChannel(StockApns(app_at(identity, server.port), timeout_s=1.0))
    yield channel
    await channel.close()


def answered_as_asked(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reply(stream_id, headers={"apns-id": request.headers["apns-id"]})


def reset(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reset(stream_id, ErrorCodes.INTERNAL_ERROR)


def dropped(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.drop()


def going_away(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.go_away()


def late(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reply_later(1.5, stream_id)


def without_body(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reply(stream_id, 503, headers={"apns-id": request.headers["apns-id"]})


def no_json(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reply(stream_id, 503, b"<html>away</html>", headers={"apns-id": request.headers["apns-id"]})


def in_two_frames(conversation: Conversation, stream_id: int, request: Request) -> None:
    headers = {"apns-id": request.headers["apns-id"]}
    conversation.reply(stream_id, 400, b'{"reason":"BadDeviceToken"}', headers=headers, parts=2)


def with_empty_data(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reply(stream_id, headers={"apns-id": request.headers["apns-id"]}, empty_data=True)


def with_another_id(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.reply(stream_id, headers={"apns-id": "6F0B1D5E-2F0C-5D55-9A6E-5F6765767073"})


def half_a_body(conversation: Conversation, stream_id: int, request: Request) -> None:
    conversation.begin_reply(stream_id, 400, 100, b'{"reason":')
    conversation.drop()


def never(conversation: Conversation, stream_id: int, request: Request) -> None:
    """No answer."""


FAULTS = (
    reset, dropped, going_away, late, without_body, no_json, in_two_frames, with_empty_data, with_another_id,
    half_a_body, never,
)  # fmt: skip


async def ended(channel: ApnsChannel, pushes: int = 20) -> list[Outcome]:
    """Outcomes of pushes sent at once, each of another user."""
    return await asyncio.wait_for(asyncio.gather(*(send(channel, f"t{n}") for n in range(pushes))), PATIENCE_S)


async def test_without_a_fault_every_push_is_accepted(server: MisbehavingServer, identity: Identity) -> None:
    server.behave = answered_as_asked
    channel = ApnsChannel(StockApns(app_at(identity, server.port), timeout_s=PATIENCE_S))
    assert {outcome.status for outcome in await ended(channel)} == {Status.ACCEPTED}
    await channel.close()


@pytest.mark.parametrize("behave", FAULTS)
async def test_under_a_fault_every_push_ends_within_its_deadline_and_in_doubt(
    server: MisbehavingServer, stock: ApnsChannel, behave: Behaviour
) -> None:
    server.behave = behave
    outcomes = await ended(stock)
    unanswered = [outcome for outcome in outcomes if outcome.status is not Status.ACCEPTED]
    assert {outcome.status for outcome in unanswered} == {Status.RETRY}
    assert {outcome.code for outcome in unanswered} <= {"timeout", "connection"}
    assert {outcome.is_in_doubt for outcome in unanswered} == {True}


async def test_a_server_that_never_finishes_tls_costs_the_deadline(identity: Identity) -> None:
    async with SilentServer() as silent:
        channel = ApnsChannel(StockApns(app_at(identity, silent.port), timeout_s=0.5))
        assert {outcome.code for outcome in await ended(channel)} == {"timeout"}
        await channel.close()


@pytest.fixture
async def unhurried(identity: Identity, server: MisbehavingServer) -> AsyncIterator[ApnsChannel]:
    """With a deadline of 4 s, for tests in which something else has to come in time."""
    channel = ApnsChannel(StockApns(app_at(identity, server.port), timeout_s=4.0))
    yield channel
    await channel.close()


async def test_a_push_past_its_deadline_is_never_sent_again_behind_our_back(
    server: MisbehavingServer, unhurried: ApnsChannel
) -> None:
    """aioapns sends again what a lost connection left unanswered: what we have given up may have expired by then."""
    server.behave = never
    assert {outcome.code for outcome in await ended(unhurried)} == {"timeout"}
    server.behave = answered_as_asked
    for connection in tuple(server.connections):
        connection.close()
    assert (await send(unhurried, "another")).status is Status.ACCEPTED
    await asyncio.sleep(1.5)  # aioapns' own wait before it tries again is a second
    assert Counter(request.path.rpartition("/")[2] for request in server.requests) == {
        "another": 1,
        **{f"t{n}": 1 for n in range(20)},
    }
    assert len(asyncio.all_tasks()) == 1


async def test_a_reply_past_its_deadline_leaves_the_connection_to_others(
    server: MisbehavingServer, unhurried: ApnsChannel
) -> None:
    """While a cancelled request in aioapns' book would take them all down."""

    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        headers = {"apns-id": request.headers["apns-id"]}
        delay_s = 4.8 if request.path.endswith("/late") else 2.8
        asyncio.get_running_loop().call_later(delay_s, lambda: conversation.reply(stream_id, headers=headers))

    server.behave = behave
    late = asyncio.create_task(send(unhurried, "late"))
    await asyncio.sleep(2.4)
    assert {outcome.status for outcome in await ended(unhurried)} == {Status.ACCEPTED}
    assert (await late).code == "timeout"
    assert server.accepted == 1


async def test_a_a_few_hundred_dead_tokens_on_one_connection_are_all_answered(identity: Identity, nginx: Nginx) -> None:
    """It stops at about 1,285 unread refusals on one connection."""
    channel = ApnsChannel(StockApns(app_at(identity, nginx.port)))
    outcomes = await asyncio.wait_for(send_many(channel, [f"gone{n}" for n in range(300)]), PATIENCE_S)
    await channel.close()
    assert Counter(outcome.code for outcome in outcomes) == {"Unregistered": 300}


async def test_b_a_goaway_each_thousand_requests_costs_retries_and_loses_nothing(
    identity: Identity, nginx: Nginx
) -> None:
    channel = ApnsChannel(StockApns(app_at(identity, nginx.port), timeout_s=3.0))
    tokens = [f"fine{n}" for n in range(2200)]
    outcomes = await asyncio.wait_for(send_many(channel, tokens), PATIENCE_S)
    again = [token for token, outcome in zip(tokens, outcomes, strict=True) if outcome.status is Status.RETRY]
    assert {outcome.status for outcome in outcomes} <= {Status.ACCEPTED, Status.RETRY}
    await channel.close()
    channel = ApnsChannel(StockApns(app_at(identity, nginx.port)))
    assert {outcome.status for outcome in await send_many(channel, again)} <= {Status.ACCEPTED}
    await channel.close()
