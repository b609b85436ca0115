"""From a push to FCM's JSON: the ``message`` of ``projects.messages:send``. Pure, as ``payloads``, whose law it keeps.

firebase-admin's types and encoder take 60 µs for a message, these dicts 5. That its validation takes them, and that it
encodes the same, is tested for any message; its own transport still gets its own type.

Source: Firebase REST reference of ``projects.messages`` (4,096 bytes of keys and values).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gateway.delivery.job import PushJob
from gateway.delivery.payloads import category, collapse_id, data_facts, fit
from rules.model import Message

_LABEL: Final = re.compile(r"[^a-zA-Z0-9\-_.~%]")
_json: Final = msgspec.json.Encoder().encode


def fcm_payload(job: PushJob, token: str, ttl_s: int) -> dict[str, Any]:
    """The message for one device, at most 4,096 bytes of JSON without its address.

    ``token`` may be a registration token or a Firebase installation id. Raises PayloadTooLarge, and ValueError where
    the token is empty: the address is the one thing that comes from outside unseen.
    """
    if not token:
        raise ValueError("the device has no token")
    payload = fit(job.message, lambda message: _payload(job, message, ttl_s), lambda payload: len(_json(payload)))
    payload["fid" if _is_installation_id(token) else "token"] = token
    return payload


def analytics_label(offer_id: str) -> str:
    """The offer's id in the characters and the length (50) that FCM's analytics labels allow."""
    return _LABEL.sub("_", offer_id)[:50]


def _payload(job: PushJob, message: Message, ttl_s: int) -> dict[str, Any]:
    is_passive, collapse = message.interruption_level == "passive", collapse_id(job)
    data = data_facts(job, message)
    notification = {"title": message.title, "body": message.body}
    aps: dict[str, Any] = {
        "sound": "default",
        "thread-id": message.thread or job.geofence_id,
        "interruption-level": message.interruption_level,
    }
    apns: dict[str, Any] = {  # for iOS devices that an app registers through Firebase
        "headers": {
            "apns-collapse-id": collapse,
            "apns-expiration": str(job.expires_at_ms // 1000),
            "apns-priority": "5" if is_passive else "10",
        },
        "payload": {"aps": aps},
    }
    if message.actions:
        data["actions"] = _json(message.actions).decode()
        if buttons := category(message):
            aps["category"] = buttons
    if message.image_url:
        notification["image"] = message.image_url
        aps["mutable-content"] = 1
        apns["fcm_options"] = {"image": message.image_url}
    return {
        "data": data,
        "notification": notification,
        "android": {
            "priority": "normal" if is_passive else "high",
            "ttl": f"{ttl_s}s",
            # The tag replaces a repeat in the drawer; a collapse_key would throttle to one push in 3 minutes.
            "notification": {"tag": collapse},
            "fcm_options": {"analytics_label": analytics_label(job.offer_id)},
        },
        "apns": apns,
    }


def _is_installation_id(token: str) -> bool:
    """Installation ids are 22 base64url characters; a registration token is such an id, a colon, and much more."""
    return len(token) == 22 and ":" not in token
