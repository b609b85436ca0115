"""In-app offers over HTTP: what waits for a user, and that it was seen."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import NotFound
from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, path_id
from gateway.web.operations import operation
from gateway.web.permissions import Permission


class WaitingOffers(msgspec.Struct, frozen=True):
    """Offers that wait in the app: push_id, offer_id, geofence_id, message, expires_at_ms of each."""

    items: list[dict[str, Any]]


@operation("GET", "/v1/users/{user_id}/offers", needs=Permission.USE_INBOX, answer=WaitingOffers)
async def list_waiting(request: web.Request) -> web.StreamResponse:
    """List the in-app offers that wait for a user; each waits until it is reported as seen, or stale."""
    user_id = _own_user(request)
    waiting = await request.app[CONTEXT].store.inbox.waiting([user_id], now_ms())
    return json_answer({"items": [msgspec.Raw(document) for document in waiting.get(user_id, ())]})


@operation("DELETE", "/v1/users/{user_id}/offers/{push_id}", needs=Permission.USE_INBOX, status=204)
async def mark_seen(request: web.Request) -> web.StreamResponse:
    """Report an in-app offer as seen: it waits no longer."""
    if not await request.app[CONTEXT].store.inbox.seen(_own_user(request), path_id(request, "push_id")):
        raise NotFound("no such offer waits for this user")
    return web.Response(status=204)


OPERATIONS = (list_waiting, mark_seen)


def _own_user(request: web.Request) -> str:
    """The user in the path. Raises Forbidden where the key speaks for another."""
    user_id = path_id(request, "user_id")
    request[IDENTITY].speak_for(user_id)
    return user_id
