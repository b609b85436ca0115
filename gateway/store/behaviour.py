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
from gateway.store.known import Known, decode_visit
from gateway.store.profiles import Profiles
from gateway.store.scripts import PUT_BEHAVIOUR
from gateway.store.users import Habits, StoredHabits
from gateway.store.versioned import MAX_RACES, VERSION_BYTES, Versioned
from rules.behaviour import VisitRecord, visited, with_event

KEPT_MS: Final = 400 * 86_400_000
"""How long the behaviour of a user is kept after his last event or visit."""
REMEMBERED_IDS: Final = 64
"""Idempotency keys remembered per user: an app repeats what it just sent, not what it sent long ago."""
MAX_STORES: Final = 200
"""Stores whose visits are remembered per user; the one visited longest ago makes room."""

_Habits = Habits | StoredHabits
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

        def add(known: Known) -> Habits | None:
            before = habits = known.habits
            for place in places[known.user_id]:
                habits, outcomes[place] = _with_event(habits, events[place])
            return None if habits is before else habits

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

        await self._change(by_user, lambda one: _with_visits(one.stored_habits, by_user[one.user_id]), known)

    async def _change(
        self, user_ids: Iterable[str], change: Callable[[Known], _Habits | None], known: Mapping[str, Known]
    ) -> set[str]:
        """Put what ``change`` makes of the habits of those who consented in their place; answers who did not.

        What it makes nothing of stays. Raises Conflict when a user is changed by too many others at once.
        """
        pending = list(user_ids)
        refused: set[str] = set()
        for _ in range(MAX_RACES):
            unread = [user_id for user_id in pending if user_id not in known]
            if unread:
                known = {**known, **await self._profiles.load_known(unread)}
            consenting = [user_id for user_id in pending if known[user_id].is_profiled]
            refused.update(set(pending).difference(consenting))
            changed = ((known[user_id], change(known[user_id])) for user_id in consenting)
            written = [(one, habits) for one, habits in changed if habits is not None]
            pending = await self._put(written)
            if not pending:
                return refused
            known = {}
        raise Conflict("this user is being changed by too many others at once; try again")

    async def _put(self, written: Sequence[tuple[Known, _Habits]]) -> list[str]:
        """Write habits in the place of those that were read; answers the users of whom something had changed.

        One script call, or one per partition in a cluster.
        """
        calls = [written] if written else []
        if self._connection.is_cluster:
            groups: dict[int, list[tuple[Known, _Habits]]] = {}
            for one in written:
                groups.setdefault(keys.partition_of(one[0].user_id, self._partitions), []).append(one)
            calls = list(groups.values())
        replies = await self._connection.run_many(PUT_BEHAVIOUR, [self._put_call(call) for call in calls])
        return [call[place][0].user_id for call, lost in zip(calls, replies, strict=True) for place in lost]

    def _put_call(self, written: Sequence[tuple[Known, _Habits]]) -> tuple[Sequence[str], Sequence[Arg]]:
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


def _with_visits(habits: StoredHabits, visits: Sequence[tuple[str, int]]) -> StoredHabits | None:
    """The habits after visits (geofence, entered_at_ms); None if all of them are counted already."""
    records = dict(habits.visits)
    is_changed = False
    for geofence_id, entered_at_ms in visits:
        held = decode_visit(records[geofence_id]) if geofence_id in records else VisitRecord()
        record = visited(held, entered_at_ms)
        if record is not held:
            records[geofence_id] = msgspec.Raw(_encode(record))
            is_changed = True
            if len(records) > MAX_STORES:
                del records[min(records, key=lambda store: decode_visit(records[store]).recent_at_ms[-1:] or (0,))]
    return msgspec.structs.replace(habits, visits=records) if is_changed else None
