"""One conformance suite for both providers and every transport, against the sandbox through the real libraries."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from gateway.delivery.channel import Channel, Status, TokenState
from tests.gateway.delivery.arrived import Arrived
from tests.gateway.delivery.jobs import MESSAGE, a_device, a_job
from tests.patience import PATIENCE_S

BOTH = pytest.mark.parametrize("name", ["apns", "fcm"])

Channels = dict[str, Channel]


@BOTH
async def test_a_push_arrives_with_its_words_and_ids(name: str, channels: Channels, sandbox: Arrived) -> None:
    job = a_job()
    outcome = await channels[name].send(job, a_device(name))
    assert outcome.status is Status.ACCEPTED
    (push,) = await sandbox.pushes()
    assert (push["provider"], push["push_id"], push["title"]) == (name, job.push_id, MESSAGE.title)


async def test_apns_gets_topic_priority_expiration_and_collapse_id(channels: Channels, sandbox: Arrived) -> None:
    job = a_job()
    await channels["apns"].send(job, a_device("apns"))
    headers = (await sandbox.pushes())[0]["headers"]
    assert headers["apns-id"] == headers["apns-collapse-id"] == job.push_id
    assert headers["apns-topic"] == sandbox.addresses.apns_topic
    assert (headers["apns-priority"], headers["apns-push-type"]) == ("10", "alert")
    assert abs(int(headers["apns-expiration"]) - job.expires_at_ms / 1000) < 2


@pytest.mark.parametrize(
    ("token", "status", "apns_code", "fcm_code", "token_state"),
    [
        ("dead-01", Status.TERMINAL, "Unregistered", "UNREGISTERED", TokenState.GONE),
        ("alien01", Status.TERMINAL, "DeviceTokenNotForTopic", "SENDER_ID_MISMATCH", TokenState.WRONG),
        ("malformed01", Status.TERMINAL, "BadDeviceToken", "INVALID_ARGUMENT", TokenState.WRONG),
        ("busy01", Status.RETRY, "TooManyRequests", "QUOTA_EXCEEDED", TokenState.GOOD),
        ("down01", Status.RETRY, "ServiceUnavailable", "UNAVAILABLE", TokenState.GOOD),
        ("broken01", Status.RETRY, "InternalServerError", "INTERNAL", TokenState.GOOD),
    ],
)
async def test_a_refusal_becomes_an_outcome(
    channels: Channels, token: str, status: Status, apns_code: str, fcm_code: str, token_state: TokenState
) -> None:
    """A provider's refusal is a value with its own code, what to do next, and what it says of the token."""
    for name, code in (("apns", apns_code), ("fcm", fcm_code)):
        outcome = await channels[name].send(a_job(), a_device(name, token))
        assert (outcome.status, outcome.code, outcome.token_state) == (status, code, token_state)


async def test_apns_says_since_when_a_token_is_gone(channels: Channels) -> None:
    job = a_job()
    outcome = await channels["apns"].send(job, a_device("apns", "dead-01"))
    assert outcome.token_invalid_since_ms >= job.claimed_at_ms


async def test_fcm_says_how_long_to_wait(channels: Channels) -> None:
    outcome = await channels["fcm"].send(a_job(), a_device("fcm", "busy01"))
    assert outcome.retry_after_s == 1.0


@BOTH
@pytest.mark.parametrize("token", ["reset01", "stuck01"])
async def test_a_reset_stream_or_a_silent_provider_is_a_retry_in_time(
    hasty_channels: Channels, name: str, token: str
) -> None:
    outcome = await asyncio.wait_for(hasty_channels[name].send(a_job(), a_device(name, token)), PATIENCE_S)
    assert outcome.status is Status.RETRY


@BOTH
async def test_a_refused_credential_is_renewed_and_the_next_attempt_passes(channels: Channels, name: str) -> None:
    device = a_device(name, f"unauthorized-{uuid4()}")
    outcome = await channels[name].send(a_job(), device)
    if outcome.status is not Status.ACCEPTED:  # firebase-admin's own client renews and repeats inside the call
        assert outcome.status is Status.REAUTHENTICATE
        outcome = await channels[name].send(a_job(), device)
    assert outcome.status is Status.ACCEPTED


@BOTH
async def test_many_pushes_at_once_all_arrive(channels: Channels, name: str, sandbox: Arrived) -> None:
    jobs = [a_job(f"user-{n}") for n in range(100)]
    outcomes = await asyncio.gather(
        *(channels[name].send(job, a_device(name, f"{n:08x}")) for n, job in enumerate(jobs))
    )
    assert {outcome.status for outcome in outcomes} == {Status.ACCEPTED}
    arrived = {push["push_id"] for push in await sandbox.pushes()}
    assert arrived == {job.push_id for job in jobs}


@BOTH
async def test_a_burst_into_a_provider_that_pauses_arrives_when_it_goes_on(
    channels: Channels, name: str, sandbox: Arrived
) -> None:
    """What waits fills the connection's window of 64 kB several times; the window's opening has to reach all."""
    await channels[name].send(a_job("first"), a_device(name))
    with sandbox.paused():
        sends = [
            asyncio.create_task(channels[name].send(a_job(f"user-{n}"), a_device(name, f"{n:08x}"))) for n in range(150)
        ]
        await asyncio.sleep(0.2)
    outcomes = await asyncio.gather(*sends)
    assert {outcome.status for outcome in outcomes} == {Status.ACCEPTED}
