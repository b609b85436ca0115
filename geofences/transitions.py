"""The presence state machine: a presence and a ping in, a presence and what changed out.

What one fix says of one geofence is its *sighting*; the table below gives what to do for every standing and
sighting, and nothing else decides enter and exit. A fix that is not believed (``Ignored``) fires nothing.

Exits come before enters, then dwells, nearbys and pass-bys; among equals the geofence's ``priority`` property
(larger first), then its id.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from geofences.geodesy import M_PER_DEG, distance_m
from geofences.index import GeofenceIndex
from geofences.model import UNKNOWN_ACCURACY_M, Geofence, Ignored, Ping, Reason, Transition, TransitionKind
from geofences.nearness import approach
from geofences.policy import Policy
from geofences.presence import Motion, Nearness, Presence, Standing, Stay, Step, visit_id
from geofences.raw import follow, ordered

__all__ = [
    "Motion",
    "Nearness",
    "Policy",
    "Presence",
    "Standing",
    "Stay",
    "Step",
    "next_due_ms",
    "step",
    "tick",
    "visit_id",
]


class Sighting(IntEnum):
    """What one fix says of one geofence."""

    SURE = 0
    """Inside, with the whole circle of its accuracy."""
    IN = 1
    """Inside."""
    EDGE = 2
    """Outside, but no farther than the accuracy (or the margin)."""
    OUT = 3
    """Beyond."""


class Act(IntEnum):
    """What to do with a stay."""

    NOTHING = 0
    ENTER = 1
    COUNT_IN = 2
    """One more fix for an enter; enough of them enter."""
    FORGET = 3
    REMAIN = 4
    COUNT_OUT = 5
    """One more fix for an exit; enough of them exit."""


TABLE: Final[tuple[tuple[Act, ...], ...]] = (
    # SURE       IN            EDGE         OUT
    (Act.ENTER, Act.COUNT_IN, Act.NOTHING, Act.NOTHING),  # OUTSIDE
    (Act.ENTER, Act.COUNT_IN, Act.FORGET, Act.FORGET),  # PENDING
    (Act.REMAIN, Act.REMAIN, Act.REMAIN, Act.COUNT_OUT),  # INSIDE
    (Act.REMAIN, Act.REMAIN, Act.REMAIN, Act.COUNT_OUT),  # LEAVING
)
"""``TABLE[standing][sighting]``."""


def step(
    presence: Presence, located: tuple[str, ...], ping: Ping, index: GeofenceIndex, policy: Policy, now_ms: int
) -> Step:
    """Take one ping. ``located`` is ``index.locate`` of its point.

    The same presence object comes back when nothing changed. Of a user far from every geofence nothing needs to
    be remembered: ``Presence.EMPTY`` is then a right presence to step from.
    """
    at_ms = ping.at_ms
    if at_ms <= presence.last_at_ms:
        return Step(presence, (), Ignored.DUPLICATE if at_ms == presence.last_at_ms else Ignored.OUT_OF_ORDER)
    if policy is _RAW:
        return follow(presence, located, ping, index)
    ignored = _disbelief(ping, policy, now_ms)
    if ignored is not None:
        return Step(presence, (), ignored)
    motion = presence.motion
    if motion is not None and _is_outlier(motion, ping, policy):
        suspicious = _replaced(motion, suspect=(at_ms, ping.lat, ping.lng))
        return Step(_replaced(presence, last_at_ms=at_ms, motion=suspicious), (), Ignored.OUTLIER)
    told: list[Transition] = []
    if presence.is_present and at_ms - presence.last_at_ms > policy.presence_ttl_s * 1000:
        told += _timed_out(presence, ping.user_id, index, policy)
        presence, motion = Presence(presence.last_at_ms), None
    stays = _Stepper(presence, ping, index, policy, told).stays(located)
    near = presence.near
    if index.is_watching:
        near, found = approach(presence, located, ping, index, policy)
        told += found
    if policy.keeps_fix:
        motion = Motion(ping.lat, ping.lng, at_ms)
    if len(told) > 1:
        told = ordered(told, index)
    return Step(Presence(at_ms, stays, near, motion), tuple(told))


def tick(presence: Presence, user_id: str, index: GeofenceIndex, policy: Policy, now_ms: int) -> Step:
    """Let time pass without a ping: dwell thresholds of users who report seldom, and silence."""
    if not presence.is_present:
        return Step(presence)
    silent_ms = now_ms - presence.last_at_ms
    if silent_ms > policy.presence_ttl_s * 1000:
        told = ordered(_timed_out(presence, user_id, index, policy), index)
        return Step(Presence(presence.last_at_ms), tuple(told))
    if silent_ms > policy.dwell_gap_s * 1000:
        return Step(presence)
    told, stays = [], []
    for stay in presence.stays:
        due_s = _dwell_due(stay, now_ms, policy) if stay.geofence_id in index else ()
        told += [_dwell(stay, user_id, n, stay.steady_ms + n * 1000, None) for n in due_s]
        stays.append(_replaced(stay, dwelled_s=due_s[-1]) if due_s else stay)
    if not told:
        return Step(presence)
    return Step(_replaced(presence, stays=tuple(stays)), tuple(ordered(told, index)))


def next_due_ms(presence: Presence, policy: Policy) -> int | None:
    """When ``tick`` will have something to tell if no ping comes; None for never."""
    if not presence.is_present or policy.presence_ttl_s == float("inf"):
        return None
    due_ms = presence.last_at_ms + int(policy.presence_ttl_s * 1000) + 1
    fresh_until_ms = presence.last_at_ms + int(policy.dwell_gap_s * 1000)
    for stay in presence.stays:
        if stay.standing is Standing.INSIDE:
            for n in policy.dwells_s:
                reached_ms = stay.steady_ms + n * 1000
                if n > stay.dwelled_s and reached_ms <= fresh_until_ms:
                    due_ms = min(due_ms, reached_ms)
    return due_ms


class _Stepper:
    """One ping against all geofences it is in or was in."""

    __slots__ = ("_at_ms", "_index", "_ping", "_policy", "_presence", "_told")

    def __init__(
        self, presence: Presence, ping: Ping, index: GeofenceIndex, policy: Policy, told: list[Transition]
    ) -> None:
        self._presence, self._ping, self._index, self._policy, self._told = presence, ping, index, policy, told
        self._at_ms = ping.at_ms

    def stays(self, located: tuple[str, ...]) -> tuple[Stay, ...]:
        """The stays after the ping; transitions are appended to ``told``."""
        before = self._presence.stays
        after: list[Stay] = []
        known = set()
        for stay in before:
            known.add(stay.geofence_id)
            stepped = self._step(stay, stay.geofence_id in located)
            if stepped is not None:
                after.append(stepped)
        for id_ in located:
            if id_ not in known:
                entered = self._step(self._new(id_), True)
                if entered is not None:
                    after.append(entered)
        return tuple(after)

    def _new(self, id_: str) -> Stay:
        presence, at_ms = self._presence, self._at_ms
        geofence = self._index.get(id_)
        version = geofence.version if geofence else 0
        reason = None
        motion = presence.motion
        if presence.last_at_ms == 0:
            reason = Reason.INITIAL
        elif motion is not None and self._index.covers(id_, motion.lat, motion.lng):
            # the fix before this one was inside too, and yet no stay began: the fence came, not the user
            reason = Reason.FENCE_CREATED if version <= 1 else Reason.FENCE_CHANGED
        return Stay(id_, version, Standing.OUTSIDE, at_ms, 0, at_ms, reason=reason)

    def _step(self, stay: Stay, is_inside: bool) -> Stay | None:  # noqa: FBT001 - the exact test's answer
        geofence = self._index.get(stay.geofence_id)
        if not is_inside and (geofence is None or self._was_changed(stay, geofence)):
            self._exit(stay, Reason.FENCE_CHANGED if geofence else Reason.FENCE_DELETED)
            return None
        if geofence is None:
            return None
        match TABLE[stay.standing][self._sighting(stay, geofence, is_inside=is_inside)]:
            case Act.ENTER:
                return self._enter(stay)
            case Act.COUNT_IN:
                return self._counted_in(stay)
            case Act.REMAIN:
                return self._remaining(stay, geofence)
            case Act.COUNT_OUT:
                return self._counted_out(stay)
            case _:
                return None

    def _was_changed(self, stay: Stay, geofence: Geofence) -> bool:
        if stay.version == geofence.version:
            return False
        motion = self._presence.motion
        return motion is None or not self._index.covers(stay.geofence_id, motion.lat, motion.lng)

    def _sighting(self, stay: Stay, geofence: Geofence, *, is_inside: bool) -> Sighting:
        policy, ping = self._policy, self._ping
        accuracy_m = UNKNOWN_ACCURACY_M if ping.accuracy_m is None else ping.accuracy_m
        if is_inside:
            # no circle fits into an area that its own circle of equal area does not exceed
            if stay.standing >= Standing.INSIDE or policy.enter_fixes <= 1 or accuracy_m > geofence.area_radius_m:
                return Sighting.IN
            is_sure = self._index.is_deep(stay.geofence_id, ping.lat, ping.lng, accuracy_m)
            return Sighting.SURE if is_sure else Sighting.IN
        if stay.standing is Standing.PENDING or policy.exit_margin_max_m <= 0:
            return Sighting.OUT
        margin_m = min(accuracy_m, policy.exit_margin_max_m)
        is_out = self._index.is_beyond(stay.geofence_id, ping.lat, ping.lng, margin_m)
        return Sighting.OUT if is_out else Sighting.EDGE

    def _enter(self, stay: Stay) -> Stay:
        self._tell(TransitionKind.ENTER, stay, reason=stay.reason)
        return self._dwelling(_replaced(stay, standing=Standing.INSIDE, fixes=0))

    def _counted_in(self, stay: Stay) -> Stay:
        fixes = stay.fixes + 1
        if fixes >= self._policy.enter_fixes or self._at_ms - stay.since_ms >= self._policy.enter_after_s * 1000:
            return self._enter(stay)
        return _replaced(stay, standing=Standing.PENDING, fixes=fixes)

    def _remaining(self, stay: Stay, geofence: Geofence) -> Stay:
        if stay.standing is Standing.LEAVING or stay.version != geofence.version:
            stay = _replaced(stay, standing=Standing.INSIDE, fixes=0, left_ms=0, version=geofence.version)
        return self._dwelling(stay) if self._policy.dwells_s else stay

    def _counted_out(self, stay: Stay) -> Stay | None:
        fixes = stay.fixes + 1
        left_ms = stay.left_ms or self._at_ms
        if fixes >= self._policy.exit_fixes:
            self._exit(_replaced(stay, left_ms=left_ms), None)
            return None
        return _replaced(stay, standing=Standing.LEAVING, fixes=fixes, left_ms=left_ms)

    def _exit(self, stay: Stay, reason: Reason | None) -> None:
        if stay.standing >= Standing.INSIDE:
            self._tell(TransitionKind.EXIT, stay, reason=reason, left_ms=stay.left_ms or self._at_ms)

    def _dwelling(self, stay: Stay) -> Stay:
        policy = self._policy
        if self._at_ms - self._presence.last_at_ms > policy.dwell_gap_s * 1000 and stay.since_ms != self._at_ms:
            return _replaced(stay, steady_ms=self._at_ms)
        due_s = _dwell_due(stay, self._at_ms, policy)
        if not due_s:
            return stay
        accuracy_m = self._ping.accuracy_m
        self._told += [_dwell(stay, self._ping.user_id, n, self._at_ms, accuracy_m) for n in due_s]
        return _replaced(stay, dwelled_s=due_s[-1])

    def _tell(self, kind: TransitionKind, stay: Stay, *, reason: Reason | None, left_ms: int | None = None) -> None:
        ping = self._ping
        self._told.append(
            Transition(
                ping.user_id,
                stay.geofence_id,
                kind,
                self._at_ms,
                visit_id(ping.user_id, stay.geofence_id, stay.since_ms),
                reason,
                stay.since_ms,
                None if left_ms is None else left_ms - stay.since_ms,
                accuracy_m=ping.accuracy_m,
            )
        )


_replaced = msgspec.structs.replace
_RAW: Final = Policy.RAW


def _disbelief(ping: Ping, policy: Policy, now_ms: int) -> Ignored | None:
    if ping.mock and policy.drops_mock:
        return Ignored.MOCK
    age_ms = now_ms - ping.at_ms
    if age_ms > policy.max_age_s * 1000:
        return Ignored.STALE
    if -age_ms > policy.max_ahead_s * 1000:
        return Ignored.FUTURE
    return None


def _is_outlier(motion: Motion, ping: Ping, policy: Policy) -> bool:
    """Whether the fix is too far to have been reached, and no outlier just before it confirms it.

    Fixes less than a second apart are judged as a second apart: noise alone is faster than that.
    """

    def is_reachable(at_ms: int, lat: float, lng: float) -> bool:
        reach_m = policy.max_speed_mps * max(1.0, (ping.at_ms - at_ms) / 1000)
        # degrees along both axes bound the distance from above, for the price of two subtractions
        if (abs(ping.lat - lat) + abs(ping.lng - lng)) * M_PER_DEG <= reach_m:
            return True
        return distance_m(lat, lng, ping.lat, ping.lng) <= reach_m

    if is_reachable(motion.at_ms, motion.lat, motion.lng):
        return False
    return motion.suspect is None or not is_reachable(*motion.suspect)


def _dwell_due(stay: Stay, at_ms: int, policy: Policy) -> tuple[int, ...]:
    if stay.standing is not Standing.INSIDE:
        return ()
    stayed_ms = at_ms - stay.steady_ms
    return tuple(n for n in policy.dwells_s if stay.dwelled_s < n and n * 1000 <= stayed_ms)


def _dwell(stay: Stay, user_id: str, dwell_s: int, at_ms: int, accuracy_m: float | None) -> Transition:
    return Transition(
        user_id,
        stay.geofence_id,
        TransitionKind.DWELL,
        at_ms,
        visit_id(user_id, stay.geofence_id, stay.since_ms),
        None,
        stay.since_ms,
        at_ms - stay.since_ms,
        dwell_s,
        accuracy_m=accuracy_m,
    )


def _timed_out(presence: Presence, user_id: str, index: GeofenceIndex, policy: Policy) -> list[Transition]:
    at_ms = presence.last_at_ms + int(policy.presence_ttl_s * 1000)
    return [
        Transition(
            user_id,
            stay.geofence_id,
            TransitionKind.EXIT,
            at_ms,
            visit_id(user_id, stay.geofence_id, stay.since_ms),
            Reason.TIMEOUT if stay.geofence_id in index else Reason.FENCE_DELETED,
            stay.since_ms,
            (stay.left_ms or presence.last_at_ms) - stay.since_ms,
        )
        for stay in presence.stays
        if stay.standing >= Standing.INSIDE
    ]
