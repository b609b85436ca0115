"""Pushes handed to a system of one's own, signed as Standard Webhooks has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.delivery.channel import Status
from gateway.delivery.webhook import WebhookChannel, WebhookEndpoint, sign
from gateway.errors import ConfigError
from tests.gateway.delivery.jobs import MESSAGE, a_device, a_job

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes and more").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the secret before this one, as long").decode()


class Receiver:
    """A system of one's own: remembers what it got and answers with ``status``."""

    def __init__(self) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.received.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiving = Receiver()
    runner = web.AppRunner(web.Application())
    runner.app.router.add_post("/hook", receiving.take)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield receiving, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


def channel(url: str, *secrets: str) -> WebhookChannel:
    return WebhookChannel(WebhookEndpoint(url=url, secrets=secrets or (SECRET,), may_be_private=True))


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """Standard Webhooks gives this key, id, time, body and signature."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_it_carries_the_push_and_a_signature_for_each_secret(receiver: tuple[Receiver, str]) -> None:
    receiving, url = receiver
    job = a_job("ann")
    hook = channel(url, SECRET, OLD_SECRET)
    assert (await hook.send(job, a_device("webhook"))).status is Status.ACCEPTED
    await hook.close()
    ((headers, body),) = receiving.received
    assert headers["webhook-id"] == job.push_id
    signed = f"{job.push_id}.{headers['webhook-timestamp']}.".encode() + body
    for secret, signature in zip((SECRET, OLD_SECRET), headers["webhook-signature"].split(), strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        assert signature == "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    document = json.loads(body)
    assert document["type"] == "push.claimed"
    assert document["data"]["user_id"] == "ann"
    assert document["data"]["message"]["title"] == MESSAGE.title


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (200, Status.ACCEPTED), (202, Status.ACCEPTED), (204, Status.ACCEPTED), (410, Status.TERMINAL),
        (302, Status.RETRY), (400, Status.RETRY), (401, Status.RETRY), (404, Status.RETRY), (429, Status.RETRY),
        (500, Status.RETRY), (503, Status.RETRY),
    ],
)  # fmt: skip
async def test_any_answer_but_2xx_and_410_is_tried_again(
    receiver: tuple[Receiver, str], answer: int, status: Status
) -> None:
    receiving, url = receiver
    receiving.status = answer
    receiving.headers = {"Retry-After": "9", "Location": "/elsewhere"}
    hook = channel(url)
    outcome = await hook.send(a_job(), a_device("webhook"))
    await hook.close()
    assert outcome.status is status
    if status is Status.RETRY:
        assert outcome.retry_after_s == 9.0
    assert len(receiving.received) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "[::1]"])
async def test_private_addresses_are_not_called_unless_allowed(host: str) -> None:
    hook = WebhookChannel(WebhookEndpoint(url=f"https://{host}/hook", secrets=(SECRET,)))
    outcome = await hook.send(a_job(), a_device("webhook"))
    assert (outcome.status, outcome.code) == (Status.TERMINAL, "private_address")


async def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    hook = WebhookChannel(WebhookEndpoint(url="https://nothing.invalid/hook", secrets=(SECRET,)))
    outcome = await hook.send(a_job(), a_device("webhook"))
    assert (outcome.status, outcome.code) == (Status.RETRY, "dns")


@pytest.mark.parametrize(
    ("url", "secrets", "words"),
    [
        ("ftp://example.com/", (SECRET,), "http"),
        ("example.com/hook", (SECRET,), "http"),
        ("http://example.com/hook", (SECRET,), "https"),
        ("https://example.com/hook", (), "webhook_secret"),
        ("https://example.com/hook", ("whsec_c2hvcnQ=",), "24 bytes"),
        ("https://example.com/hook", ("whsec_not base64!",), "base64"),
    ],
)
async def test_an_endpoint_that_cannot_work_is_refused_at_start(url: str, secrets: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        WebhookChannel(WebhookEndpoint(url=url, secrets=secrets))
