"""Signing in to the console: an API key for a session, whose secret only the browser's cookie jar holds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.errors import NotFound, TooManyRequests, Unauthorized, UnsupportedMediaType
from gateway.store.sessions import ATTEMPT_WINDOW_S
from gateway.web.auth import (
    DOORKEEPER,
    IDENTITY,
    SECURE_SESSION_COOKIE,
    SESSION_COOKIE,
    Identity,
    csrf_of,
    identity_of,
    session_token,
)
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.origin import address_of, is_https
from gateway.web.permissions import Permission

MAX_FAILURES = 10
"""Wrong keys within a minute from one address: typing errors of a whole office, not a guesser's pace."""
MAX_BODY_BYTES = 4_096
_PRIVATE = {"Cache-Control": "no-store"}


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The API key to sign in with."""

    key: Annotated[str, Meta(min_length=1, max_length=200)]


class Session(msgspec.Struct, frozen=True):
    """Who is signed in and what he may do. ``csrf_token`` goes with every change as the header X-CSRF-Token.

    ``role`` is null for a machine's key. ``tags`` bound what store operations may touch. Without a session, that is
    with a key as bearer, ``csrf_token`` is empty and ``ends_at_ms`` is 0.
    """

    key_id: str
    name: str
    role: str | None
    scopes: list[str]
    permissions: list[Permission]
    tags: list[str]
    csrf_token: str = ""
    ends_at_ms: int = 0


@operation(
    "POST",
    "/v1/session",
    body=SignIn,
    answer=Session,
    status=201,
    also=(401, 403, 429, 503),
    example={"key": "gp_…"},
)
async def sign_in(request: web.Request) -> web.StreamResponse:
    """Sign in: exchange an API key for a session, which a cookie carries that no script can read.

    Every change within the session needs the answer's ``csrf_token`` as the header ``X-CSRF-Token``. The session ends
    when it is not used for ``session_idle_s``, after ``session_longest_s``, and with its key.
    """
    store, settings = request.app[CONTEXT].store, request.app[CONTEXT].settings
    if request.content_type != "application/json":  # what a form on another site cannot send
        raise UnsupportedMediaType("send the key as application/json")
    secret = decode_document(await read_body(request, MAX_BODY_BYTES), SignIn).key.strip()
    place = store.activity.pseudonym(address_of(request))
    if await store.sessions.failed(place) >= MAX_FAILURES:
        raise TooManyRequests("too many wrong keys from this address; wait a minute", retry_after_s=ATTEMPT_WINDOW_S)
    key = await store.api_keys.verify(secret)
    if key is None:
        await store.sessions.fail(place)
        raise Unauthorized("this API key is unknown, expired or revoked")
    identity = identity_of(key)
    identity.require(Permission.SIGN_IN)
    token, ends_at_ms = await store.sessions.open(secret)
    answer = json_answer(_shown(identity, token, ends_at_ms), status=201, headers=_PRIVATE)
    is_secure = is_https(request)
    answer.set_cookie(
        SECURE_SESSION_COOKIE if is_secure else SESSION_COOKIE,
        token,
        max_age=int(settings.session_longest_s),
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="Strict",
    )
    return answer


@operation("GET", "/v1/session", needs=Permission.SIGN_IN, answer=Session)
async def who_am_i(request: web.Request) -> web.StreamResponse:
    """Tell who is asking, with what role, permissions and tags; within a session also its CSRF token."""
    token = session_token(request)
    session = None if token is None else await request.app[CONTEXT].store.sessions.find(token)
    ends_at_ms = 0 if session is None else session[1]
    return json_answer(_shown(request[IDENTITY], token or "", ends_at_ms), headers=_PRIVATE)


@operation("DELETE", "/v1/session", needs=Permission.SIGN_IN, status=204, also=(404,))
async def sign_out(request: web.Request) -> web.StreamResponse:
    """Sign out: end the session, at once in the process that answers, within five seconds in all others."""
    token = session_token(request)
    if token is None:
        raise NotFound("this request came with a key, in no session; a key is revoked by DELETE /v1/keys/{key_id}")
    await request.app[CONTEXT].store.sessions.close(token)
    request.app[DOORKEEPER].forget()
    answer = web.Response(status=204)
    for name in (SECURE_SESSION_COOKIE, SESSION_COOKIE):
        is_secure = name == SECURE_SESSION_COOKIE
        answer.del_cookie(name, path="/", secure=is_secure, httponly=True, samesite="Strict")
    return answer


OPERATIONS = (sign_in, who_am_i, sign_out)


def _shown(identity: Identity, token: str, ends_at_ms: int) -> Session:
    return Session(
        key_id=identity.key_id,
        name=identity.name,
        role=identity.role,
        scopes=sorted(identity.scopes),
        permissions=sorted(identity.permissions),
        tags=sorted(identity.tags),
        csrf_token=csrf_of(token) if token else "",
        ends_at_ms=ends_at_ms,
    )
