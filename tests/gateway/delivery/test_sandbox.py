"""The sandbox says what APNs and FCM would say, and ends with its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.clock import now_ms
from gateway.delivery.sandbox.apns_answers import ApnsAnswers
from gateway.delivery.sandbox.arrivals import KEPT, Arrivals
from gateway.delivery.sandbox.fcm_answers import AUDIENCE, SEND_PATH, FcmAnswers
from gateway.delivery.sandbox.http2 import Answer, Request
from gateway.delivery.sandbox.identity import CLIENT_EMAIL, KEY_ID, TEAM_ID, TOPIC, Identity, create
from gateway.delivery.sandbox.tokens import Fates
from tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create(tmp_path_factory.mktemp("identity"), "")


@pytest.fixture
def apns(identity: Identity) -> ApnsAnswers:
    return ApnsAnswers(identity.apns_public_key, Arrivals(), Fates())


def provider_token(identity: Identity, *, age_s: int = 0, key_id: str = KEY_ID, team_id: str = TEAM_ID) -> str:
    claims = {"iss": team_id, "iat": now_ms() // 1000 - age_s}
    return jwt.encode(claims, identity.apns_key_file.read_text(), algorithm="ES256", headers={"kid": key_id})


def push(identity: Identity, token: str = "phone", body: bytes = b'{"aps":{}}', **headers: str | None) -> Request:
    given: dict[str, str | None] = {"apns-topic": TOPIC, "authorization": f"bearer {provider_token(identity)}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in given.items() if value is not None}
    return Request("POST", f"/3/device/{token}", kept, body)


def reason(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["reason"] if answer.body else ""


def test_a_good_push_is_answered_200_with_its_id(identity: Identity, apns: ApnsAnswers) -> None:
    apns_id = "6f0b1d5e-2f0c-5d55-9a6e-5f6765767073"
    answer = apns(push(identity, apns_id=apns_id))
    assert (answer.status, answer.headers["apns-id"], answer.body) == (200, apns_id, b"")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"authorization": None}, (403, "MissingProviderToken")),
        ({"authorization": "bearer nonsense"}, (403, "InvalidProviderToken")),
        ({"apns_topic": None}, (400, "MissingTopic")),
        ({"apns_topic": "com.other"}, (400, "TopicDisallowed")),
        ({"apns_id": "1"}, (400, "BadMessageId")),
        ({"apns_priority": "11"}, (400, "BadPriority")),
        ({"apns_expiration": "soon"}, (400, "BadExpirationDate")),
        ({"apns_collapse_id": "x" * 65}, (400, "BadCollapseId")),
        ({"apns_push_type": "shout"}, (400, "InvalidPushType")),
        ({"body": b""}, (400, "PayloadEmpty")),
        ({"body": b"x" * 4097}, (413, "PayloadTooLarge")),
        ({"body": b"no json"}, (400, "BadPayload")),
        ({"token": ""}, (400, "MissingDeviceToken")),
        ({"token": "dead"}, (410, "Unregistered")),
    ],
)
def test_apns_refuses_in_apples_words(
    identity: Identity, apns: ApnsAnswers, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert reason(apns(push(identity, **changes))) == expected


def test_a_provider_token_must_be_ours_and_at_most_an_hour_old(identity: Identity, apns: ApnsAnswers) -> None:
    def with_token(**changes: Any) -> tuple[int, str]:
        return reason(apns(push(identity, authorization=f"bearer {provider_token(identity, **changes)}")))

    assert with_token(age_s=3500) == (200, "")
    assert with_token(age_s=3700) == (403, "ExpiredProviderToken")
    assert with_token(age_s=-600) == (403, "ExpiredProviderToken")
    assert with_token(key_id="OTHER") == (403, "InvalidProviderToken")
    assert with_token(team_id="OTHER") == (403, "InvalidProviderToken")


def test_fcm_wants_a_token_that_it_granted_and_a_message_with_a_recipient(identity: Identity) -> None:
    fcm = FcmAnswers(identity.google_public_key, Arrivals(), Fates())
    account = json.loads(identity.fcm_credentials_file.read_text())
    now_s = now_ms() // 1000
    claims = {
        "iss": CLIENT_EMAIL, "aud": AUDIENCE, "iat": now_s, "exp": now_s + 3600,
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
    }  # fmt: skip

    def granted(**changes: Any) -> dict[str, Any] | None:
        return fcm.issue(jwt.encode(claims | changes, account["private_key"], algorithm="RS256"))

    assert granted(scope="email") is None
    assert granted(iss="somebody@else") is None
    assert granted(exp=now_s - 10) is None
    assert fcm.issue("nonsense") is None
    grant = granted()
    assert grant is not None

    def status(body: bytes, token: str = grant["access_token"], path: str = SEND_PATH) -> int:
        return fcm(Request("POST", path, {"authorization": f"Bearer {token}"}, body)).status

    assert status(b'{"message":{"token":"phone"}}') == 200
    assert status(b'{"message":{"fid":"installation"}}') == 200
    assert status(b'{"message":{"token":"phone"}}', token="other") == 401
    assert status(b'{"message":{"token":"phone"}}', path="/v1/projects/other/messages:send") == 404
    for body in (b"", b"[]", b'{"message":[]}', b'{"message":{}}'):
        assert status(body) == 400
    large = json.dumps({"message": {"token": "phone", "data": {"k": "x" * 5000}}}).encode()
    assert status(large) == 400


def test_only_the_latest_arrivals_are_kept_and_pages_go_on_where_they_ended() -> None:
    arrivals = Arrivals()
    facts: dict[str, Any] = {"token": "t", "push_id": "p", "title": "", "body": "", "headers": {}, "payload": {}}
    for _ in range(KEPT + 10):
        arrivals.add("apns", 200, "", 0, **facts)
    first = arrivals.page(0, 100)
    assert first["pushes"][0].seq == 11
    assert arrivals.page(first["last"], 1)["pushes"][0].seq == first["last"] + 1
    assert first["accepted"] == {"apns": KEPT + 10}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_the_sandbox_ends_when_its_parent_does_however_that_dies(end: signal.Signals) -> None:
    script = (
        "import asyncio\n"
        "from gateway.delivery.sandbox.process import SandboxProcess\n"
        "async def main():\n"
        "    sandbox = SandboxProcess()\n"
        "    await sandbox.start()\n"
        "    print(sandbox._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.send_signal(end)
    await parent.wait()
    async with asyncio.timeout(PATIENCE_S):
        while _is_running(child):
            await asyncio.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
