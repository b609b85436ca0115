"""APNs over the HTTP/2 client: aioapns' requests and results, without its connection pool.

Source of the headers: Apple, "Sending notification requests to APNs".
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
from aioapns import NotificationRequest
from aioapns.common import APNS_RESPONSE_CODE, NotificationResult

from gateway.clock import now_ms
from gateway.delivery.apns import NAME, TOKEN_REFUSALS, ApnsApp
from gateway.delivery.apns_token import ProviderToken
from gateway.delivery.channel import Outcome
from gateway.delivery.http2 import Http2, NoReply, Reply
from gateway.delivery.waiting import retry_after_s
from gateway.errors import ConfigError

_encode: Final = msgspec.json.Encoder().encode


class ApnsResult(NotificationResult):
    """aioapns' result, with the provider's wish to be left alone for a while."""

    retry_after_s: float | None = None


class _Refusal(msgspec.Struct):
    """Apple's error body."""

    reason: str = ""
    timestamp: int | None = None


_decode: Final = msgspec.json.Decoder(_Refusal).decode


class Http2Apns:
    """One app's connection to one APNs host."""

    def __init__(self, app: ApnsApp, *, timeout_s: float = 10.0) -> None:
        """``timeout_s`` bounds one attempt, connecting included. Raises ConfigError on a bad key or file."""
        self._client = Http2(ca_file=app.ca_file, certificate_file=app.certificate_file, timeout_s=timeout_s)
        self._url = f"https://{app.host}:{app.port}/3/device/"
        self._topic = app.topic
        self._token: ProviderToken | None = None
        if app.key_file is not None:
            try:
                key = app.key_file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"the APNs key {app.key_file} cannot be read: {error}") from error
            self._token = ProviderToken(key, app.key_id, app.team_id, now_ms)

    async def send(self, request: NotificationRequest, *, alone: bool = False) -> ApnsResult | Outcome:
        """Apple's answer, or RETRY where none came."""
        token = self._token.current() if self._token else ""
        reply = await self._client.post(
            self._url + request.device_token, self._headers(request, token), _encode(request.message), alone=alone
        )
        if isinstance(reply, NoReply):
            return reply.outcome(NAME)
        result = _result(request, reply)
        if self._token and result.description in TOKEN_REFUSALS:
            self._token.refused(token, reply.header("date"))
        return result

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.close()

    def _headers(self, request: NotificationRequest, token: str) -> dict[str, str]:
        headers = {"apns-id": request.notification_id, "apns-topic": request.apns_topic or self._topic}
        if token:
            headers["authorization"] = f"bearer {token}"
        if request.time_to_live is not None:
            headers["apns-expiration"] = str(now_ms() // 1000 + request.time_to_live) if request.time_to_live else "0"
        if request.priority is not None:
            headers["apns-priority"] = str(request.priority)
        if request.collapse_key is not None:
            headers["apns-collapse-id"] = request.collapse_key
        if request.push_type is not None:
            headers["apns-push-type"] = request.push_type.value
        return headers


def _result(request: NotificationRequest, reply: Reply) -> ApnsResult:
    """The reply as aioapns would give it; a body that is no JSON leaves the reason empty."""
    if reply.status == 200:
        return ApnsResult(request.notification_id, APNS_RESPONSE_CODE.SUCCESS)
    refusal = _Refusal()
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        refusal = _decode(reply.body)
    result = ApnsResult(request.notification_id, str(reply.status), refusal.reason or None, refusal.timestamp)
    result.retry_after_s = retry_after_s(reply.header("retry-after"), now_ms())
    return result
