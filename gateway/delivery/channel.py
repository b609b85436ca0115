"""What every way to a shopper has in common: a device, a send, and an outcome that is a value.

A channel never raises for what a provider or a network does: it answers with an Outcome, whose status says what
to do next. Retries, breakers and pacing live above the channels; encoding and transport below.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from gateway.delivery.job import PushJob


class Status(StrEnum):
    """What an attempt came to, and so what to do next."""

    ACCEPTED = "accepted"
    """The provider has it: acknowledge."""
    TERMINAL = "terminal"
    """This device will never take it: next device, else refund."""
    RETRY = "retry"
    """Nothing wrong with the push: try again, later."""
    REAUTHENTICATE = "reauthenticate"
    """The provider refused our credentials: renew them once, then try again."""
    EXPIRED = "expired"
    """Its time passed before a provider accepted it: refund."""


class TokenState(StrEnum):
    """What the outcome says about the device's token."""

    GOOD = "good"
    GONE = "gone"
    """The app is uninstalled or the token replaced: remove it, unless registered again since."""
    WRONG = "wrong"
    """Malformed, or of another app or sender: a mistake of configuration; flag it."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a user. ``app`` names the app (APNs topic, FCM project) where several run side by side."""

    device_id: str
    platform: str
    token: str
    registered_at_ms: int = 0
    app: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one attempt. ``code`` is the provider's own word (``Unregistered``, ``QUOTA_EXCEEDED``) or ours.

    ``retry_after_s`` is the provider's wish, where it has one. ``token_invalid_since_ms`` is the instant from which
    the provider calls the token gone (0 where it does not say).
    """

    status: Status
    provider: str
    code: str = ""
    detail: str = ""
    retry_after_s: float | None = None
    token_state: TokenState = TokenState.GOOD
    token_invalid_since_ms: int = 0
    is_in_doubt: bool = False
    """A RETRY of a request that was sent and never answered: the provider may have the push all the same."""
    broke_connection: bool = False
    """The connection, or the stream in it, broke under this push and perhaps under others."""
    is_about_device: bool = False
    """A RETRY that says nothing of the provider's health: this one device has had too many."""


def by_status(provider: str, status: int, code: str, retry_after_s: float | None = None) -> Outcome:
    """What a plain HTTP status means where the provider has no finer word."""
    code = code or f"status_{status}"
    if 200 <= status < 300:
        return Outcome(status=Status.ACCEPTED, provider=provider)
    if status in {408, 425, 429} or status >= 500:
        return Outcome(status=Status.RETRY, provider=provider, code=code, retry_after_s=retry_after_s)
    return Outcome(status=Status.TERMINAL, provider=provider, code=code)


class Channel(Protocol):
    """A way to a shopper. ``name`` equals the ``platform`` of the devices it serves."""

    name: str

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """Attempts one delivery, once. Raises nothing but CancelledError.

        ``alone`` asks for a connection of its own: this push is suspected of breaking those it shares.
        """
        ...

    async def close(self) -> None:
        """Closes connections. Called when nothing is in flight any more."""
        ...
