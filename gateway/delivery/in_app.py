"""Offers for an app in the foreground: laid into the user's inbox, from which the app takes them with its next ping."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from gateway.delivery.channel import Device, Outcome, Status
from gateway.delivery.job import PushJob
from gateway.errors import Unavailable

NAME: Final = "in_app"

_encode: Final = msgspec.json.Encoder().encode


class Inbox(Protocol):
    """Where offers wait: ``gateway.store.inbox``."""

    async def put(self, user_id: str, push_id: str, document: bytes, expires_at_ms: int) -> None:
        """Lets a document wait; put again it is replaced. Raises Unavailable."""
        ...


def document(job: PushJob) -> dict[str, Any]:
    """What the app is told: the message and what it needs to show it and to report it as seen."""
    return {
        "user_id": job.user_id,
        "push_id": job.push_id,
        "offer_id": job.offer_id,
        "geofence_id": job.geofence_id,
        "message": job.message,
        "expires_at_ms": job.expires_at_ms,
    }


class InAppChannel:
    """Lays jobs into inboxes. A repeat of a push replaces itself."""

    name = NAME

    def __init__(self, inbox: Inbox) -> None:
        """The inbox belongs to the store, which closes it."""
        self._inbox = inbox

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:  # noqa: ARG002
        """Accepted once it lies there."""
        try:
            await self._inbox.put(job.user_id, job.push_id, _encode(document(job)), job.expires_at_ms)
        except Unavailable:
            return Outcome(status=Status.RETRY, provider=NAME, code="redis")
        return Outcome(status=Status.ACCEPTED, provider=NAME)

    async def close(self) -> None:
        """Nothing to close."""
