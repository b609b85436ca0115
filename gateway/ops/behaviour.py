"""What a user did, over HTTP: stores visited, and behaviour events. Kept only of who consented to profiling."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, path_id
from gateway.web.operations import operation
from gateway.web.permissions import Permission


class Visited(msgspec.Struct, frozen=True):
    """A store that the user visited: how many times, and when the latest visits began, newest first."""

    geofence_id: str
    count: int
    recent_at_ms: Sequence[int]


class Reported(msgspec.Struct, frozen=True):
    """A kind of behaviour event: how many were reported, and when first and last."""

    name: str
    count: int
    first_at_ms: int
    last_at_ms: int


class BehaviourAnswer(msgspec.Struct, frozen=True):
    """Stores, the latest visited first, and events by name."""

    visits: list[Visited]
    events: list[Reported]


@operation("GET", "/v1/users/{user_id}/behaviour", needs=Permission.EXPORT_USERS, answer=BehaviourAnswer)
async def behaviour_of_user(request: web.Request) -> web.StreamResponse:
    """Get what a user did: stores visited, the latest first, and behaviour events.

    Nothing is kept of who has not consented to profiling.
    """
    user_id = path_id(request, "user_id")
    request[IDENTITY].speak_for(user_id)
    habits = await request.app[CONTEXT].store.behaviour.get(user_id)
    visits = [Visited(store, held.count, held.recent_at_ms[::-1]) for store, held in habits.visits.items()]
    visits.sort(key=lambda visited: max(visited.recent_at_ms, default=0), reverse=True)
    return json_answer(
        BehaviourAnswer(
            visits,
            [
                Reported(name, held.count, held.first_at_ms, held.last_at_ms)
                for name, held in sorted(habits.events.items())
            ],
        )
    )


OPERATIONS = (behaviour_of_user,)
