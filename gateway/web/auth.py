"""Who is asking: an API key or token as bearer, or a console's session as cookie; and what each may do.

A cookie is sent by the browser whoever made it send the request, so what changes something must also bring the
session's CSRF token, which only a page of ours can read. It is derived from the session's own secret, so that nothing
more is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.errors import Forbidden, Unauthorized
from gateway.store.api_keys import ApiKey
from gateway.web.permissions import Permission, holders, permissions_of
from gateway.web.remembering import Remembering

SESSION_COOKIE = "geopush"
"""The session's cookie over plain HTTP, as on a loopback address."""
SECURE_SESSION_COOKIE = f"__Host-{SESSION_COOKIE}"
"""The same over HTTPS: the prefix makes browsers refuse one that another host or a plain page planted."""
CSRF_HEADER = "X-CSRF-Token"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""


class Identity(msgspec.Struct, frozen=True):
    """Who is asking. ``user_id`` is set where the credential speaks for one user only.

    ``tags`` are those of the geofences that a key of store operations may touch.
    """

    key_id: str
    name: str
    permissions: frozenset[Permission]
    user_id: str | None = None
    role: str | None = None
    scopes: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    @property
    def payer(self) -> str:
        """Whose rate a request counts against: the key's, or of a credential that speaks for one user, that user's."""
        return self.key_id if self.user_id is None else f"{self.key_id}:{self.user_id}"

    def require(self, permission: Permission) -> None:
        """Raise Forbidden, which names the permission and who has it, unless it is held."""
        if permission in self.permissions:
            return
        roles, scopes = holders(permission)
        held = f"its role is {self.role}" if self.role else f"its scopes are {', '.join(sorted(self.scopes)) or 'none'}"
        raise Forbidden(
            f"this key lacks the permission {permission}; {held}. "
            f"The roles {', '.join(roles)} have it, and the scopes {', '.join(scopes)}",
            permission=permission,
            roles=roles,
            scopes=scopes,
        )

    def speak_for(self, user_id: str) -> None:
        """Raise Forbidden where the credential is bound to another user."""
        if self.user_id is not None and self.user_id != user_id:
            raise Forbidden("this credential speaks for another user")


def identity_of(key: ApiKey) -> Identity:
    """Who a key says is asking."""
    return Identity(
        key_id=key.key_id,
        name=key.name,
        permissions=permissions_of(key.role, key.scopes),
        user_id=key.user_id,
        role=key.role,
        scopes=key.scopes,
        tags=key.tags,
    )


def session_token(request: web.Request) -> str | None:
    """The session's secret that the request brings; None without a session or with a bearer key."""
    if "Authorization" in request.headers:
        return None
    return request.cookies.get(SECURE_SESSION_COOKIE) or request.cookies.get(SESSION_COOKIE)


def csrf_of(token: str) -> str:
    """The CSRF token of the session with this secret."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


Verify = Callable[[str], Awaitable[Identity | None]]


class Doorkeeper:
    """Verifies bearer keys and sessions with a short memory."""

    def __init__(self, verify: Verify, resume: Verify, clock: Callable[[], float] = time.monotonic) -> None:
        """``verify`` asks whose a key is, ``resume`` whose a session; ``clock`` gives monotonic seconds."""
        self._verify = verify
        self._keys = Remembering(self._ask, clock)
        self._sessions = Remembering(resume, clock)

    async def admit(self, request: web.Request, needs: Permission) -> Identity:
        """Who sent the request. Raises Unauthorized, or Forbidden where the permission or the CSRF token is missing."""
        header = request.headers.get("Authorization", "")
        identity = self._keys.known(header)
        if identity is None:
            token = session_token(request)
            identity = await (self.identify(header) if token is None else self._in_session(token, request))
        if needs not in identity.permissions:
            identity.require(needs)
        return identity

    def forget(self) -> None:
        """Ask anew about everyone: after this worker has revoked a key or ended a session."""
        self._keys.forget()
        self._sessions.forget()

    def known(self, header: str) -> Identity | None:
        """Who sends this Authorization header, as far as is remembered."""
        return self._keys.known(header)

    async def identify(self, header: str) -> Identity:
        """Who sends this Authorization header; remembered from now on. Raises Unauthorized."""
        identity = await self._keys.find(header)
        if identity is None:
            raise Unauthorized("this API key is unknown, expired or revoked")
        return identity

    async def _in_session(self, token: str, request: web.Request) -> Identity:
        identity = await self._sessions.find(token)
        if identity is None:
            raise Unauthorized("this session has ended; sign in again")
        if request.method not in _SAFE:
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), csrf_of(token).encode()):
                raise Forbidden(f"within a session a change needs the header {CSRF_HEADER}; GET /v1/session tells it")
        return identity

    async def _ask(self, header: str) -> Identity | None:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthorized("send an API key: Authorization: Bearer <key>")
        return await self._verify(secret.strip())


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)
IDENTITY = web.RequestKey("identity", Identity)
