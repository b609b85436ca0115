"""firebase-admin as it comes, aimed and kept from retrying: the fallback that our own transport can never break.

Its client binds to the event loop of its first send. Its inner retries (500 and 503, up to 7 seconds, Retry-After
ignored) are switched off, because the sender's policy decides; its token is minted off the loop.

Its HTTP/2 client (httpcore) loses sight of a window that opens while several requests wait for it: all of them then
hang until their deadline. So no more bytes are under way than never close the window.
"""

# ruff: noqa: SLF001 - firebase-admin has no public way to aim its client; both are pinned and the seam is tested
from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import firebase_admin
import httpx
from firebase_admin import credentials, exceptions, messaging
from firebase_admin._http_client import GoogleAuthCredentialFlow
from firebase_admin._retry import HttpxRetry, HttpxRetryTransport
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from gateway.delivery.channel import Outcome, Status
from gateway.delivery.fcm import NAME, FcmApp, FcmResult
from gateway.delivery.fcm_payloads import fcm_payload
from gateway.delivery.job import PushJob

BYTES_UNDER_WAY: Final = 32_767
"""Half of a connection's first window (RFC 9113, 6.9.2): servers give back what they took when half of it is gone."""


class _NoToken(Exception):
    """The first token cannot be had."""


class _NoRoom(Exception):
    """What is under way fills the connection, and FCM does not answer."""


class StockFcm:
    """firebase_admin.messaging for one service account."""

    def __init__(self, app: FcmApp, *, timeout_s: float = 10.0) -> None:
        """``timeout_s`` bounds one attempt."""
        certificate = credentials.Certificate(str(app.credentials_file))
        self.project: str = certificate.project_id
        self._app = firebase_admin.initialize_app(certificate, {"httpTimeout": timeout_s}, name=f"geopush-{uuid4()}")
        self._credential = certificate.get_credential()
        self._credential.with_non_blocking_refresh()
        self._service = messaging._get_messaging_service(self._app)
        self._service._fcm_url = f"{app.host}/v1/projects/{certificate.project_id}/messages:send"
        client = self._service._async_client
        trusted = ssl.create_default_context(cafile=str(app.ca_file) if app.ca_file else None)
        transport = HttpxRetryTransport(retry=HttpxRetry(max_retries=0), verify=trusted)
        client._async_client = httpx.AsyncClient(
            timeout=timeout_s,
            headers=client._headers,
            auth=GoogleAuthCredentialFlow(self._credential),
            mounts={"https://": transport},
        )
        self._timeout_s = timeout_s
        self._minting = asyncio.Lock()
        self._room = asyncio.Condition()
        self._under_way = 0

    async def send(self, job: PushJob, token: str, ttl_s: int, *, alone: bool = False) -> FcmResult:  # noqa: ARG002
        """None when FCM took the message, also when its 200 cannot be read; else its error. Cannot send alone."""
        payload = fcm_payload(job, token, ttl_s)
        message = as_message(payload)
        try:
            await self._have_token()
            async with self._window(len(json.dumps({"message": payload, "validate_only": False}))):
                batch = await self._service.send_each_async([message], dry_run=False)
        except _NoRoom:
            return Outcome(status=Status.RETRY, provider=NAME, code="no_room")
        except exceptions.UnknownError as error:
            return None if isinstance(error.cause, json.JSONDecodeError) else error
        except (GoogleAuthError, _NoToken) as error:
            return Outcome(status=Status.RETRY, provider=NAME, code="token_endpoint", detail=type(error).__name__)
        (response,) = batch.responses
        failure: exceptions.FirebaseError | None = response.exception
        return failure

    async def close(self) -> None:
        """Closes the connections and forgets the app."""
        await self._service._async_client.aclose()
        del self._app._services["_messaging"]  # its own close() starts a second event loop
        firebase_admin.delete_app(self._app)

    @asynccontextmanager
    async def _window(self, size: int) -> AsyncIterator[None]:
        """Room for a request of ``size`` bytes. Raises _NoRoom where none comes free in time."""
        try:
            async with asyncio.timeout(self._timeout_s), self._room:
                await self._room.wait_for(lambda: self._under_way + size <= BYTES_UNDER_WAY)
                self._under_way += size
        except TimeoutError as error:
            raise _NoRoom from error
        try:
            yield
        finally:
            self._under_way -= size
            async with self._room:
                self._room.notify_all()

    async def _have_token(self) -> None:
        """Mints the first token in a thread; google-auth renews later ones in its own."""
        async with self._minting:
            if not self._credential.token:
                try:
                    await asyncio.to_thread(self._credential.refresh, Request())
                except Exception as error:  # an odd body makes google-auth raise TypeError and others
                    raise _NoToken from error


def as_message(payload: dict[str, Any]) -> messaging.Message:
    """A payload as firebase-admin's own type, which validates it when it encodes it, and then says the same again."""
    android, apns, aps = payload["android"], payload["apns"], payload["apns"]["payload"]["aps"]
    message = messaging.Message(
        data=payload["data"],
        notification=messaging.Notification(**payload["notification"]),
        android=messaging.AndroidConfig(
            priority=android["priority"],
            ttl=int(android["ttl"].removesuffix("s")),
            notification=messaging.AndroidNotification(**android["notification"]),
            fcm_options=messaging.AndroidFCMOptions(**android["fcm_options"]),
        ),
        apns=messaging.APNSConfig(
            headers=apns["headers"],
            payload=messaging.APNSPayload(
                messaging.Aps(
                    sound=aps["sound"],
                    thread_id=aps["thread-id"],
                    category=aps.get("category"),
                    mutable_content="mutable-content" in aps,
                    custom_data={"interruption-level": aps["interruption-level"]},
                )
            ),
            fcm_options=messaging.APNSFCMOptions(**apns.get("fcm_options", {})),
        ),
    )
    # Assigned, not passed: the argument raises a DeprecationWarning, which costs time on every push.
    message.fid, message.token = payload.get("fid"), payload.get("token")
    return message
