"""API keys over HTTP: made, listed, rotated, revoked. A secret is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.errors import Conflict, InvalidDocument, NotFound
from gateway.ops import audit
from gateway.store.api_keys import ApiKey
from gateway.web.auth import DOORKEEPER
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, path_id
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import TAGGED_ROLE, Permission, permissions_of

Scope = Literal["ingest", "events", "ops", "admin"]
Role = Literal["viewer", "store_ops", "marketer", "approver", "privacy", "admin"]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]

MAX_OVERLAP_S = 30 * 86_400
"""Longest that a rotated secret goes on opening: a month of app releases."""


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make: a ``role`` for a person, ``scopes`` for a machine. ``expires_at_ms`` 0 is never.

    ``tags`` are those of the geofences that store operations may touch. With ``user_id`` a machine's key speaks for
    that user only.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: tuple[Scope, ...] = ()
    role: Role | None = None
    tags: Annotated[tuple[Tag, ...], Meta(max_length=100)] = ()
    user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    expires_at_ms: Annotated[int, Meta(ge=0)] = 0


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the secret that is replaced goes on opening."""

    overlap_s: Annotated[int, Meta(ge=0, le=MAX_OVERLAP_S)] = 3600


class KeyDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key; ``secret`` only in the answer to its making or rotation."""

    key_id: str
    name: str
    scopes: list[str]
    created_at_ms: int
    role: str | None = None
    tags: list[str] = []
    user_id: str | None = None
    expires_at_ms: int = 0
    rotated_at_ms: int = 0
    secret: str = ""


class KeyList(msgspec.Struct, frozen=True):
    """All keys, without their secrets."""

    items: list[KeyDocument]


@operation(
    "POST",
    "/v1/keys",
    needs=Permission.MANAGE_KEYS,
    body=NewKey,
    answer=KeyDocument,
    status=201,
    example={"name": "Mia, Helsinki stores", "role": "store_ops", "tags": ["helsinki"]},
)
async def make_key(request: web.Request) -> web.StreamResponse:
    """Make an API key, for a person with a role or for a machine with scopes; only this answer shows its secret."""
    context = request.app[CONTEXT]
    wanted = decode_document(await read_body(request, context.settings.max_body_bytes), NewKey)
    _check(wanted)
    key, secret = await context.store.api_keys.create(
        wanted.scopes,
        wanted.name,
        role=wanted.role,
        tags=wanted.tags,
        user_id=wanted.user_id,
        expires_at_ms=wanted.expires_at_ms,
    )
    user = key.user_id and context.store.activity.pseudonym(key.user_id)
    shown = msgspec.structs.replace(_shown(key), user_id=user)
    await audit.record(request, "make", f"keys/{key.key_id}", after=shown)
    return json_answer(_shown(key, secret), status=201)


@operation("GET", "/v1/keys", needs=Permission.MANAGE_KEYS, answer=KeyList)
async def list_keys(request: web.Request) -> web.StreamResponse:
    """List all API keys, oldest first, without their secrets."""
    return json_answer(KeyList([_shown(key) for key in await request.app[CONTEXT].store.api_keys.list()]))


@operation("DELETE", "/v1/keys/{key_id}", needs=Permission.MANAGE_KEYS, status=204, also=(409,))
async def revoke_key(request: web.Request) -> web.StreamResponse:
    """Revoke an API key and its sessions: at once in the process that answers, within five seconds in all others.

    The last key that may manage keys stays: without it nobody could let anybody in again.
    """
    key_id = path_id(request, "key_id")
    await _refuse_the_last(request, key_id)
    if not await request.app[CONTEXT].store.api_keys.revoke(key_id):
        raise NotFound(f"no key has the id {key_id[:40]!r}")
    request.app[DOORKEEPER].forget()
    await audit.record(request, "revoke", f"keys/{key_id}")
    return web.Response(status=204)


@operation(
    "POST",
    "/v1/keys/{key_id}/rotate",
    needs=Permission.MANAGE_KEYS,
    body=Rotation,
    answer=KeyDocument,
    example={"overlap_s": 86_400},
)
async def rotate_key(request: web.Request) -> web.StreamResponse:
    """Give a key a new secret, which only this answer shows; the old one goes on opening for ``overlap_s``."""
    context, key_id = request.app[CONTEXT], path_id(request, "key_id")
    wanted = decode_document(await read_body(request, context.settings.max_body_bytes), Rotation)
    rotated = await context.store.api_keys.rotate(key_id, wanted.overlap_s)
    if rotated is None:
        raise NotFound(f"no key has the id {key_id[:40]!r}")
    request.app[DOORKEEPER].forget()
    await audit.record(request, "rotate", f"keys/{key_id}", after={"overlap_s": wanted.overlap_s})
    return json_answer(_shown(*rotated))


OPERATIONS = (make_key, list_keys, revoke_key, rotate_key)


async def _refuse_the_last(request: web.Request, key_id: str) -> None:
    """Raise Conflict for the only key that may still manage keys."""
    at_ms = now_ms()
    managing = {
        key.key_id
        for key in await request.app[CONTEXT].store.api_keys.list()
        if Permission.MANAGE_KEYS in permissions_of(key.role, key.scopes) and not 0 < key.expires_at_ms <= at_ms
    }
    if managing == {key_id}:
        raise Conflict("this is the last key that may manage keys; make another one first")


def _check(wanted: NewKey) -> None:
    """Raise InvalidDocument for a key that would open nothing, or mean two things."""
    if wanted.role is None and not wanted.scopes:
        raise InvalidDocument("a key needs a role, if it is a person's, or scopes, if a machine's", pointer="/scopes")
    if (wanted.role == TAGGED_ROLE) != bool(wanted.tags):
        detail = f"tags belong to the role {TAGGED_ROLE}, which needs at least one; no other key has any"
        raise InvalidDocument(detail, pointer="/tags")
    if wanted.role is not None and wanted.user_id is not None:
        raise InvalidDocument("only a machine's key, with scopes and no role, speaks for one user", pointer="/user_id")


def _shown(key: ApiKey, secret: str = "") -> KeyDocument:
    return KeyDocument(
        key_id=key.key_id,
        name=key.name,
        scopes=sorted(key.scopes),
        created_at_ms=key.created_at_ms,
        role=key.role,
        tags=sorted(key.tags),
        user_id=key.user_id,
        expires_at_ms=key.expires_at_ms,
        rotated_at_ms=key.rotated_at_ms,
        secret=secret,
    )
