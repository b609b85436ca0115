"""Decisions looked up afterwards: why this push was sent, and why this shopper got none."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.errors import NotFound
from gateway.web.context import CONTEXT
from gateway.web.documents import page_limit, path_id
from gateway.web.operations import operation
from gateway.web.permissions import Permission


class DecisionTrace(msgspec.Struct, frozen=True):
    """One decision: every candidate with its transition, each gate's verdict, and what became of it."""

    at_ms: int
    catalog_version: int
    push_ids: list[str]
    candidates: list[dict[str, object]]


class DecisionList(msgspec.Struct, frozen=True):
    """A user's latest decisions, newest first."""

    items: list[msgspec.Raw]


@operation("GET", "/v1/pushes/{push_id}/decision", needs=Permission.READ_DECISIONS, answer=DecisionTrace)
async def decision_of_push(request: web.Request) -> web.StreamResponse:
    """Get the decision that made a push."""
    body = await request.app[CONTEXT].store.traces.of_push(path_id(request, "push_id"))
    if body is None:
        raise NotFound("no trace is kept of a push of this id; see the setting decision_trace_ttl_s")
    return web.Response(body=body, content_type="application/json")


@operation("GET", "/v1/users/{user_id}/decisions", needs=Permission.READ_USERS, answer=DecisionList)
async def decisions_of_user(request: web.Request) -> web.StreamResponse:
    """List a user's latest decisions, newest first, with every gate's verdict."""
    limit = page_limit(request)
    bodies = await request.app[CONTEXT].store.traces.of_user(path_id(request, "user_id"), limit)
    answer = DecisionList([msgspec.Raw(body) for body in bodies])
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


OPERATIONS = (decision_of_push, decisions_of_user)
