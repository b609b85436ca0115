"""What each platform would get for a push: the exact JSON, before any of it is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.delivery import huawei, rustore, web_push, webhook
from gateway.delivery.fcm_payloads import fcm_payload
from gateway.delivery.job import PushJob
from gateway.delivery.payloads import PayloadTooLarge, apns_payload, collapse_id, ttl_s

TOKEN: Final = "DEVICE-TOKEN"
"""Where a device's token would stand."""

_encode: Final = msgspec.json.Encoder().encode


class Preview(msgspec.Struct, frozen=True, omit_defaults=True):
    """One platform's JSON and its size as it would be sent; or why it would be refused."""

    payload: dict[str, Any] | None = None
    size_bytes: int = 0
    headers: dict[str, str] = {}
    refused: str = ""


def previews(job: PushJob, at_ms: int) -> dict[str, Preview]:
    """By platform."""
    life_s = ttl_s(job, at_ms)
    makers: dict[str, Callable[[], Any]] = {
        "apns": lambda: apns_payload(job),
        "fcm": lambda: {"message": fcm_payload(job, TOKEN, life_s)},
        "rustore": lambda: rustore.document(job, TOKEN, at_ms),
        "huawei": lambda: huawei.document(job, TOKEN, at_ms),
        "web_push": lambda: web_push.document(job),
        "webhook": lambda: msgspec.json.decode(webhook.document(job)),
    }
    found = {platform: _preview(make) for platform, make in makers.items()}
    headers = {
        "apns-collapse-id": collapse_id(job),
        "apns-expiration": str(at_ms // 1000 + life_s if life_s else 0),
        "apns-priority": "5" if job.message.interruption_level == "passive" else "10",
        "apns-push-type": "alert",
    }
    return found | {"apns": msgspec.structs.replace(found["apns"], headers=headers)}


def _preview(make: Callable[[], dict[str, Any]]) -> Preview:
    try:
        payload = make()
    except PayloadTooLarge as error:
        return Preview(refused=str(error))
    return Preview(payload, len(_encode(payload)))
