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
from geofences.layer import Layer
from geofences.model import UNKNOWN_ACCURACY_M, Ignored, Ping, Reason, Transition, TransitionKind
from geofences.nearness import approach
from geofences.outline import boundary_distance_m
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


Told = list[Transition]


def step(
    presence: Presence, located: tuple[str, ...], ping: Ping, index: GeofenceIndex, policy: Policy, now_ms: int
) -> Step:
    """Take one ping. ``located`` is ``index.locate`` of its point.

    The same presence object comes back when nothing changed. Of a user far from every geofence nothing needs to
    be remembered: ``Presence.EMPTY`` is then a right presence to step from.
    """
    at_ms, last_at_ms = ping.at_ms, presence.last_at_ms
    if at_ms <= last_at_ms:
        return Step(presence, (), Ignored.DUPLICATE if at_ms == last_at_ms else Ignored.OUT_OF_ORDER)
    if policy is _RAW:
        return follow(presence, located, ping, index)
    ignored = _disbelief(ping, policy, now_ms)
    if ignored is not None:
        return Step(presence, (), ignored)
    motion = presence.motion
    if motion is not None and _is_outlier(motion, ping, policy):
        suspicious = _replaced(motion, suspect=(at_ms, ping.lat, ping.lng))
        return Step(_replaced(presence, last_at_ms=at_ms, motion=suspicious), (), Ignored.OUTLIER)
    told: Told = []
    if at_ms - last_at_ms > policy.presence_ttl_s * 1000 and presence.is_present:
        told += _timed_out(presence, ping.user_id, index, policy)
        presence, motion = Presence(last_at_ms), None
    stays = _stays(presence, located, ping, index, policy, told)
    near = presence.near
    if index.is_watching:
        near, found = approach(presence, located, ping, index, policy)
        told += found
    if policy.keeps_fix:
        motion = Motion(ping.lat, ping.lng, at_ms)
    if len(told) > 1:
        told = ordered(told, index)
    return Step(Presence(at_ms, stays, near, motion), tuple(told) if told else ())


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


def _stays(
    presence: Presence, located: tuple[str, ...], ping: Ping, index: GeofenceIndex, policy: Policy, told: Told
) -> tuple[Stay, ...]:
    """The stays after the ping; what they tell is appended to ``told``."""
    accuracy_m = UNKNOWN_ACCURACY_M if ping.accuracy_m is None else ping.accuracy_m
    before, after, met = presence.stays, [], 0
    for stay in before:
        is_inside = stay.geofence_id in located
        met += is_inside
        stepped = _stepped(stay, is_inside, presence, ping, accuracy_m, index, policy, told)
        if stepped is not None:
            after.append(stepped)
    if met < len(located):
        known = {stay.geofence_id for stay in before} if before else ()
        for id_ in located:
            if id_ not in known:
                begun = _begun(id_, presence, ping, index)
                stepped = _stepped(begun, True, presence, ping, accuracy_m, index, policy, told)
                if stepped is not None:
                    after.append(stepped)
    return tuple(after)


def _stepped(
    stay: Stay,
    is_inside: bool,  # noqa: FBT001 - the exact test's answer
    presence: Presence,
    ping: Ping,
    accuracy_m: float,
    index: GeofenceIndex,
    policy: Policy,
    told: Told,
) -> Stay | None:
    layer, ordinal = index.find(stay.geofence_id)
    if layer is None:
        if not is_inside:
            _tell_exit(stay, Reason.FENCE_DELETED, ping, told)
        return None
    geofence = layer.geofences[ordinal]
    # which of the two sightings it is, inside or outside, is asked only where the table tells them apart
    surely, act, edge, out = TABLE[stay.standing]
    if is_inside:
        # no circle fits into an area that its own circle of equal area does not exceed
        if (
            surely is not act
            and policy.enter_fixes > 1
            and accuracy_m <= geofence.area_radius_m
            and boundary_distance_m(layer.outlines, ordinal, ping.lat, ping.lng, accuracy_m) >= accuracy_m
        ):
            act = surely
    elif stay.version != geofence.version and not _was_covered(presence.motion, layer, ordinal):
        _tell_exit(stay, Reason.FENCE_CHANGED, ping, told)
        return None
    else:
        act, margin_m = out, policy.exit_margin_max_m
        if edge is not out and margin_m > 0:
            margin_m = accuracy_m if accuracy_m < margin_m else margin_m  # noqa: FURB136 - a call costs much more
            if boundary_distance_m(layer.outlines, ordinal, ping.lat, ping.lng, margin_m) <= margin_m:
                act = edge
    if act is _REMAIN:
        if stay.standing is _LEAVING or stay.version != geofence.version:
            stay = _replaced(stay, standing=_INSIDE, fixes=0, left_ms=0, version=geofence.version)
        return _dwelling(stay, presence, ping, policy, told) if policy.dwells_s else stay
    if act is _COUNT_OUT:
        return _counted_out(stay, ping, policy, told)
    if act is _COUNT_IN or act is _ENTER:
        return _counted_in(stay, act, presence, ping, policy, told)
    return None


