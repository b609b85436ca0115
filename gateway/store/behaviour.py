"""What shoppers do: behaviour events in sliding windows, and visits. Kept only of who consented to profiling.

How events add up is ``rules.behaviour``'s; here they are made durable, once each, so that the next ping sees them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.errors import Conflict
from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.known import Known
from gateway.store.profiles import Profiles
from gateway.store.scripts import PUT_BEHAVIOUR
from gateway.store.users import Habits
from gateway.store.versioned import MAX_RACES, VERSION_BYTES, Versioned
from rules.behaviour import VisitRecord, with_event, with_visit

KEPT_MS: Final = 400 * 86_400_000
"""How long the behaviour of a user is kept after his last event or visit."""
REMEMBERED_IDS: Final = 64
"""Idempotency keys remembered per user: an app repeats what it just sent, not what it sent long ago."""
MAX_STORES: Final = 200
"""Stores whose visits are remembered per user; the one visited longest ago makes room."""

_encode = msgspec.msgpack.Encoder().encode


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
        self._connection = connection
        self._partitions = partitions
        self._profiles = profiles
        self._documents = Versioned(connection, Habits)

    async def get(self, user_id: str) -> Habits:
        """What is kept of one user."""
        return await self._documents.get(self._key(user_id)) or Habits()

    async def record(self, events: Sequence[Event]) -> list[Recorded]:
        """Add events to their users' behaviour; answers what became of each, in order."""
        outcomes = [Recorded.NO_CONSENT] * len(events)
        places: dict[str, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(event.user_id, []).append(place)

        def add(user_id: str, habits: Habits) -> Habits:
            for place in places[user_id]:
                habits, outcomes[place] = _with_event(habits, events[place])
            return habits

        for user_id in await self._change(places, add, {}):
            for place in places[user_id]:
                outcomes[place] = Recorded.NO_CONSENT
        return outcomes

    async def record_visits(self, visits: Iterable[tuple[str, str, int]], known: Mapping[str, Known] = {}) -> None:
        """Add visits (user, geofence, entered_at_ms) to the behaviour of users who consented; the same counts once.

        ``known`` is what was read of them; who is missing there is read.
        """
        by_user: dict[str, list[tuple[str, int]]] = {}
        for user_id, geofence_id, entered_at_ms in visits:
            by_user.setdefault(user_id, []).append((geofence_id, entered_at_ms))

        def add(user_id: str, habits: Habits) -> Habits:
            held = habits.visits
            for geofence_id, entered_at_ms in by_user[user_id]:
                held = _bounded(with_visit(held, geofence_id, entered_at_ms))
            return habits if held is habits.visits else msgspec.structs.replace(habits, visits=held)

        await self._change(by_user, add, known)

    async def _change(
        self, user_ids: Iterable[str], change: Callable[[str, Habits], Habits], known: Mapping[str, Known]
    ) -> set[str]:
        """Put ``change(user, habits)`` in the place of the habits of those who consented; answers who did not.

        Raises Conflict when a user is changed by too many others at once.
        """
        pending = list(user_ids)
        refused: set[str] = set()
        for _ in range(MAX_RACES):
            unread = [user_id for user_id in pending if user_id not in known]
            if unread:
                known = {**known, **await self._profiles.load_known(unread)}
            consenting = [user_id for user_id in pending if known[user_id].is_profiled]
            refused.update(set(pending).difference(consenting))
            written = []
            for user_id in consenting:
                habits = change(user_id, known[user_id].habits)
                if habits is not known[user_id].habits:
                    written.append((known[user_id], habits))
            pending = await self._put(written)
            if not pending:
                return refused
            known = {}
        raise Conflict("this user is being changed by too many others at once; try again")

    async def _put(self, written: Sequence[tuple[Known, Habits]]) -> list[str]:
        """Write habits in the place of those that were read; answers the users of whom something had changed.

        One script call, or one per partition in a cluster.
        """
        calls = [written] if written else []
        if self._connection.is_cluster:
            groups: dict[int, list[tuple[Known, Habits]]] = {}
            for one in written:
                groups.setdefault(keys.partition_of(one[0].user_id, self._partitions), []).append(one)
            calls = list(groups.values())
        replies = await self._connection.run_many(PUT_BEHAVIOUR, [self._put_call(call) for call in calls])
        return [call[place][0].user_id for call, lost in zip(calls, replies, strict=True) for place in lost]

    def _put_call(self, written: Sequence[tuple[Known, Habits]]) -> tuple[Sequence[str], Sequence[Arg]]:
        names: list[str] = []
        args: list[Arg] = [KEPT_MS]
        for known, habits in written:
            partition = keys.partition_of(known.user_id, self._partitions)
            names += (keys.profile(partition, known.user_id), keys.behaviour(partition, known.user_id))
            args += (*known.versions, secrets.token_bytes(VERSION_BYTES) + _encode(habits))
        return names, args

    def _key(self, user_id: str) -> str:
        return keys.behaviour(keys.partition_of(user_id, self._partitions), user_id)


def _with_event(habits: Habits, event: Event) -> tuple[Habits, Recorded]:
    if event.event_id and event.event_id in habits.recent_ids:
        return habits, Recorded.DUPLICATE
    recent = (*habits.recent_ids, event.event_id)[-REMEMBERED_IDS:] if event.event_id else habits.recent_ids
    events = with_event(habits.events, event.name, event.at_ms, event.value, event.properties)
    return msgspec.structs.replace(habits, events=events, recent_ids=recent), Recorded.RECORDED


def _bounded(visits: Mapping[str, VisitRecord]) -> Mapping[str, VisitRecord]:
    if len(visits) <= MAX_STORES:
        return visits
    longest_ago = min(visits, key=lambda store: visits[store].recent_at_ms[-1:] or (0,))
    return {store: visit for store, visit in visits.items() if store != longest_ago}
