"""Who is asking: bearer API keys, their scopes, and the user that a token may be bound to.

A verified key is remembered for ``REMEMBER_S``, so that the hot path asks Redis about it once, not once a request;
that is also the longest that a revoked key still opens anything.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import web

from gateway.errors import Forbidden, Unauthorized

REMEMBER_S = 5.0
"""Seconds that a verification is remembered: one Redis call per key and worker in 5 s, soon over after revoking."""
MAX_REMEMBERED = 10_000
"""Keys remembered at once."""
SCOPES = ("ingest", "events", "ops", "admin")
"""What a key may be allowed: send pings and register devices, report events, run operations, hand out keys."""


class Identity(msgspec.Struct, frozen=True):
    """Who is asking. ``user_id`` is set where the credential speaks for one user only."""

    key_id: str
    name: str
    scopes: frozenset[str]
    user_id: str | None = None

    def require(self, scopes: frozenset[str]) -> None:
        """Raise Forbidden unless one of ``scopes`` is held; admin holds them all."""
        if self.scopes.isdisjoint(scopes) and "admin" not in self.scopes:
            wanted, held = " or ".join(sorted(scopes)), ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(f"this key lacks the scope {wanted}; its scopes are {held}")

    def speak_for(self, user_id: str) -> None:
        """Raise Forbidden where the credential is bound to another user."""
        if self.user_id is not None and self.user_id != user_id:
            raise Forbidden("this credential speaks for another user")


class Verifier(Protocol):
    """Turns a secret into an identity, or None if it is unknown, expired or revoked."""

    def __call__(self, secret: str) -> Awaitable[Identity | None]:
        """Look the secret up."""
        ...


class Doorkeeper:
    """Verifies bearer secrets with a short memory."""

    def __init__(self, verify: Verifier, clock: Callable[[], float] = time.monotonic) -> None:
        """``verify`` asks the store; ``clock`` gives monotonic seconds."""
        self._verify = verify
        self._clock = clock
        self._known: dict[str, tuple[float, Identity]] = {}

    def known(self, header: str) -> Identity | None:
        """The identity behind an Authorization header that was admitted within ``REMEMBER_S``; None to ask anew."""
        held = self._known.get(header)
        return held[1] if held is not None and held[0] > self._clock() else None

    async def admit(self, request: web.Request, scopes: frozenset[str]) -> Identity:
        """The identity behind the Authorization header. Raises Unauthorized, or Forbidden without one of ``scopes``."""
        header = request.headers.get("Authorization", "")
        identity = self.known(header)
        if identity is None:
            identity = await self._asked(header)
        if scopes.isdisjoint(identity.scopes):
            identity.require(scopes)
        return identity

    async def _asked(self, header: str) -> Identity:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthorized("send an API key: Authorization: Bearer <key>")
        identity = await self._verify(secret.strip())
        if identity is None:
            raise Unauthorized("this API key is unknown, expired or revoked")
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[header] = (self._clock() + REMEMBER_S, identity)
        return identity

    def forget(self) -> None:
        """Ask anew about every key: after this worker has revoked one."""
        self._known.clear()


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)
IDENTITY = web.RequestKey("identity", Identity)