def _was_covered(motion: Motion | None, layer: Layer, ordinal: int) -> bool:
    """Whether the geofence, as it is now, covers the last fix that counted."""
    return motion is not None and layer.covers(ordinal, motion.lat, motion.lng)


def _begun(id_: str, presence: Presence, ping: Ping, index: GeofenceIndex) -> Stay:
    layer, ordinal = index.find(id_)
    version = 0 if layer is None else layer.geofences[ordinal].version
    reason = None
    if presence.last_at_ms == 0:
        reason = Reason.INITIAL
    elif layer is not None and _was_covered(presence.motion, layer, ordinal):
        # the fix before this one was inside too, and yet no stay began: the fence came, not the user
        reason = Reason.FENCE_CREATED if version <= 1 else Reason.FENCE_CHANGED
    return Stay(id_, version, _OUTSIDE, ping.at_ms, 0, ping.at_ms, reason=reason)


def _counted_in(stay: Stay, act: Act, presence: Presence, ping: Ping, policy: Policy, told: Told) -> Stay:
    fixes = stay.fixes + 1
    waited_ms = ping.at_ms - stay.since_ms
    if act is _COUNT_IN and fixes < policy.enter_fixes and waited_ms < policy.enter_after_s * 1000:
        return _replaced(stay, standing=_PENDING, fixes=fixes)
    told.append(_transition(_TOLD_ENTER, stay, ping, stay.reason))
    return _dwelling(_replaced(stay, standing=_INSIDE, fixes=0), presence, ping, policy, told)


def _counted_out(stay: Stay, ping: Ping, policy: Policy, told: Told) -> Stay | None:
    fixes = stay.fixes + 1
    left = _replaced(stay, standing=_LEAVING, fixes=fixes, left_ms=stay.left_ms or ping.at_ms)
    if fixes < policy.exit_fixes:
        return left
    _tell_exit(left, None, ping, told)
    return None


def _tell_exit(stay: Stay, reason: Reason | None, ping: Ping, told: Told) -> None:
    if stay.standing >= _INSIDE:
        told.append(_transition(_TOLD_EXIT, stay, ping, reason, (stay.left_ms or ping.at_ms) - stay.since_ms))


def _dwelling(stay: Stay, presence: Presence, ping: Ping, policy: Policy, told: Told) -> Stay:
    at_ms = ping.at_ms
    if at_ms - presence.last_at_ms > policy.dwell_gap_s * 1000 and stay.since_ms != at_ms:
        return _replaced(stay, steady_ms=at_ms)
    due_s = _dwell_due(stay, at_ms, policy)
    if not due_s:
        return stay
    told += [_dwell(stay, ping.user_id, n, at_ms, ping.accuracy_m) for n in due_s]
    return _replaced(stay, dwelled_s=due_s[-1])


def _transition(
    kind: TransitionKind, stay: Stay, ping: Ping, reason: Reason | None, duration_ms: int | None = None
) -> Transition:
    user_id, id_, since_ms = ping.user_id, stay.geofence_id, stay.since_ms
    name = visit_id(user_id, id_, since_ms)
    return Transition(
        user_id, id_, kind, ping.at_ms, name, reason, since_ms, duration_ms, None, None, None, ping.accuracy_m
    )


_replaced = msgspec.structs.replace
# a class attribute costs several times a global
_RAW: Final = Policy.RAW
_ENTER, _COUNT_IN, _REMAIN, _COUNT_OUT = Act.ENTER, Act.COUNT_IN, Act.REMAIN, Act.COUNT_OUT
_OUTSIDE, _PENDING, _INSIDE, _LEAVING = Standing.OUTSIDE, Standing.PENDING, Standing.INSIDE, Standing.LEAVING
_TOLD_ENTER, _TOLD_EXIT = TransitionKind.ENTER, TransitionKind.EXIT


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
    if _is_reachable(ping, motion.at_ms, motion.lat, motion.lng, policy.max_speed_mps):
        return False
    return motion.suspect is None or not _is_reachable(ping, *motion.suspect, policy.max_speed_mps)


def _is_reachable(ping: Ping, at_ms: int, lat: float, lng: float, speed_mps: float) -> bool:
    elapsed_ms = ping.at_ms - at_ms
    reach_m = speed_mps * (elapsed_ms / 1000 if elapsed_ms > 1000 else 1.0)
    # degrees along both axes bound the distance from above, for the price of two subtractions
    if (abs(ping.lat - lat) + abs(ping.lng - lng)) * M_PER_DEG <= reach_m:
        return True
    return distance_m(lat, lng, ping.lat, ping.lng) <= reach_m


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
