"""RuStore: pushes to Android phones without Google's services, over an API made in FCM's image.

Source: RuStore help, "Sending push notifications (API)": ``POST /v1/projects/{project}/messages:send`` with the
project's service token; errors are ``{code, message, status}``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status, TokenState, by_status
from gateway.delivery.http2 import Http2, NoReply
from gateway.delivery.job import PushJob
from gateway.delivery.payloads import PayloadTooLarge, data_facts, fit, ttl_s
from gateway.delivery.waiting import retry_after_s
from rules.model import Message

NAME: Final = "rustore"

_encode: Final = msgspec.json.Encoder().encode


class RuStoreApp(msgspec.Struct, frozen=True, kw_only=True):
    """One project of the RuStore console, and its service token."""

    project: str
    service_token: str
    host: str = "https://vkpns.rustore.ru"


class _Error(msgspec.Struct):
    status: str = ""


class _Refusal(msgspec.Struct):
    """The error, by itself or inside ``error`` as FCM has it."""

    status: str = ""
    error: _Error = msgspec.field(default_factory=_Error)


_decode: Final = msgspec.json.Decoder(_Refusal).decode


class RuStoreChannel:
    """Sends jobs to devices of platform ``rustore``."""

    name = NAME

    def __init__(self, app: RuStoreApp, client: Http2) -> None:
        """The channel owns the client, and closes it."""
        self._client = client
        self._url = f"{app.host}/v1/projects/{app.project}/messages:send"
        self._headers = {"authorization": f"Bearer {app.service_token}", "content-type": "application/json"}

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """One attempt."""
        try:
            body = _encode(document(job, device.token, now_ms()))
        except PayloadTooLarge as error:
            return Outcome(status=Status.TERMINAL, provider=NAME, code="PayloadTooLarge", detail=str(error))
        reply = await self._client.post(self._url, self._headers, body, alone=alone)
        if isinstance(reply, NoReply):
            return reply.outcome(NAME)
        code = _code(reply.body)
        outcome = by_status(NAME, reply.status, code, retry_after_s(reply.header("retry-after"), now_ms()))
        if reply.status == 404:
            return msgspec.structs.replace(outcome, token_state=TokenState.GONE)
        if reply.status == 400 and "token" in reply.body.decode("utf-8", "replace").lower():
            return msgspec.structs.replace(outcome, token_state=TokenState.WRONG)
        return outcome

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.close()


def document(job: PushJob, token: str, at_ms: int) -> dict[str, Any]:
    """The body of ``messages:send`` for one device, within the budget. Raises PayloadTooLarge."""
    return fit(job.message, lambda message: _document(job, message, token, at_ms), lambda found: len(_encode(found)))


def _document(job: PushJob, message: Message, token: str, at_ms: int) -> dict[str, Any]:
    shown = {"title": message.title, "body": message.body}
    if message.image_url:
        shown["image"] = message.image_url
    android: dict[str, Any] = {"ttl": f"{ttl_s(job, at_ms)}s"}
    if message.deep_link:  # click_action_type 1 opens it as a link
        android["notification"] = {**shown, "click_action": message.deep_link, "click_action_type": 1}
    return {"message": {"token": token, "data": data_facts(job, message), "notification": shown, "android": android}}


def _code(body: bytes) -> str:
    try:
        refusal = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return refusal.error.status or refusal.status
