"""From a push to APNs' JSON, and what all providers' have in common. Pure: the same job always gives the same bytes.

Law: title and deep link always arrive. What does not fit the provider's budget is given up in one fixed order:
custom data (last key first), the image, the buttons, then the end of the body. What still does not fit is refused.

Source: Apple "Generating a remote notification" (4,096 bytes of payload, keys of ``aps``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from gateway.delivery.job import PushJob
from rules.model import Message

BUDGET_BYTES: Final = 4096
"""Largest payload that APNs and FCM take."""

MAX_COLLAPSE_ID_BYTES: Final = 64
"""Longest ``apns-collapse-id``."""

MIN_BODY_CHARS: Final = 20
"""A body cut shorter than this says nothing: the push is refused instead."""

Payload = TypeVar("Payload")

_json: Final = msgspec.json.Encoder().encode


class PayloadTooLarge(ValueError):
    """Even without data, image and buttons, and with a short body, the push is over the provider's budget."""


def apns_payload(job: PushJob) -> dict[str, Any]:
    """The body of ``POST /3/device/{token}``, at most 4,096 bytes of JSON. Raises PayloadTooLarge."""
    return fit(job.message, lambda message: _apns(job, message), _apns_size_bytes)


def ttl_s(job: PushJob, at_ms: int) -> int:
    """Whole seconds the provider may keep the push for: the message's own, cut at the job's expiry; at least 0."""
    return max(0, min(job.message.ttl_s, (job.expires_at_ms - at_ms) // 1000))


def collapse_id(job: PushJob) -> str:
    """What a repeat or an update of this push shares with it, so that the phone shows one: at most 64 bytes."""
    wanted = job.message.collapse_key
    return wanted if wanted and len(wanted.encode()) <= MAX_COLLAPSE_ID_BYTES else job.push_id


def fit(
    message: Message,
    encode: Callable[[Message], Payload],
    size_bytes: Callable[[Payload], int],
    budget_bytes: int = BUDGET_BYTES,
) -> Payload:
    """The payload of the message itself, or of the fullest one in the order of trimming that is within the budget.

    Raises PayloadTooLarge, naming the size that remained.
    """
    for candidate in _ever_smaller(message):
        payload = encode(candidate)
        if (size := size_bytes(payload)) <= budget_bytes:
            return payload
    raise PayloadTooLarge(f"{size} bytes remain after trimming; {budget_bytes} are allowed")


def _ever_smaller(message: Message) -> Iterator[Message]:
    """The message, then ever poorer ones: data, image, buttons, body."""
    yield message
    while message.data:
        message = replace(message, data=dict(list(message.data.items())[:-1]))
        yield message
    if message.image_url:
        message = replace(message, image_url="")
        yield message
    if message.actions:
        message = replace(message, actions=())
        yield message
    while len(message.body) > MIN_BODY_CHARS:
        keep = max(MIN_BODY_CHARS - 1, len(message.body) * 3 // 4)
        message = replace(message, body=message.body[:keep].rstrip(" …") + "…")
        yield message
        if keep == MIN_BODY_CHARS - 1:
            return


def _apns(job: PushJob, message: Message) -> dict[str, Any]:
    aps: dict[str, Any] = {
        "alert": {"title": message.title, "body": message.body},
        "sound": "default",
        "thread-id": message.thread or job.geofence_id,
        "interruption-level": message.interruption_level,
    }
    if message.relevance is not None:
        aps["relevance-score"] = message.relevance
    if message.actions:
        aps["category"] = category(message)
    if message.image_url:
        aps["mutable-content"] = 1
    links = {action.id: action.link for action in message.actions if action.link}
    return {**data_facts(job, message), **({"action_links": links} if links else {}), "aps": aps}


def data_facts(job: PushJob, message: Message) -> dict[str, str]:
    """The offer's own data, and what the app needs; ours wins where both use a name."""
    return {**message.data, **_facts(job, message)}


def _facts(job: PushJob, message: Message) -> dict[str, str]:
    """What the app needs to open the right screen and to report the open."""
    facts = {"push_id": job.push_id, "offer_id": job.offer_id, "geofence_id": job.geofence_id}
    if message.deep_link:
        facts["deep_link"] = message.deep_link
    if message.image_url:
        facts["image_url"] = message.image_url
    return facts


def category(message: Message) -> str:
    """The iOS notification category of the message's buttons: their ids joined, as the app registers them."""
    return "+".join(action.id for action in message.actions)


def _apns_size_bytes(payload: dict[str, Any]) -> int:
    """Size as aioapns writes it, with a space after each colon and comma; our own transport writes less.

    Where even a space for every third byte would fit, the compact size answers, at a tenth of the cost.
    """
    compact = len(_json(payload))
    return compact if compact * 4 // 3 <= BUDGET_BYTES else len(json.dumps(payload, ensure_ascii=False).encode())
