"""Faults of FCM and of its token endpoint, as WireMock brings them about."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.nginx import Nginx
from gateway.delivery.channel import Outcome, Status, TokenState
from gateway.delivery.channels import TRANSPORTS, Transport
from gateway.delivery.fcm import FcmApp, FcmChannel
from gateway.delivery.fcm_http2 import Http2Fcm
from gateway.delivery.fcm_stock import StockFcm
from gateway.delivery.sandbox.identity import Identity, create
from tests.faults.wiremock import WireMock
from tests.gateway.delivery.jobs import a_device, a_job
from tests.patience import until

SEND = "/v1/projects/.*"
OK: dict[str, Any] = {"status": 200, "jsonBody": {"name": "projects/p/messages/1"}}


def granting(token: str, expires_in: int = 3600) -> dict[str, Any]:
    return {"status": 200, "jsonBody": {"access_token": token, "expires_in": expires_in, "token_type": "Bearer"}}


@pytest.fixture(scope="session")
def wiremock(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[WireMock]:
    with WireMock(tmp_path_factory.mktemp("wiremock"), identity.server_file) as running:
        yield running


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory, wiremock: WireMock) -> Path:
    folder = tmp_path_factory.mktemp("account")
    return create(folder, f"http://127.0.0.1:{wiremock.port}/token").fcm_credentials_file


@pytest.fixture
def provider(wiremock: WireMock) -> WireMock:
    wiremock.reset()
    wiremock.stub("/token", granting("first"))
    return wiremock


@pytest.fixture
async def fcm(provider: WireMock, account: Path, identity: Identity, transport: Transport) -> AsyncIterator[FcmChannel]:
    app = FcmApp(credentials_file=account, host=f"https://127.0.0.1:{provider.https_port}", ca_file=identity.ca_file)
    channel = opened(app, transport, timeout_s=10.0)
    yield channel
    await channel.close()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


def opened(app: FcmApp, transport: Transport, *, timeout_s: float = 10.0) -> FcmChannel:
    if transport == "http2":
        return FcmChannel(Http2Fcm(app, timeout_s=timeout_s))
    return FcmChannel(StockFcm(app, timeout_s=timeout_s))


async def send(channel: FcmChannel, token: str = "phone") -> Outcome:
    return await channel.send(a_job(token), a_device("fcm", token))


async def send_many(channel: FcmChannel, count: int) -> Counter[str]:
    outcomes = await asyncio.gather(*(send(channel, f"phone-{n}") for n in range(count)))
    return Counter(outcome.status for outcome in outcomes)


async def test_many_pushes_share_one_token_request(fcm: FcmChannel, provider: WireMock) -> None:
    provider.stub(SEND, OK)
    assert await send_many(fcm, 100) == {Status.ACCEPTED: 100}
    assert provider.count("/token") == 1


async def test_a_storm_of_401_is_answered_with_one_new_token(
    fcm: FcmChannel, provider: WireMock, transport: Transport
) -> None:
    """firebase-admin renews by itself, and once for each push that was refused; in the end all arrive."""
    storm = {"request": {"headers": {"Authorization": {"equalTo": "Bearer first"}}}, "priority": 1}
    provider.stub(SEND, OK, priority=5)
    provider.stub(SEND, {"status": 401, "jsonBody": {"error": {"status": "UNAUTHENTICATED"}}}, **storm)
    provider.stub("/token", granting("first"), scenarioName="t", requiredScenarioState="Started", newScenarioState="2")
    provider.stub("/token", granting("second"), scenarioName="t", requiredScenarioState="2")
    pushes = 50 if transport == "http2" else 10
    refused = await send_many(fcm, pushes)
    assert await send_many(fcm, pushes) == {Status.ACCEPTED: pushes}
    if transport == "http2":
        assert refused == {Status.REAUTHENTICATE: 50}
        assert provider.count("/token") == 2


async def test_a_token_is_renewed_before_its_end_also_when_no_push_comes(fcm: FcmChannel, provider: WireMock) -> None:
    """The next push finds a fresh token and waits for nothing."""
    provider.stub(SEND, OK, priority=5)
    fresh = {"request": {"headers": {"Authorization": {"equalTo": "Bearer fresh"}}}}
    provider.stub("/token", granting("short", 20), scenarioName="t", newScenarioState="2")
    provider.stub("/token", granting("fresh"), scenarioName="t", requiredScenarioState="2")
    assert (await send(fcm)).status is Status.ACCEPTED

    async def is_renewed() -> bool:
        return await asyncio.to_thread(provider.count, "/token") == 2

    await until(is_renewed)
    provider.stub(SEND, {"status": 503}, priority=1)
    provider.stub(SEND, OK, priority=1, **fresh)
    assert (await send(fcm)).status is Status.ACCEPTED


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "body": "away"},
        {"status": 400, "jsonBody": {"error": "invalid_grant"}},
        {"status": 200, "body": "<html>"},
        {"status": 200, "jsonBody": {}},
        {"fault": "EMPTY_RESPONSE"},
    ],
    ids=lambda answer: str(answer)[:40],
)
async def test_a_token_endpoint_that_fails_makes_pushes_wait_and_recovers(
    fcm: FcmChannel, provider: WireMock, answer: dict[str, Any]
) -> None:
    provider.stub(SEND, OK)
    provider.stub("/token", answer)
    outcome = await send(fcm)
    assert (outcome.status, outcome.code) == (Status.RETRY, "token_endpoint")
    assert provider.count(SEND) == 0
    provider.stub("/token", granting("first"))
    assert (await send(fcm)).status is Status.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "status", "code", "wait_s"),
    [
        ({"status": 503, "headers": {"Retry-After": "7"}}, Status.RETRY, "UNAVAILABLE", 7.0),
        ({"status": 429, "headers": {"Retry-After": "30"}}, Status.RETRY, "RESOURCE_EXHAUSTED", 30.0),
        ({"status": 429}, Status.RETRY, "RESOURCE_EXHAUSTED", 60.0),
        ({"status": 502, "body": "<html>"}, Status.RETRY, "UNKNOWN", None),
        ({"status": 504}, Status.RETRY, "UNKNOWN", None),
        ({"status": 400, "body": "no json"}, Status.TERMINAL, "INVALID_ARGUMENT", None),
        ({"status": 403}, Status.TERMINAL, "PERMISSION_DENIED", None),
        ({"status": 200, "body": "no json"}, Status.ACCEPTED, "", None),
        ({"status": 200}, Status.ACCEPTED, "", None),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_an_answer_means_what_its_status_says_whatever_its_body(
    fcm: FcmChannel, provider: WireMock, answer: dict[str, Any], status: Status, code: str, wait_s: float | None
) -> None:
    """A 200 is a push that FCM has: repeating it because its body is odd would send it twice."""
    provider.stub(SEND, answer)
    outcome = await send(fcm)
    assert (outcome.status, outcome.code, outcome.retry_after_s) == (status, code, wait_s)


@pytest.mark.parametrize(
    "fault", ["CONNECTION_RESET_BY_PEER", "EMPTY_RESPONSE", "MALFORMED_RESPONSE_CHUNK", "RANDOM_DATA_THEN_CLOSE"]
)
async def test_a_connection_that_breaks_is_a_retry_and_the_next_push_arrives(
    fcm: FcmChannel, provider: WireMock, fault: str
) -> None:
    provider.stub(SEND, {"fault": fault})
    outcome = await send(fcm)
    assert outcome.status in {Status.RETRY, Status.ACCEPTED}  # of a chunked 200 the status has arrived
    assert (outcome.status is Status.RETRY) or fault == "MALFORMED_RESPONSE_CHUNK"
    provider.reset()
    provider.stub(SEND, OK)
    assert (await send(fcm)).status is Status.ACCEPTED


async def test_a_stall_costs_its_own_push_a_deadline_and_the_others_nothing(
    fcm: FcmChannel, provider: WireMock
) -> None:
    provider.stub(SEND, OK, priority=5)
    stalled = {"request": {"bodyPatterns": [{"contains": "phone-7"}]}, "priority": 1}
    provider.stub(SEND, OK | {"fixedDelayMilliseconds": 60_000}, **stalled)
    assert await send_many(fcm, 30) == {Status.ACCEPTED: 29, Status.RETRY: 1}


async def test_b_a_goaway_each_thousand_requests_loses_nothing(
    provider: WireMock, account: Path, identity: Identity, nginx: Nginx, transport: Transport
) -> None:
    """firebase-admin raises for the push that meets it, which is then tried again."""
    app = FcmApp(credentials_file=account, host=f"https://127.0.0.1:{nginx.port}", ca_file=identity.ca_file)
    channel = opened(app, transport)
    total: Counter[str] = Counter()
    for _ in range(22):
        total += await send_many(channel, 100)
    await channel.close()
    assert total.keys() <= {Status.ACCEPTED, Status.RETRY}
    assert total[Status.RETRY] <= (0 if transport == "http2" else 10)


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("gone", Status.TERMINAL, "UNREGISTERED"),
        ("busy", Status.RETRY, "QUOTA_EXCEEDED"),
        ("down", Status.RETRY, "UNAVAILABLE"),
    ],
)
async def test_nginx_speaks_fcms_errors_and_they_are_understood(
    provider: WireMock, account: Path, identity: Identity, nginx: Nginx, transport: Transport, word: str,
    status: Status, code: str,
) -> None:  # fmt: skip
    app = FcmApp(credentials_file=account, host=f"https://127.0.0.1:{nginx.port}/{word}", ca_file=identity.ca_file)
    channel = opened(app, transport)
    outcome = await send(channel)
    await channel.close()
    assert (outcome.status, outcome.code) == (status, code)
    assert (outcome.token_state is TokenState.GONE) == (word == "gone")
