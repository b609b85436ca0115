"""The raw policy: every fix is followed at once, so that enters and exits are a difference of two sets.

It is what the table of ``geofences.transitions`` comes to when one fix proves everything, at a third of the cost;
it reproduces the planar truth exactly.
"""

from __future__ import annotations

from typing import Final

from geofences.index import GeofenceIndex
from geofences.model import Ping, Reason, Transition, TransitionKind
from geofences.presence import Presence, Standing, Stay, Step, visit_id

# a class attribute of an enum costs as much as a whole transition
_ENTER: Final = TransitionKind.ENTER
_EXIT: Final = TransitionKind.EXIT
_INSIDE: Final = Standing.INSIDE
_RANK: Final = {
    TransitionKind.EXIT: 0,
    TransitionKind.ENTER: 1,
    TransitionKind.DWELL: 2,
    TransitionKind.NEARBY: 3,
    TransitionKind.PASS_BY: 4,
}


def follow(presence: Presence, located: tuple[str, ...], ping: Ping, index: GeofenceIndex) -> Step:
    """The presence after a newer ping, and its transitions. ``located`` is sorted."""
    at_ms = ping.at_ms
    before = presence.stays
    if not located and not before:
        return Step(Presence(at_ms))
    user_id, accuracy_m = ping.user_id, ping.accuracy_m
    told: list[Transition] = []
    held: dict[str, Stay] = {}
    for stay in before:
        id_ = stay.geofence_id
        geofence = index.get(id_)
        if geofence is not None and id_ in located:
            same = stay.version == geofence.version
            held[id_] = stay if same else Stay(id_, geofence.version, _INSIDE, stay.since_ms, 0, stay.steady_ms)
            continue
        since_ms = stay.since_ms
        reason = None
        if geofence is None:
            reason = Reason.FENCE_DELETED
        elif geofence.version != stay.version:
            reason = Reason.FENCE_CHANGED
        name = visit_id(user_id, id_, since_ms)
        stayed_ms = at_ms - since_ms
        # in the fields' order: names would cost a tenth of a transition
        told.append(
            Transition(user_id, id_, _EXIT, at_ms, name, reason, since_ms, stayed_ms, None, None, None, accuracy_m)
        )
    if len(held) == len(located):
        stays = tuple(held.values())
    else:
        first = Reason.INITIAL if presence.last_at_ms == 0 else None
        after: list[Stay] = []
        for id_ in located:
            known = held.get(id_)
            if known is None:
                geofence = index.get(id_)
                known = Stay(id_, geofence.version if geofence else 0, _INSIDE, at_ms, 0, at_ms)
                name = visit_id(user_id, id_, at_ms)
                told.append(
                    Transition(user_id, id_, _ENTER, at_ms, name, first, at_ms, None, None, None, None, accuracy_m)
                )
            after.append(known)
        stays = tuple(after)
    if index.has_priorities and len(told) > 1:
        told = ordered(told, index)
    return Step(Presence(at_ms, stays), tuple(told))


def ordered(told: list[Transition], index: GeofenceIndex) -> list[Transition]:
    """Exits before enters, dwells, nearbys, pass-bys; then the geofence's priority, larger first; then its id."""

    def place(transition: Transition) -> tuple[int, float, str, int]:
        return (
            _RANK.get(transition.kind, len(_RANK)),
            -index.priority_of(transition.geofence_id) if index.has_priorities else 0.0,
            transition.geofence_id,
            transition.dwell_s or 0,
        )

    return sorted(told, key=place)
