"""Web Push: browsers, through whatever push service each of them chose.

pywebpush encrypts (RFC 8291) and py-vapid signs (RFC 8292); this chooses headers (RFC 8030) and reads the answers. The
device's token is its PushSubscription, the JSON in base64url. Endpoints come from outside, so only those of known push
services are called.
"""

from __future__ import annotations

import base64
import binascii
import functools
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher, WebPushException

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status, TokenState, by_status
from gateway.delivery.http2 import Http2, NoReply
from gateway.delivery.job import PushJob
from gateway.delivery.payloads import PayloadTooLarge, collapse_id, data_facts, fit, ttl_s
from gateway.delivery.waiting import retry_after_s
from gateway.errors import ConfigError
from rules.model import Message

NAME: Final = "web_push"

BUDGET_BYTES: Final = 3993
"""RFC 8291: a push service must take 4,096 bytes, of which encryption needs 103."""

PUSH_SERVICES: Final = (
    "fcm.googleapis.com",
    "push.services.mozilla.com",
    "push.apple.com",
    "notify.windows.com",
)
"""Domains of the push services of Chrome, Firefox, Safari and Edge; their subdomains count."""

VAPID_LIFE_S: Final = 12 * 3600
"""Of one signature; RFC 8292 allows 24 hours."""

_encode: Final = msgspec.json.Encoder().encode


class Subscription(msgspec.Struct, frozen=True):
    """A browser's PushSubscription."""

    endpoint: str
    keys: dict[str, str]


_decode: Final = msgspec.json.Decoder(Subscription).decode


def read_subscription(token: str) -> Subscription:
    """The subscription of a token. Raises ValueError where it is none."""
    try:
        found = _decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError("the token is no base64url of a PushSubscription") from error
    if urlsplit(found.endpoint).scheme != "https":
        raise ValueError("the subscription's endpoint is not https")
    return found


class WebPushApp(msgspec.Struct, frozen=True, kw_only=True):
    """A web page that may be pushed to. ``contact`` is a mailto: or https: address for the push services."""

    vapid_key_file: Path
    contact: str
    services: tuple[str, ...] = PUSH_SERVICES


class WebPushChannel:
    """Sends jobs to devices of platform ``web_push``."""

    name = NAME

    def __init__(self, app: WebPushApp, client: Http2) -> None:
        """The channel owns the client, and closes it. Raises ConfigError on a bad key."""
        self._services = app.services
        try:
            self._vapid = Vapid02.from_pem(app.vapid_key_file.read_bytes())
        except (OSError, ValueError, TypeError, VapidException) as error:
            raise ConfigError(f"vapid_key_file {app.vapid_key_file} is not a VAPID key: {error}") from error
        self._contact = app.contact
        self._client = client
        self._signatures: dict[str, tuple[int, str]] = {}

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """One attempt."""
        try:
            subscription = self._known(read_subscription(device.token))
            plain = _encode(document(job))
            body = WebPusher(msgspec.to_builtins(subscription)).encode(plain)["body"]
        except PayloadTooLarge as error:
            return Outcome(status=Status.TERMINAL, provider=NAME, code="PayloadTooLarge", detail=str(error))
        except (ValueError, WebPushException):
            return Outcome(status=Status.TERMINAL, provider=NAME, code="BadSubscription", token_state=TokenState.WRONG)
        headers = {
            "authorization": self._authorization(subscription.endpoint),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(ttl_s(job, now_ms())),
            "urgency": "normal" if job.message.interruption_level == "passive" else "high",
            "topic": collapse_id(job).replace("-", "")[:32],
        }
        reply = await self._client.post(subscription.endpoint, headers, body, alone=alone)
        if isinstance(reply, NoReply):
            return reply.outcome(NAME)
        outcome = by_status(NAME, reply.status, "", retry_after_s(reply.header("retry-after"), now_ms()))
        if reply.status in {404, 410}:
            return msgspec.structs.replace(outcome, token_state=TokenState.GONE)
        return outcome

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def _known(self, subscription: Subscription) -> Subscription:
        """The subscription itself. Raises ValueError where its push service is not one we call."""
        host = urlsplit(subscription.endpoint).hostname or ""
        if not any(host == service or host.endswith(f".{service}") for service in self._services):
            raise ValueError("the subscription's endpoint is not of a known push service")
        return subscription

    def _authorization(self, endpoint: str) -> str:
        """The VAPID header for the endpoint's origin, signed once in a while."""
        parts = urlsplit(endpoint)
        origin, now_s = f"{parts.scheme}://{parts.netloc}", now_ms() // 1000
        until_s, header = self._signatures.get(origin, (0, ""))
        if until_s - now_s < VAPID_LIFE_S // 12:
            until_s = now_s + VAPID_LIFE_S
            claims = {"aud": origin, "exp": until_s, "sub": self._contact}
            header = self._vapid.sign(claims)["Authorization"]
            self._signatures[origin] = until_s, header
        return header


def document(job: PushJob) -> dict[str, Any]:
    """What the page's service worker gets: the members of ``showNotification``'s options, and our data.

    Raises PayloadTooLarge.
    """
    encode = functools.partial(_document, job)
    return fit(job.message, encode, lambda found: len(_encode(found)), BUDGET_BYTES)


def _document(job: PushJob, message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"title": message.title, "body": message.body, "lang": message.locale}
    if message.image_url:
        shown["image"] = message.image_url
    if message.actions:
        shown["actions"] = [{"action": action.id, "title": action.title} for action in message.actions]
    return {**shown, "tag": collapse_id(job), "data": data_facts(job, message)}
