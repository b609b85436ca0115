"""APNs: aioapns' request and result, our reading of Apple's answers.

The transport is given: ``apns_stock`` is aioapns' own connection pool, ``apns_http2`` the same requests over a
well-kept HTTP/2 client. Neither raises for what the provider or the network does.

Source of the reasons: Apple, "Handling notification responses from APNs".
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Final, Protocol

import msgspec
from aioapns import NotificationRequest, PushType
from aioapns.common import PRIORITY_HIGH, PRIORITY_NORMAL

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status, TokenState
from gateway.delivery.job import PushJob
from gateway.delivery.payloads import PayloadTooLarge, apns_payload, collapse_id, ttl_s

NAME: Final = "apns"

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

TOKEN_REFUSALS: Final = frozenset({"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken"})
"""Reasons that speak of the provider token, not of the push."""

_GONE: Final = frozenset({"Unregistered", "ExpiredToken"})
_WRONG: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "MissingDeviceToken"})
_RETRY_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})


class ApnsApp(msgspec.Struct, frozen=True, kw_only=True):
    """One iOS app at one APNs host. Either a p8 ``key_file`` with its ids, or a PEM ``certificate_file``."""

    topic: str
    host: str = "api.push.apple.com"
    port: int = 443
    key_file: Path | None = None
    key_id: str = ""
    team_id: str = ""
    certificate_file: Path | None = None
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""


class ApnsReply(Protocol):
    """What a transport brings back: aioapns' NotificationResult has these, ours adds the wish to wait."""

    status: str
    description: str | None
    timestamp: int | None


class ApnsTransport(Protocol):
    """One way to put a NotificationRequest on the wire, within its own deadline."""

    async def send(self, request: NotificationRequest, *, alone: bool = False) -> ApnsReply | Outcome:
        """The provider's reply, or a RETRY outcome where none came. Raises nothing but CancelledError.

        A reply that refuses the provider token has made the transport renew it.
        """
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class ApnsChannel:
    """Sends jobs to devices of platform ``apns``."""

    name = NAME

    def __init__(self, transport: ApnsTransport) -> None:
        """The channel owns the transport, and closes it."""
        self._transport = transport

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """One attempt. Terminal where the payload cannot be made to fit."""
        try:
            request = notification(job, device, now_ms())
        except PayloadTooLarge as error:
            return Outcome(status=Status.TERMINAL, provider=NAME, code="PayloadTooLarge", detail=str(error))
        reply = await self._transport.send(request, alone=alone)
        return reply if isinstance(reply, Outcome) else outcome_of(reply)

    async def close(self) -> None:
        """Closes the transport."""
        await self._transport.close()


def notification(job: PushJob, device: Device, at_ms: int) -> NotificationRequest:
    """The request for one device. Raises PayloadTooLarge."""
    is_passive = job.message.interruption_level == "passive"
    return NotificationRequest(
        device_token=device.token,
        message=apns_payload(job),
        notification_id=_apns_id(job.push_id),
        time_to_live=ttl_s(job, at_ms),
        priority=int(PRIORITY_NORMAL if is_passive else PRIORITY_HIGH),
        collapse_key=collapse_id(job),
        push_type=PushType.ALERT,
        apns_topic=device.app or None,
    )


def outcome_of(reply: ApnsReply) -> Outcome:
    """What Apple's status and reason mean. Unknown reasons go by their status."""
    status, reason = int(reply.status or 0), reply.description or ""
    retry_after_s: float | None = getattr(reply, "retry_after_s", None)
    if status == 200:
        return Outcome(status=Status.ACCEPTED, provider=NAME)
    if reason in _GONE or status == 410:
        since_ms = reply.timestamp or 0
        return _terminal(reason or "Unregistered", TokenState.GONE, since_ms)
    if reason in _WRONG:
        return _terminal(reason, TokenState.WRONG)
    if reason in TOKEN_REFUSALS:
        return Outcome(status=Status.REAUTHENTICATE, provider=NAME, code=reason)
    if status in _RETRY_STATUS or reason == "IdleTimeout":
        return Outcome(
            status=Status.RETRY,
            provider=NAME,
            code=reason or f"status_{status}",
            retry_after_s=retry_after_s,
            is_about_device=reason == "TooManyRequests",
        )
    return _terminal(reason or f"status_{status}")


def _terminal(code: str, state: TokenState = TokenState.GOOD, since_ms: int = 0) -> Outcome:
    return Outcome(status=Status.TERMINAL, provider=NAME, code=code, token_state=state, token_invalid_since_ms=since_ms)


def _apns_id(push_id: str) -> str:
    """The push id where it is a UUID, as Apple demands; else the UUID that is named by it."""
    return push_id if _UUID.fullmatch(push_id) else str(uuid.uuid5(uuid.NAMESPACE_OID, push_id))
