"""FCM: firebase-admin's messages and errors, our reading of what to do about them.

The transport is given: ``fcm_stock`` is firebase-admin's own client, ``fcm_http2`` the same messages over a
well-kept HTTP/2 client. One message is one request; neither transport retries by itself.

Source of the classes: Firebase, "FCM error codes" and "Best practices when sending FCM messages at scale".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import httpx
import msgspec
from firebase_admin import exceptions, messaging
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status, TokenState
from gateway.delivery.job import PushJob
from gateway.delivery.payloads import PayloadTooLarge, ttl_s
from gateway.delivery.waiting import retry_after_s

NAME: Final = "fcm"

QUOTA_WAIT_S: Final = 60.0
"""The wait after a 429 that names none: the quota is counted by the minute."""

_TRANSIENT: Final = (
    exceptions.UnavailableError,
    exceptions.InternalError,
    exceptions.DeadlineExceededError,
    exceptions.AbortedError,
    exceptions.CancelledError,
)


class FcmApp(msgspec.Struct, frozen=True, kw_only=True):
    """One Firebase project: the service account's JSON file, and where FCM is."""

    credentials_file: Path
    host: str = "https://fcm.googleapis.com"
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""


FcmResult: TypeAlias = exceptions.FirebaseError | Outcome | None
"""None when FCM took the message, its error when it did not, an Outcome where there was no answer."""


class FcmTransport(Protocol):
    """One way to put a push on the wire, within its own deadline and with a valid access token."""

    async def send(self, job: PushJob, token: str, ttl_s: int, *, alone: bool = False) -> FcmResult:
        """FCM's answer. Raises ValueError on a push that does not encode, PayloadTooLarge on one that does not fit.

        An error that refuses the access token has made the transport renew it, once for many refusals.
        """
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class FcmChannel:
    """Sends jobs to devices of platform ``fcm``."""

    name = NAME

    def __init__(self, transport: FcmTransport) -> None:
        """The channel owns the transport, and closes it."""
        self._transport = transport

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """One attempt. Terminal where the message does not encode or cannot be made to fit."""
        try:
            result = await self._transport.send(job, device.token, ttl_s(job, now_ms()), alone=alone)
        except PayloadTooLarge as error:
            return _outcome(Status.TERMINAL, "PayloadTooLarge", str(error))
        except ValueError as error:
            return _outcome(Status.TERMINAL, "InvalidMessage", str(error))
        if result is None:
            return Outcome(status=Status.ACCEPTED, provider=NAME)
        return result if isinstance(result, Outcome) else outcome_of(result)

    async def close(self) -> None:
        """Closes the transport."""
        await self._transport.close()


def outcome_of(error: exceptions.FirebaseError) -> Outcome:
    """What an error of firebase-admin means. An error without an answer behind it is a network's, and retried."""
    response = error.http_response
    code = _error_code(response) or error.code
    if isinstance(error, messaging.UnregisteredError):
        return _outcome(Status.TERMINAL, code, state=TokenState.GONE)
    if isinstance(error, messaging.SenderIdMismatchError):
        return _outcome(Status.TERMINAL, code, state=TokenState.WRONG)
    if isinstance(error, exceptions.InvalidArgumentError):
        is_token = "registration token" in str(error)
        return _outcome(Status.TERMINAL, code, str(error), state=TokenState.WRONG if is_token else TokenState.GOOD)
    if isinstance(error, messaging.ThirdPartyAuthError):
        return _outcome(Status.TERMINAL, code, "The project's APNs or web push key at Firebase is wrong")
    if isinstance(error, exceptions.UnauthenticatedError):
        return _outcome(Status.REAUTHENTICATE, code)
    if isinstance(error, exceptions.ResourceExhaustedError):
        wait_s = _wait_s(response)
        return _outcome(Status.RETRY, code, wait_s=QUOTA_WAIT_S if wait_s is None else wait_s)
    if isinstance(error, _TRANSIENT) or response is None or response.status_code >= 500:
        is_in_doubt = response is None and not isinstance(error, exceptions.UnavailableError)
        return replace(_outcome(Status.RETRY, code, wait_s=_wait_s(response)), is_in_doubt=is_in_doubt)
    return _outcome(Status.TERMINAL, code, str(error))


def _outcome(
    status: Status, code: str, detail: str = "", *, state: TokenState = TokenState.GOOD, wait_s: float | None = None
) -> Outcome:
    return Outcome(status=status, provider=NAME, code=code, detail=detail, token_state=state, retry_after_s=wait_s)


def _wait_s(response: httpx.Response | None) -> float | None:
    return None if response is None else retry_after_s(response.headers.get("retry-after"), now_ms())


def _error_code(response: httpx.Response | None) -> str:
    """FCM's own ``errorCode`` of an error body, else its ``status``, else nothing."""
    try:
        error = json.loads(response.content)["error"] if response is not None else {}
        codes = (detail.get("errorCode") for detail in error.get("details", ()))
        return str(next(filter(None, codes), error.get("status", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
