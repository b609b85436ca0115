"""Pushes handed to a system of one's own, signed: for SMS, messengers, a CRM.

Standard Webhooks: ``webhook-id`` is the push id, the same on every attempt, so that the receiver can tell a repeat;
``webhook-signature`` is HMAC-SHA256 over id, timestamp and body, once for each secret, so that secrets can be rotated.
The receiver answers 2xx when it has the push and 410 when it wants no more of them; anything else is tried again.

Source: Standard Webhooks specification 1.0.0.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status
from gateway.delivery.http2 import Http2, NoReply
from gateway.delivery.job import PushJob
from gateway.delivery.waiting import retry_after_s
from gateway.errors import ConfigError

NAME: Final = "webhook"

RESOLVE_AFTER_S: Final = 60.0
"""How long an address is believed; the check for private ones is made on the very address that is connected to."""

MIN_SECRET_BYTES: Final = 24
"""The specification's least length of a secret."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class WebhookEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and how to sign. ``secrets`` are ``whsec_`` and base64, newest first."""

    url: str
    secrets: tuple[str, ...]
    may_be_private: bool = False
    """Whether the endpoint may have a private, loopback or link-local address."""


def sign(secret: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """One signature of the header: ``v1,`` and base64."""
    signed = hmac.digest(secret, f"{message_id}.{at_s}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed).decode()


def document(job: PushJob) -> bytes:
    """The body: ``type``, ``timestamp`` of the claim, and the push as ``data``."""
    claimed = datetime.fromtimestamp(job.claimed_at_ms / 1000, UTC)
    data = {
        "push_id": job.push_id,
        "user_id": job.user_id,
        "offer_id": job.offer_id,
        "geofence_id": job.geofence_id,
        "visit_id": job.visit_id,
        "variant": job.variant,
        "message": job.message,
        "expires_at": datetime.fromtimestamp(job.expires_at_ms / 1000, UTC),
        "transactional": job.transactional,
    }
    return _encode({"type": "push.claimed", "timestamp": claimed, "data": data})


class WebhookChannel:
    """Sends jobs to one endpoint. It has no device: the receiver knows how to reach the user."""

    name = NAME

    def __init__(self, endpoint: WebhookEndpoint, *, timeout_s: float = 10.0) -> None:
        """Raises ConfigError on a URL or secret that cannot work."""
        parts = urlsplit(endpoint.url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ConfigError(f"webhook_url {endpoint.url!r} is not an http(s) URL")
        if parts.scheme == "http" and not endpoint.may_be_private:
            raise ConfigError("webhook_url must be https; plain http is only for private addresses that are allowed")
        self._endpoint = endpoint
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._secrets = [_secret(text) for text in endpoint.secrets]
        if not self._secrets:
            raise ConfigError("webhook_secret is needed: the receiver must be able to tell our pushes from others'")
        self._timeout_s = timeout_s
        self._client: Http2 | None = None
        self._addresses: tuple[str, ...] = ()
        self._resolved_at_s = float("-inf")
        self._resolving = asyncio.Lock()

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:  # noqa: ARG002
        """One attempt."""
        try:
            client = await self._current_client()
        except OSError as error:
            return Outcome(status=Status.RETRY, provider=NAME, code="dns", detail=type(error).__name__)
        if client is None:
            return Outcome(
                status=Status.TERMINAL, provider=NAME, code="private_address",
                detail="The endpoint's address is private; allow it with webhook_may_be_private",
            )  # fmt: skip
        body, at_s = document(job), now_ms() // 1000
        headers = {
            "content-type": "application/json",
            "webhook-id": job.push_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(sign(secret, job.push_id, at_s, body) for secret in self._secrets),
        }
        reply = await client.post(self._endpoint.url, headers, body, alone=alone)
        if isinstance(reply, NoReply):
            return reply.outcome(NAME)
        if 200 <= reply.status < 300:
            return Outcome(status=Status.ACCEPTED, provider=NAME)
        return Outcome(
            status=Status.TERMINAL if reply.status == 410 else Status.RETRY,
            provider=NAME,
            code=f"status_{reply.status}",
            retry_after_s=retry_after_s(reply.header("retry-after"), now_ms()),
        )

    async def close(self) -> None:
        """Closes the connection."""
        if self._client is not None:
            await self._client.close()

    async def _current_client(self) -> Http2 | None:
        """A client that connects to the addresses just checked; None where they are private. Raises OSError of DNS."""
        loop = asyncio.get_running_loop()
        async with self._resolving:
            if loop.time() - self._resolved_at_s < RESOLVE_AFTER_S and self._client is not None:
                return self._client
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            addresses = tuple(sorted({str(info[4][0]) for info in found}))
            if not self._endpoint.may_be_private and not all(_is_public(address) for address in addresses):
                return None
            if addresses != self._addresses or self._client is None:
                await self.close()
                self._client = Http2(timeout_s=self._timeout_s, only_http2=False, addresses={self._host: addresses})
                self._addresses = addresses
            self._resolved_at_s = loop.time()
            return self._client


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise ConfigError("webhook_secret must be whsec_ and base64") from error
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError(f"webhook_secret must be at least {MIN_SECRET_BYTES} bytes before base64")
    return secret


def _is_public(address: str) -> bool:
    """Whether the address is on the public internet; an IPv4 one inside IPv6 counts as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return (inner or ip).is_global and not ip.is_multicast
