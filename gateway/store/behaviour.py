"""What shoppers do: behaviour events in sliding windows, and visits. Kept only of who consented to profiling.

How events add up is ``rules.behaviour``'s; here they are made durable, once each, so that the next ping sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.profiles import Profiles
from gateway.store.users import Habits
from gateway.store.versioned import Versioned
from rules.behaviour import VisitRecord, with_event, with_visit

KEPT_MS: Final = 400 * 86_400_000
"""How long the behaviour of a user is kept after his last event or visit."""
REMEMBERED_IDS: Final = 64
"""Idempotency keys remembered per user: an app repeats what it just sent, not what it sent long ago."""
MAX_STORES: Final = 200
"""Stores whose visits are remembered per user; the one visited longest ago makes room."""


class Recorded(StrEnum):
    """What became of an event."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    NO_CONSENT = "no_consent"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something a user did: ``viewed``, ``cart_abandoned``, ``purchase``, any name.

    ``event_id`` is the caller's idempotency key; an event without one is never taken for a repeat.
    """

    user_id: str
    name: str
    at_ms: int
    value: float = 0.0
    properties: Mapping[str, Any] = {}
    event_id: str = ""


class Behaviour:
    """Records events and visits."""

    def __init__(self, connection: Connection, partitions: int, profiles: Profiles) -> None:
        self._partitions = partitions
        self._profiles = profiles
        self._documents = Versioned(connection, Habits, kept_ms=KEPT_MS)

    async def get(self, user_id: str) -> Habits:
        """What is kept of one user."""
        return await self._documents.get(self._key(user_id)) or Habits()

    async def record(self, events: Sequence[Event]) -> list[Recorded]:
        """Add events to their users' behaviour; answers what became of each, in order."""
        consenting = await self._consenting(event.user_id for event in events)
        outcomes = [Recorded.NO_CONSENT] * len(events)
        places: dict[str, list[int]] = {}
        for place, event in enumerate(events):
            if event.user_id in consenting:
                places.setdefault(event.user_id, []).append(place)

        def adding(mine: list[int]) -> Callable[[Habits | None], Habits]:
            def add(old: Habits | None) -> Habits:
                habits = old or Habits()
                for place in mine:
                    habits, outcomes[place] = _with_event(habits, events[place])
                return habits

            return add

        await self._documents.change_many({self._key(user): adding(mine) for user, mine in places.items()})
        return outcomes

    async def record_visits(self, visits: Iterable[tuple[str, str, int]]) -> None:
        """Add visits (user, geofence, entered_at_ms) to the behaviour of users who consented; the same counts once."""
        by_user: dict[str, list[tuple[str, int]]] = {}
        for user_id, geofence_id, entered_at_ms in visits:
            by_user.setdefault(user_id, []).append((geofence_id, entered_at_ms))
        consenting = await self._consenting(by_user)

        def adding(mine: list[tuple[str, int]]) -> Callable[[Habits | None], Habits]:
            def add(old: Habits | None) -> Habits:
                habits = old or Habits()
                held = habits.visits
                for geofence_id, entered_at_ms in mine:
                    held = _bounded(with_visit(held, geofence_id, entered_at_ms))
                return msgspec.structs.replace(habits, visits=held)

            return add

        await self._documents.change_many({self._key(user): adding(by_user[user]) for user in consenting})

    async def _consenting(self, user_ids: Iterable[str]) -> set[str]:
        wanted = sorted(set(user_ids))
        return {
            user_id for user_id, user in (await self._profiles.load(wanted)).items() if user.consent.profiling.granted
        }

    def _key(self, user_id: str) -> str:
        return keys.behaviour(keys.partition_of(user_id, self._partitions), user_id)


def _with_event(habits: Habits, event: Event) -> tuple[Habits, Recorded]:
    if event.event_id and event.event_id in habits.recent_ids:
        return habits, Recorded.DUPLICATE
    recent = (*habits.recent_ids, event.event_id)[-REMEMBERED_IDS:] if event.event_id else habits.recent_ids
    events = with_event(habits.events, event.name, event.at_ms, event.value, event.properties)
    return msgspec.structs.replace(habits, events=events, recent_ids=recent), Recorded.RECORDED


def _bounded(visits: dict[str, VisitRecord]) -> dict[str, VisitRecord]:
    if len(visits) > MAX_STORES:
        del visits[min(visits, key=lambda store: visits[store].recent_at_ms[-1:] or (0,))]
    return visits
