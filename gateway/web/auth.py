"""Who is asking: bearer API keys, their scopes, and the user that a token may be bound to."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.errors import Forbidden, Unauthorized
from gateway.web.remembering import Remembering

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


class Doorkeeper:
    """Verifies bearer keys with a short memory."""

    def __init__(
        self, verify: Callable[[str], Awaitable[Identity | None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``verify`` asks who a secret is; ``clock`` gives monotonic seconds."""
        self._verify = verify
        self._remembered = Remembering(self._ask, clock)

    async def admit(self, request: web.Request, scopes: frozenset[str]) -> Identity:
        """The identity behind the Authorization header. Raises Unauthorized, or Forbidden without one of ``scopes``."""
        header = request.headers.get("Authorization", "")
        identity = self._remembered.known(header) or await self._remembered.find(header)
        if identity is None:
            raise Unauthorized("this API key is unknown, expired or revoked")
        if scopes.isdisjoint(identity.scopes):
            identity.require(scopes)
        return identity

    async def _ask(self, header: str) -> Identity | None:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthorized("send an API key: Authorization: Bearer <key>")
        return await self._verify(secret.strip())

    def forget(self) -> None:
        """Ask anew about every key: after this worker has revoked one."""
        self._remembered.forget()


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)
IDENTITY = web.RequestKey("identity", Identity)
