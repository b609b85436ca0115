"""How many different users enter geofences, by UTC day: counted, and nobody remembered.

Each geofence has a HyperLogLog a day: PFADD of a user's keyed hash moves a few of 16,384 registers, from which the
number of different users can be read to 0.8 % and no user read back. Unions count somebody who entered several
geofences, or on several days, once. What happened gathers in memory and is written each ``FLUSH_S``, so that the ping
path never waits for it; a killed worker, or a silent Redis, loses that much.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.pseudonyms import Pseudonyms
from gateway.store.scripts import ADD_SEEN, COUNT
from gateway.store.statistics import day_of
from geofences.model import Transition, TransitionKind
from rules.model import Decision, Gate

FLUSH_S: Final = 1.0
KEPT_S: Final = 35 * 86_400
"""Four weeks to look back on, and a week to spare."""
UNION_KEPT_S: Final = 3_600
"""A union is asked for again while an offer is being written; a past day's no longer changes."""
NEWEST_UNION_KEPT_S: Final = 10
USERS_PER_SKETCH: Final = 500
ARGS_PER_CALL: Final = 1_000
"""Of one script call, and a sketch's users over: about a millisecond of the server's time."""
KEYS_PER_MERGE: Final = 200
"""Merged by one command: about two milliseconds of the server's time, 12 us a sketch of a hundred users."""
ERROR_RATIO: Final = 0.0081
"""Standard error of Redis' HyperLogLog."""
HOURS_PER_DAY: Final = 24

_ASKED, _WILLING = "asked", "willing"
_log = Log("traffic")


class Footfall(msgspec.Struct, frozen=True):
    """Different users who entered any of some geofences: on each day, and in each run of days that was asked for."""

    by_day: tuple[int, ...]
    by_span: tuple[int, ...]


class Traffic:
    """Notes who enters where, and tells how many they were."""

    def __init__(self, connection: Connection, pseudonyms: Pseudonyms) -> None:
        self._connection = connection
        self._pseudonyms = pseudonyms
        self._seen: dict[str, set[str]] = {}
        self._hours: Counter[tuple[str, str]] = Counter()
        self._flusher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write out regularly."""
        self._flusher = asyncio.create_task(self._flush_regularly(), name="traffic flusher")

    async def stop(self) -> None:
        """Write out what is left and end."""
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
        await self._flush_or_forget()

    def note(self, transitions: Iterable[tuple[str, Transition]], decisions: Iterable[Decision]) -> None:
        """Take note of who entered where, and of who was asked for consent and had given it."""
        for user_id, transition in transitions:
            if transition.kind is TransitionKind.ENTER:
                user, day = self._pseudonyms.long(user_id), day_of(transition.at_ms)
                self._add(keys.traffic(day, transition.geofence_id), user)
                self._add(keys.traffic_everywhere(day), user)
                self._hours[keys.traffic_hours(day), str(transition.at_ms // 3_600_000 % HOURS_PER_DAY)] += 1
        for decision in decisions:
            if decision.candidates:
                user, day = self._pseudonyms.long(decision.user_id), day_of(decision.at_ms)
                self._add(keys.traffic_consent(day, _ASKED), user)
                if any(candidate.refused_by is not Gate.CONSENT for candidate in decision.candidates):
                    self._add(keys.traffic_consent(day, _WILLING), user)

    def _add(self, key: str, user: str) -> None:
        self._seen.setdefault(key, set()).add(user)

    async def flush(self) -> None:
        """Write out what was noted. Raises Unavailable; what was noted is lost then."""
        seen, self._seen = self._seen, {}
        hours, self._hours = self._hours, Counter()
        for call in _calls(seen):
            await self._connection.run(ADD_SEEN, *call)
        by_day: dict[str, list[Arg]] = {}
        for (key, hour), count in hours.items():
            by_day.setdefault(key, []).extend((hour, count))
        await self._connection.run_many(COUNT, [([key], [KEPT_S, *pairs]) for key, pairs in by_day.items()])

    async def first_day(self, days: Sequence[str]) -> str | None:
        """The earliest of ``days`` (YYYYMMDD) on which anybody entered anything."""
        known = await self._connection.batch([("EXISTS", keys.traffic_everywhere(day)) for day in days])
        return min((day for day, is_known in zip(days, known, strict=True) if is_known), default=None)

    async def footfall(
        self, geofence_ids: Iterable[str] | None, days: Sequence[str], spans: Sequence[Sequence[str]]
    ) -> Footfall:
        """Users who entered any of the geofences, or any at all for None; ``spans`` are runs of ``days``."""
        wanted = None if geofence_ids is None else sorted(set(geofence_ids))
        newest = max(days)
        unions = {
            day: await self._union(wanted, day, NEWEST_UNION_KEPT_S if day == newest else UNION_KEPT_S) for day in days
        }
        counts = await self._connection.batch(
            [("PFCOUNT", unions[day]) for day in days] + [("PFCOUNT", *(unions[day] for day in span)) for span in spans]
        )
        return Footfall(tuple(counts[: len(days)]), tuple(counts[len(days) :]))

    async def hours(self, days: Sequence[str]) -> list[list[int]]:
        """Entries into any geofence by UTC hour, for each day."""
        replies = await self._connection.batch([("HGETALL", keys.traffic_hours(day)) for day in days])
        return [[int(reply.get(str(hour).encode(), 0)) for hour in range(HOURS_PER_DAY)] for reply in replies]

    async def consenting(self, days: Sequence[str]) -> tuple[int, int]:
        """Of the users whom an offer could have reached, how many were asked for consent and how many had given it."""
        asked, willing = await self._connection.batch(
            [("PFCOUNT", *(keys.traffic_consent(day, what) for day in days)) for what in (_ASKED, _WILLING)]
        )
        return int(asked), min(int(asked), int(willing))

    async def _union(self, geofence_ids: Sequence[str] | None, day: str, kept_s: int) -> str:
        """The key that holds the day's union of the geofences, merged in pieces where it is not held yet."""
        if geofence_ids is None:
            return keys.traffic_everywhere(day)
        if len(geofence_ids) == 1:
            return keys.traffic(day, geofence_ids[0])
        digest = hashlib.blake2b("\x00".join(geofence_ids).encode(), digest_size=12).hexdigest()
        union, partial = keys.traffic_union(day, digest), keys.traffic_union(day, f"{digest}:partial")
        if not await self._connection.call("EXISTS", union):
            for start in range(0, len(geofence_ids), KEYS_PER_MERGE):
                parts = [keys.traffic(day, one) for one in geofence_ids[start : start + KEYS_PER_MERGE]]
                await self._connection.batch([("PFMERGE", partial, *parts), ("EXPIRE", partial, kept_s)])
            await self._connection.call("RENAME", partial, union)
        return union

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._flush_or_forget()

    async def _flush_or_forget(self) -> None:
        try:
            await self.flush()
        except Unavailable as error:
            _log.warning("traffic could not be written and is forgotten", detail=error.detail)


def _calls(seen: Mapping[str, Iterable[str]]) -> Iterator[tuple[Sequence[str], Sequence[Arg]]]:
    """Keys and arguments of script calls that add who was seen; a crowd takes several."""
    names: list[str] = []
    args: list[Arg] = [KEPT_S]
    for key, users in seen.items():
        crowd = list(users)
        for start in range(0, len(crowd), USERS_PER_SKETCH):
            part = crowd[start : start + USERS_PER_SKETCH]
            names.append(key)
            args += (len(part), *part)
            if len(args) > ARGS_PER_CALL:
                yield names, args
                names, args = [], [KEPT_S]
    if names:
        yield names, args
