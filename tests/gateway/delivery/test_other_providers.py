"""RuStore, Huawei and Web Push: their requests as their documents have them, and what their answers mean."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import http_ece
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from py_vapid import Vapid02

from gateway.delivery.channel import Device, Outcome, Status, TokenState
from gateway.delivery.http2 import Http2
from gateway.delivery.huawei import HuaweiApp, HuaweiChannel
from gateway.delivery.rustore import RuStoreApp, RuStoreChannel
from gateway.delivery.sandbox.http2 import Request
from gateway.delivery.sandbox.identity import Identity, create
from gateway.delivery.web_push import WebPushApp, WebPushChannel
from gateway.errors import ConfigError
from tests.faults.misbehaving import Conversation, MisbehavingServer
from tests.gateway.delivery.jobs import MESSAGE, a_device, a_job

JSON = dict[str, Any]


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create(tmp_path_factory.mktemp("identity"), "")


@pytest.fixture
async def server(identity: Identity) -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer(identity.server_file) as running:
        yield running


def answering(status: int, document: object = None) -> Any:
    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        conversation.reply(stream_id, status, body, headers={"retry-after": "4"} if status == 429 else None)

    return behave


@pytest.fixture
async def rustore(server: MisbehavingServer, identity: Identity) -> AsyncIterator[RuStoreChannel]:
    app = RuStoreApp(project="p1", service_token="service", host=f"https://127.0.0.1:{server.port}")
    channel = RuStoreChannel(app, Http2(ca_file=identity.ca_file))
    yield channel
    await channel.close()


async def test_rustore_gets_fcms_shape_with_the_service_token(
    rustore: RuStoreChannel, server: MisbehavingServer
) -> None:
    server.behave = answering(200, {})
    assert (await rustore.send(a_job(), a_device("rustore", "tok"))).status is Status.ACCEPTED
    (request,) = server.requests
    assert request.path == "/v1/projects/p1/messages:send"
    assert request.headers["authorization"] == "Bearer service"
    message = json.loads(request.body)["message"]
    assert message["token"] == "tok"
    assert message["notification"] == {
        "title": MESSAGE.title, "body": MESSAGE.body, "image": "https://cdn.example/croissant.jpg"
    }  # fmt: skip
    assert message["android"]["notification"]["click_action"] == MESSAGE.deep_link
    assert message["android"]["ttl"].endswith("s")


@pytest.mark.parametrize(
    ("status", "document", "expected", "state"),
    [
        (404, {"code": 404, "status": "NOT_FOUND", "message": "no such token"}, Status.TERMINAL, TokenState.GONE),
        (400, {"status": "INVALID_ARGUMENT", "message": "invalid push token"}, Status.TERMINAL, TokenState.WRONG),
        (400, {"status": "INVALID_ARGUMENT", "message": "ttl"}, Status.TERMINAL, TokenState.GOOD),
        (403, {"error": {"status": "PERMISSION_DENIED"}}, Status.TERMINAL, TokenState.GOOD),
        (429, {"status": "TOO_MANY_REQUESTS"}, Status.RETRY, TokenState.GOOD),
        (500, None, Status.RETRY, TokenState.GOOD),
    ],
)
async def test_rustores_errors_are_understood(
    rustore: RuStoreChannel,
    server: MisbehavingServer,
    status: int,
    document: object,
    expected: Status,
    state: TokenState,
) -> None:
    server.behave = answering(status, document)
    outcome = await rustore.send(a_job(), a_device("rustore"))
    assert (outcome.status, outcome.token_state) == (expected, state)
    assert outcome.retry_after_s == (4.0 if status == 429 else None)


class Huawei:
    """Huawei's two endpoints: grants numbered tokens, and answers pushes with ``code``."""

    def __init__(self) -> None:
        self.grants = 0
        self.code, self.status = "80000000", 200

    def __call__(self, conversation: Conversation, stream_id: int, request: Request) -> None:
        answer: JSON = {"code": self.code, "msg": "", "requestId": "1"}
        if request.path == "/oauth2/v3/token":
            self.grants += 1
            answer = {"access_token": f"token-{self.grants}", "expires_in": 3600}
            conversation.reply(stream_id, 200, json.dumps(answer).encode())
        else:
            conversation.reply(stream_id, self.status, json.dumps(answer).encode())


@pytest.fixture
async def huawei(server: MisbehavingServer, identity: Identity) -> AsyncIterator[tuple[HuaweiChannel, Huawei]]:
    origin = f"https://127.0.0.1:{server.port}"
    app = HuaweiApp(app_id="1001", client_secret="s3cret", host=origin, token_url=f"{origin}/oauth2/v3/token")
    channel, provider = HuaweiChannel(app, Http2(ca_file=identity.ca_file)), Huawei()
    server.behave = provider
    yield channel, provider
    await channel.close()


async def test_huawei_gets_its_shape_with_a_token_minted_once(
    huawei: tuple[HuaweiChannel, Huawei], server: MisbehavingServer
) -> None:
    channel, provider = huawei
    for _ in range(3):
        assert (await channel.send(a_job(), a_device("huawei", "tok"))).status is Status.ACCEPTED
    assert provider.grants == 1
    grant, push, *_ = server.requests
    assert parse_qs(grant.body.decode()) == {
        "grant_type": ["client_credentials"], "client_id": ["1001"], "client_secret": ["s3cret"]
    }  # fmt: skip
    assert push.path == "/v1/1001/messages:send"
    assert push.headers["authorization"] == "Bearer token-1"
    message = json.loads(push.body)["message"]
    assert message["token"] == ["tok"]
    assert message["android"]["notification"]["title"] == MESSAGE.title
    assert json.loads(message["data"])["offer_id"] == "croissant"


