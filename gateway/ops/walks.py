"""A drawn walk: a GeoJSON LineString with a pace, as the pings that a phone on that way would send."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.errors import InvalidDocument
from geofences.geodesy import distance_m, lng_delta_deg
from geofences.model import Ping

MAX_POINTS = 2_000
WALKING_MPS = 1.4
"""The pace of a person in a street (Bohannon 1997, comfortable gait)."""

Position = Annotated[tuple[float, ...], Meta(min_length=2, max_length=3)]


class LineString(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GeoJSON's geometry (RFC 7946): positions are longitude, latitude."""

    type: Literal["LineString"]
    coordinates: Annotated[tuple[Position, ...], Meta(min_length=1, max_length=MAX_POINTS)]


class DrawnWalk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way, how fast it is walked, how often the phone reports, how well, and how long it rests at the end."""

    line: LineString
    speed_mps: Annotated[float, Meta(gt=0, le=60)] = WALKING_MPS
    every_s: Annotated[float, Meta(ge=1, le=600)] = 5.0
    accuracy: Annotated[float, Meta(ge=0, le=1000)] = 8.0
    rest_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


def pings_of(walk: DrawnWalk, user_id: str, at_ms: int, max_pings: int) -> list[Ping]:
    """The pings, the first at ``at_ms``. Raises InvalidDocument for a place off the Earth or a walk too long."""
    points = [(position[1], position[0]) for position in walk.line.coordinates]
    for place, (lat, lng) in enumerate(points):
        if not (-90 <= lat <= 90 and -180 <= lng <= 180):
            raise InvalidDocument(
                "a position is longitude, latitude in degrees", pointer=f"/walk/line/coordinates/{place}"
            )
    length_m = sum(distance_m(*a, *b) for a, b in pairwise(points))
    if (length_m / walk.speed_mps + walk.rest_s) / walk.every_s > max_pings:
        raise InvalidDocument(
            f"this walk has more than {max_pings} pings; go faster, or report less often", pointer="/walk"
        )
    pings = [
        Ping(user_id, at_ms + round(after_s * 1000), lat, lng, walk.accuracy, walk.speed_mps, source="explain")
        for after_s, lat, lng in _steps(points, walk.speed_mps, walk.every_s)
    ]
    last = pings[-1]
    rests = int(walk.rest_s // walk.every_s)
    return pings + [
        msgspec.structs.replace(last, at_ms=last.at_ms + round(n * walk.every_s * 1000), speed_mps=0.0)
        for n in range(1, rests + 1)
    ]


def _steps(points: list[tuple[float, float]], speed_mps: float, every_s: float) -> Iterator[tuple[float, float, float]]:
    """(seconds since the start, lat, lng) every ``every_s`` along the way, the first point and the last included."""
    yield 0.0, *points[0]
    step_m, walked_m, next_m = speed_mps * every_s, 0.0, speed_mps * every_s
    for (lat1, lng1), (lat2, lng2) in pairwise(points):
        leg_m = distance_m(lat1, lng1, lat2, lng2)
        while next_m <= walked_m + leg_m and leg_m > 0:
            share = (next_m - walked_m) / leg_m
            lng = lng1 + share * lng_delta_deg(lng1, lng2)
            yield next_m / speed_mps, lat1 + share * (lat2 - lat1), (lng + 180) % 360 - 180
            next_m += step_m
        walked_m += leg_m
    if walked_m > next_m - step_m:
        yield walked_m / speed_mps, *points[-1]
