"""Near but not in: nearby told at each distance once, and geofences passed between two fixes.

Both look only at geofences that the index watches, and cost nothing where none is watched.
"""

from __future__ import annotations

import math

import numpy as np
import shapely

from geofences.geodesy import M_PER_DEG, distance_m, lng_delta_deg
from geofences.index import GeofenceIndex
from geofences.model import Circle, Ping, Shape, Transition, TransitionKind
from geofences.outline import squared_distances
from geofences.policy import NEARBY_REARM, Policy
from geofences.presence import Nearness, Presence


def approach(
    presence: Presence, located: tuple[str, ...], ping: Ping, index: GeofenceIndex, policy: Policy
) -> tuple[tuple[Nearness, ...], list[Transition]]:
    """What is told and remembered of nearby geofences after a ping, and nearby and pass-by transitions."""
    told: list[Transition] = []
    before = {n.geofence_id: n.told_m for n in presence.near}
    after: list[Nearness] = []
    for id_, away_m in index.near(ping.lat, ping.lng):
        known = before.get(id_)
        kept = tuple(d for d in known or () if away_m <= NEARBY_REARM * d)
        reached = tuple(d for d in policy.nearby_m if away_m <= d and d not in kept)
        if away_m > 0 and id_ not in located:
            if reached and not _is_inside(presence, id_):
                told += [_transition(ping, id_, TransitionKind.NEARBY, away_m, d) for d in reversed(reached)]
            if policy.is_pass_by_told and _has_passed(presence, id_, ping, index, policy):
                told.append(_transition(ping, id_, TransitionKind.PASS_BY, away_m))
        remembered = tuple(sorted((*kept, *reached)))
        if remembered or policy.is_pass_by_told:
            after.append(Nearness(id_, remembered))
    return tuple(after), told


def _is_inside(presence: Presence, id_: str) -> bool:
    return any(stay.geofence_id == id_ for stay in presence.stays)


def _transition(ping: Ping, id_: str, kind: TransitionKind, away_m: float, nearby_m: int | None = None) -> Transition:
    return Transition(
        ping.user_id, id_, kind, ping.at_ms, distance_m=away_m, accuracy_m=ping.accuracy_m, nearby_m=nearby_m
    )


def _has_passed(presence: Presence, id_: str, ping: Ping, index: GeofenceIndex, policy: Policy) -> bool:
    motion = presence.motion
    if motion is None or _is_inside(presence, id_) or ping.at_ms - motion.at_ms > policy.pass_by_gap_s * 1000:
        return False
    step_m = distance_m(motion.lat, motion.lng, ping.lat, ping.lng)
    if step_m > policy.pass_by_max_m or step_m * 1000 > policy.max_speed_mps * (ping.at_ms - motion.at_ms):
        return False
    geofence = index.get(id_)
    return geofence is not None and _crosses(geofence.shape, motion.lat, motion.lng, ping.lat, ping.lng)


def _crosses(shape: Shape, lat1: float, lng1: float, lat2: float, lng2: float) -> bool:
    """Whether the straight way between two points, taken the short way round, meets the shape."""
    if isinstance(shape, Circle):
        lat, lng = shape.center.lat, shape.center.lng
        m_per_deg_lng = M_PER_DEG * math.cos(math.radians(lat))
        ends = [
            np.array([lng_delta_deg(lng, lng1) * m_per_deg_lng]),
            np.array([(lat1 - lat) * M_PER_DEG]),
            np.array([lng_delta_deg(lng, lng2) * m_per_deg_lng]),
            np.array([(lat2 - lat) * M_PER_DEG]),
        ]
        return bool(squared_distances(*ends)[0] <= shape.radius_m**2)
    end = lng1 + lng_delta_deg(lng1, lng2)
    turns = (0.0,) if -180 <= end <= 180 else (0.0, -math.copysign(360.0, end))
    ways = [shapely.linestrings([[lng1 + turn, lat1], [end + turn, lat2]]) for turn in turns]
    return any(bool(shapely.intersects(shape, way)) for way in ways)