@pytest.mark.parametrize(
    ("code", "status", "expected", "state"),
    [
        ("80300007", 400, Status.TERMINAL, TokenState.GONE),
        ("80100000", 200, Status.TERMINAL, TokenState.GONE),
        ("80100003", 400, Status.TERMINAL, TokenState.GOOD),
        ("80300002", 403, Status.TERMINAL, TokenState.GOOD),
        ("81000001", 500, Status.RETRY, TokenState.GOOD),
        ("", 503, Status.RETRY, TokenState.GOOD),
    ],
)
async def test_huaweis_codes_are_understood(
    huawei: tuple[HuaweiChannel, Huawei], code: str, status: int, expected: Status, state: TokenState
) -> None:
    channel, provider = huawei
    provider.code, provider.status = code, status
    outcome = await channel.send(a_job(), a_device("huawei"))
    assert (outcome.status, outcome.token_state) == (expected, state)


async def test_a_token_that_huawei_refuses_is_minted_again(huawei: tuple[HuaweiChannel, Huawei]) -> None:
    channel, provider = huawei
    provider.code, provider.status = "80200003", 401
    assert (await channel.send(a_job(), a_device("huawei"))).status is Status.REAUTHENTICATE
    provider.code, provider.status = "80000000", 200
    assert (await channel.send(a_job(), a_device("huawei"))).status is Status.ACCEPTED
    assert provider.grants == 2


class Browser:
    """A browser's side of Web Push: the keys of one subscription."""

    def __init__(self, endpoint: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        keys = {"p256dh": _base64(point), "auth": _base64(self._auth)}
        self.token = _base64(json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": keys}).encode())

    def read(self, body: bytes) -> JSON:
        plain = http_ece.decrypt(body, private_key=self._key, auth_secret=self._auth, version="aes128gcm")
        document: JSON = json.loads(plain)
        return document


def _base64(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


@pytest.fixture
def vapid_key_file(tmp_path: Path) -> Path:
    vapid = Vapid02()
    vapid.generate_keys()
    vapid.save_key(str(tmp_path / "vapid.pem"))
    return tmp_path / "vapid.pem"


@pytest.fixture
async def web_push(identity: Identity, vapid_key_file: Path) -> AsyncIterator[WebPushChannel]:
    client = Http2(ca_file=identity.ca_file)
    app = WebPushApp(vapid_key_file=vapid_key_file, contact="mailto:ops@example.com", services=("127.0.0.1",))
    channel = WebPushChannel(app, client)
    yield channel
    await channel.close()


def a_browser_device(browser: Browser) -> Device:
    return Device(device_id="browser", platform="web_push", token=browser.token)


async def test_a_browser_can_read_the_push_and_nobody_between(
    web_push: WebPushChannel, server: MisbehavingServer
) -> None:
    server.behave = answering(201)
    browser, job = Browser(f"https://127.0.0.1:{server.port}/push/1"), a_job()
    assert (await web_push.send(job, a_browser_device(browser))).status is Status.ACCEPTED
    (request,) = server.requests
    assert MESSAGE.title.encode() not in request.body
    shown = browser.read(request.body)
    assert (shown["title"], shown["data"]["push_id"]) == (MESSAGE.title, job.push_id)
    assert request.headers["authorization"].startswith("vapid t=")
    assert (request.headers["content-encoding"], request.headers["urgency"]) == ("aes128gcm", "high")
    assert len(request.headers["topic"]) == 32
    assert 590 <= int(request.headers["ttl"]) <= 600


@pytest.mark.parametrize(
    ("status", "expected", "state"),
    [
        (404, Status.TERMINAL, TokenState.GONE),
        (410, Status.TERMINAL, TokenState.GONE),
        (413, Status.TERMINAL, TokenState.GOOD),
        (429, Status.RETRY, TokenState.GOOD),
        (502, Status.RETRY, TokenState.GOOD),
    ],
)
async def test_push_services_answers_are_understood(
    web_push: WebPushChannel, server: MisbehavingServer, status: int, expected: Status, state: TokenState
) -> None:
    server.behave = answering(status)
    browser = Browser(f"https://127.0.0.1:{server.port}/push/1")
    outcome: Outcome = await web_push.send(a_job(), a_browser_device(browser))
    assert (outcome.status, outcome.token_state) == (expected, state)


@pytest.mark.parametrize(
    "token",
    [
        "", "not-base64!", _base64(b"{}"), _base64(b'{"endpoint":"https://127.0.0.1/","keys":{}}'),
        Browser("http://127.0.0.1/push").token, Browser("https://internal.example/push").token,
        Browser("https://127.0.0.1.example/push").token,
    ],
)  # fmt: skip
async def test_a_subscription_that_is_none_or_points_elsewhere_is_not_called(
    web_push: WebPushChannel, token: str
) -> None:
    device = replace(a_device("web_push"), token=token)
    outcome = await web_push.send(a_job(), device)
    assert (outcome.status, outcome.code) == (Status.TERMINAL, "BadSubscription")


async def test_a_file_that_is_no_vapid_key_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("not a key")
    for name in ("key.pem", "missing.pem"):
        with pytest.raises(ConfigError, match="vapid_key_file"):
            WebPushChannel(WebPushApp(vapid_key_file=tmp_path / name, contact="mailto:ops@example.com"), Http2())
