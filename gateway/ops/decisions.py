"""Decisions looked up afterwards: why this push was sent, and why this shopper got none.

By a push or by an event's ``decision_id`` nobody is named: the trace comes without its user's id.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import NotFound
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, page_limit, path_id
from gateway.web.operations import operation
from gateway.web.permissions import Permission

_GONE = "of this id no trace is kept; see the setting decision_trace_ttl_s"
MAX_NAME_LENGTH = 1_000
"""Longest decision_id: one of a user with the longest id."""


class DecisionTrace(msgspec.Struct, frozen=True):
    """One decision: every candidate with its transition, each gate's verdict, and what became of it."""

    at_ms: int
    catalog_version: int
    push_ids: list[str]
    candidates: list[dict[str, Any]]


class DecisionList(msgspec.Struct, frozen=True):
    """A user's latest decisions, newest first."""

    items: list[DecisionTrace]


class _Moment(msgspec.Struct, frozen=True):
    at_ms: int


_decode = msgspec.json.Decoder(DecisionTrace).decode
_moment = msgspec.json.Decoder(_Moment).decode


@operation("GET", "/v1/pushes/{push_id}/decision", needs=Permission.READ_DECISIONS, answer=DecisionTrace)
async def decision_of_push(request: web.Request) -> web.StreamResponse:
    """Get the decision that made a push."""
    body = await request.app[CONTEXT].store.traces.of_push(path_id(request, "push_id"))
    if body is None:
        raise NotFound(_GONE)
    return json_answer(_unnamed(body))


@operation("GET", "/v1/decisions/{decision_id}", needs=Permission.READ_DECISIONS, answer=DecisionTrace)
async def decision_of_event(request: web.Request) -> web.StreamResponse:
    """Get the decision that an activity event tells of by its ``decision_id``, whether it made a push or not.

    The latest fifty of a user are kept, for as long as ``decision_trace_ttl_s`` says.
    """
    store, name = request.app[CONTEXT].store, request.match_info["decision_id"]
    decided = store.activity.decided(name) if len(name) <= MAX_NAME_LENGTH else None
    if decided is None:
        raise NotFound("this is no decision_id of an activity event")
    user_id, at_ms = decided
    for body in await store.traces.of_user(user_id):
        if _moment(body).at_ms == at_ms:
            return json_answer(_unnamed(body))
    raise NotFound(_GONE)


@operation("GET", "/v1/users/{user_id}/decisions", needs=Permission.EXPORT_USERS, answer=DecisionList)
async def decisions_of_user(request: web.Request) -> web.StreamResponse:
    """List a user's latest decisions, newest first, with every gate's verdict."""
    limit = page_limit(request)
    bodies = await request.app[CONTEXT].store.traces.of_user(path_id(request, "user_id"), limit)
    return json_answer({"items": [msgspec.Raw(body) for body in bodies]})


OPERATIONS = (decision_of_push, decision_of_event, decisions_of_user)


def _unnamed(body: bytes) -> DecisionTrace:
    trace = _decode(body)
    for candidate in trace.candidates:
        candidate.get("transition", {}).pop("user_id", None)
    return trace
