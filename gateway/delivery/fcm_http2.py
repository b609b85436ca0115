"""FCM over the HTTP/2 client: firebase-admin's JSON, credentials and errors, without its client.

Source of the request: Firebase REST reference, ``projects.messages:send``.
"""

from __future__ import annotations

from typing import Final

import firebase_admin
import httpx
import msgspec
from firebase_admin import exceptions, messaging
from firebase_admin._utils import handle_platform_error_from_httpx

from gateway.delivery.channel import Outcome, Status
from gateway.delivery.fcm import NAME, FcmApp, FcmResult
from gateway.delivery.fcm_payloads import fcm_payload
from gateway.delivery.google_token import AccessToken, TokenUnavailable
from gateway.delivery.http2 import Http2, NoReply, Reply
from gateway.delivery.job import PushJob

_HEADERS: Final = {
    "content-type": "application/json",
    "x-goog-api-format-version": "2",
    "x-firebase-client": f"fire-admin-python/{firebase_admin.__version__}",
}
_encode: Final = msgspec.json.Encoder().encode
_fcm_error: Final = messaging._MessagingService._build_fcm_error_httpx  # noqa: SLF001 - pinned, and the seam is tested


class Http2Fcm:
    """One project's connection to FCM."""

    def __init__(self, app: FcmApp, *, timeout_s: float = 10.0) -> None:
        """``timeout_s`` bounds one attempt, connecting included. Raises ConfigError on a bad file."""
        self._token = AccessToken(app.credentials_file)
        self.project = self._token.project
        self._client = Http2(ca_file=app.ca_file, timeout_s=timeout_s)
        self._url = f"{app.host}/v1/projects/{self._token.project}/messages:send"

    async def send(self, job: PushJob, token: str, ttl_s: int, *, alone: bool = False) -> FcmResult:
        """None on FCM's 200, whatever its body; else its error, or RETRY where no answer came."""
        body = _encode({"message": fcm_payload(job, token, ttl_s)})
        try:
            access = await self._token.current()
        except TokenUnavailable as error:
            return Outcome(status=Status.RETRY, provider=NAME, code="token_endpoint", detail=str(error))
        reply = await self._client.post(self._url, {**_HEADERS, "authorization": f"Bearer {access}"}, body, alone=alone)
        if isinstance(reply, NoReply):
            return reply.outcome(NAME)
        if reply.status == 200:
            return None
        if reply.status == 401:
            self._token.refused(access)
        return _error(self._url, reply)

    async def close(self) -> None:
        """Closes the connection, once the token endpoint has answered."""
        await self._token.close()
        await self._client.close()


def _error(url: str, reply: Reply) -> exceptions.FirebaseError:
    """The reply as the error that firebase-admin would raise for it."""
    body = reply.body.decode("utf-8", "replace").encode()
    response = httpx.Response(
        reply.status, headers=list(reply.headers.items()), content=body, request=httpx.Request("POST", url)
    )
    error = httpx.HTTPStatusError(f"status {reply.status}", request=response.request, response=response)
    return handle_platform_error_from_httpx(error, _fcm_error)
