"""Jobs and devices for the delivery tests."""

from __future__ import annotations

from typing import Any

from gateway.clock import now_ms
from gateway.delivery.channel import Device
from gateway.delivery.job import PushJob, push_id_for
from rules.model import Action, Message

MESSAGE = Message(
    title="Two croissants for one",
    body="Fresh from the oven until noon. Show this at the till.",
    image_url="https://cdn.example/croissant.jpg",
    deep_link="shop://offers/croissant",
    actions=(Action(id="open", title="Show me"), Action(id="later", title="Later")),
    data={"campaign": "autumn"},
)


def a_job(user_id: str = "ann", **changes: Any) -> PushJob:
    """A push that is good for ten minutes."""
    at_ms = now_ms()
    facts: dict[str, Any] = {
        "push_id": push_id_for(user_id, "croissant", "visit-1"),
        "user_id": user_id,
        "offer_id": "croissant",
        "geofence_id": "cafe-1",
        "visit_id": "visit-1",
        "message": MESSAGE,
        "expires_at_ms": at_ms + 600_000,
        "claimed_at_ms": at_ms,
        "received_at_ms": at_ms,
    }
    return PushJob(**(facts | changes))


def a_device(platform: str, token: str = "a1b2c3d4") -> Device:
    """A device of ``platform``; tokens as in gateway/delivery/sandbox/tokens.py."""
    return Device(device_id="phone", platform=platform, token=token)
