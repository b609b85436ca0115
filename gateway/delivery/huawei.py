"""Huawei Push Kit: pushes to phones without Google's services.

Source: HMS Core, "Sending downlink messages" and its return codes: ``POST /v1/{app}/messages:send``; the word is in
``code`` of the body, whatever the HTTP status is. The access token comes from the account's OAuth 2.0 endpoint by
client credentials and lives an hour.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status, TokenState, by_status
from gateway.delivery.http2 import Http2, NoReply, Reply
from gateway.delivery.job import PushJob
from gateway.delivery.payloads import PayloadTooLarge, collapse_id, data_facts, fit, ttl_s
from gateway.delivery.waiting import retry_after_s
from rules.model import Message

NAME: Final = "huawei"

SUCCESS: Final = "80000000"
_TOKEN_REFUSED: Final = frozenset({"80200001", "80200003"})
"""The access token is missing, of another app, or expired."""
_GONE: Final = frozenset({"80300007", "80100000"})
"""The push token is not, or no longer, valid. (80100000 is "some are not"; we send to one.)"""
_LATER: Final = frozenset({"81000001", "80600003"})
"""An error inside Huawei, or between its push and its account service."""

RENEW_BEFORE_S: Final = 300.0

_encode: Final = msgspec.json.Encoder().encode


class HuaweiApp(msgspec.Struct, frozen=True, kw_only=True):
    """One app of AppGallery Connect."""

    app_id: str
    client_secret: str
    host: str = "https://push-api.cloud.huawei.com"
    token_url: str = "https://oauth-login.cloud.huawei.com/oauth2/v3/token"


class _Answer(msgspec.Struct):
    code: str = ""
    msg: str = ""


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: int


_decode: Final = msgspec.json.Decoder(_Answer).decode
_grant: Final = msgspec.json.Decoder(_Grant).decode


class HuaweiChannel:
    """Sends jobs to devices of platform ``huawei``."""

    name = NAME

    def __init__(self, app: HuaweiApp, client: Http2) -> None:
        """The channel owns the client, and closes it."""
        self._app = app
        self._client = client
        self._url = f"{app.host}/v1/{app.app_id}/messages:send"
        self._token = ""
        self._good_until_ms = 0
        self._minting = asyncio.Lock()

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """One attempt."""
        try:
            body = _encode(document(job, device.token, now_ms()))
        except PayloadTooLarge as error:
            return Outcome(status=Status.TERMINAL, provider=NAME, code="PayloadTooLarge", detail=str(error))
        token = await self._current_token()
        if isinstance(token, Outcome):
            return token
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        reply = await self._client.post(self._url, headers, body, alone=alone)
        if isinstance(reply, NoReply):
            return reply.outcome(NAME)
        outcome = _outcome(reply)
        if outcome.status is Status.REAUTHENTICATE and token == self._token:
            self._good_until_ms = 0
        return outcome

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _current_token(self) -> str | Outcome:
        """A token to send now, minted once for all who wait; a RETRY where none can be had."""
        async with self._minting:
            if now_ms() + RENEW_BEFORE_S * 1000 < self._good_until_ms:
                return self._token
            form = {
                "grant_type": "client_credentials",
                "client_id": self._app.app_id,
                "client_secret": self._app.client_secret,
            }
            headers = {"content-type": "application/x-www-form-urlencoded"}
            reply = await self._client.post(self._app.token_url, headers, urlencode(form).encode())
            if isinstance(reply, NoReply):
                return Outcome(status=Status.RETRY, provider=NAME, code="token_endpoint", detail=reply.code)
            try:
                grant = _grant(reply.body)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                detail = f"status_{reply.status}"
                return Outcome(status=Status.RETRY, provider=NAME, code="token_endpoint", detail=detail)
            self._token = grant.access_token
            self._good_until_ms = now_ms() + grant.expires_in * 1000
            return self._token


def _outcome(reply: Reply) -> Outcome:
    """What Huawei's code means; without one, the HTTP status decides (503 is its flow control)."""
    try:
        code = _decode(reply.body).code
    except (msgspec.MsgspecError, UnicodeDecodeError):
        code = ""
    wait_s = retry_after_s(reply.header("retry-after"), now_ms())
    if code == SUCCESS:
        return Outcome(status=Status.ACCEPTED, provider=NAME)
    if code in _TOKEN_REFUSED or reply.status == 401:
        return Outcome(status=Status.REAUTHENTICATE, provider=NAME, code=code or "status_401")
    if code in _GONE:
        return Outcome(status=Status.TERMINAL, provider=NAME, code=code, token_state=TokenState.GONE)
    if code in _LATER:
        return Outcome(status=Status.RETRY, provider=NAME, code=code, retry_after_s=wait_s)
    if code and reply.status < 500:
        return Outcome(status=Status.TERMINAL, provider=NAME, code=code)
    return by_status(NAME, reply.status, code, wait_s)


def document(job: PushJob, token: str, at_ms: int) -> dict[str, Any]:
    """The body of ``messages:send`` for one device, within the budget. Raises PayloadTooLarge."""
    return fit(job.message, lambda message: _document(job, message, token, at_ms), lambda found: len(_encode(found)))


def _document(job: PushJob, message: Message, token: str, at_ms: int) -> dict[str, Any]:
    notification: dict[str, Any] = {
        "title": message.title,
        "body": message.body,
        "tag": collapse_id(job),
        # 1 opens a page of the app by its link, 3 its first page
        "click_action": {"type": 1, "intent": message.deep_link} if message.deep_link else {"type": 3},
        "importance": "LOW" if message.interruption_level == "passive" else "NORMAL",
    }
    if message.image_url:
        notification["image"] = message.image_url
    data = data_facts(job, message)
    android = {"ttl": f"{ttl_s(job, at_ms)}s", "notification": notification}
    return {
        "validate_only": False,
        "message": {
            "token": [token],
            "data": _encode(data).decode(),
            "notification": {"title": message.title, "body": message.body},
            "android": android,
        },
    }
