"""API keys over HTTP: made, listed, revoked. A secret is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.errors import NotFound
from gateway.ops import audit
from gateway.store.api_keys import ApiKey
from gateway.web.auth import DOORKEEPER
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import Permission

Scope = Literal["ingest", "events", "ops", "admin"]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make. With ``user_id`` it speaks for that user only; ``expires_at_ms`` 0 is never."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    expires_at_ms: Annotated[int, Meta(ge=0)] = 0


class KeyDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key; ``secret`` only in the answer to its making."""

    key_id: str
    name: str
    scopes: list[str]
    created_at_ms: int
    user_id: str | None = None
    expires_at_ms: int = 0
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
    example={"name": "phones", "scopes": ["ingest"]},
)
async def make_key(request: web.Request) -> web.StreamResponse:
    """Make an API key; its secret is shown in this answer only."""
    context = request.app[CONTEXT]
    wanted = decode_document(await read_body(request, context.settings.max_body_bytes), NewKey)
    key, secret = await context.store.api_keys.create(
        wanted.scopes, wanted.name, user_id=wanted.user_id, expires_at_ms=wanted.expires_at_ms
    )
    await audit.record(request, "make", f"keys/{key.key_id}", after=_shown(key))
    return json_answer(_shown(key, secret), status=201)


@operation("GET", "/v1/keys", needs=Permission.MANAGE_KEYS, answer=KeyList)
async def list_keys(request: web.Request) -> web.StreamResponse:
    """List all API keys, oldest first, without their secrets."""
    return json_answer(KeyList([_shown(key) for key in await request.app[CONTEXT].store.api_keys.list()]))


@operation("DELETE", "/v1/keys/{key_id}", needs=Permission.MANAGE_KEYS, status=204)
async def revoke_key(request: web.Request) -> web.StreamResponse:
    """Revoke an API key: at once in the process that answers, within five seconds in all others."""
    key_id = request.match_info["key_id"]
    if not await request.app[CONTEXT].store.api_keys.revoke(key_id):
        raise NotFound(f"no key has the id {key_id[:40]!r}")
    request.app[DOORKEEPER].forget()
    await audit.record(request, "revoke", f"keys/{key_id}")
    return web.Response(status=204)

OPERATIONS = (make_key, list_keys, revoke_key)


def _shown(key: ApiKey, secret: str = "") -> KeyDocument:
    return KeyDocument(
        key.key_id, key.name, sorted(key.scopes), key.created_at_ms, key.user_id, key.expires_at_ms, secret
    )
