"""What the author of a file should look at, though it is taken: sizes that do not work, overlaps, twins.

Bounds and their reasons: phones wake for a circle below about 100 m late or never (Apple and Google both advise 100 to
150 m), a store above a square kilometre or below 50 square metres is mostly a slip of the unit or the mouse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import shapely

from geofences.geodesy import M_PER_DEG
from geofences.model import Circle, Geofence, LatLng, Shape

SMALL_RADIUS_M: Final = 100.0
LARGE_M2: Final = 1e6
SMALL_M2: Final = 50.0
OVERLAP_RATIO: Final = 0.5
EXTERNAL_IDS: Final = ("external_id", "externalId", "ref", "store_code")
_CORNERS: Final = 32
"""Of the polygon that stands for a circle where only overlaps are looked for: 0.6 % too small."""
_MAX_PAIRS: Final = 2_000_000
"""Neighbours compared; a file of shapes heaped on one spot has more, and is told of the first."""


class Advice(msgspec.Struct, frozen=True):
    """One thing to look at, of the feature at place ``at``."""

    at: int
    code: str
    detail: str


def advise(geofences: Sequence[Geofence], points: Mapping[int, LatLng]) -> list[Advice]:
    """All advice on a file's geofences, in their order; ``points`` are the places that rows name beside an outline."""
    found = [
        *_sizes(geofences),
        *_overlaps([geofence.shape for geofence in geofences], geofences),
        *_outside(geofences, points),
        *_twins(geofences),
    ]
    return sorted(found, key=lambda advice: advice.at)


def _sizes(geofences: Sequence[Geofence]) -> Iterator[Advice]:
    for at, geofence in enumerate(geofences):
        area_m2 = math.pi * geofence.area_radius_m**2
        if isinstance(geofence.shape, Circle) and geofence.shape.radius_m < SMALL_RADIUS_M:
            detail = f"a radius of {geofence.shape.radius_m:g} m; phones notice circles of 100 m and more in time"
            yield Advice(at, "small_radius", detail)
        if area_m2 > LARGE_M2:
            yield Advice(at, "large_area", f"{area_m2 / 1e6:,.1f} km² is large for a store")
        elif area_m2 < SMALL_M2:
            yield Advice(at, "small_area", f"{area_m2:.1f} m² is smaller than a kiosk")


def _overlaps(shapes: Sequence[Shape], geofences: Sequence[Geofence]) -> Iterator[Advice]:
    """More than half of a shape within one other; of twins the later is told."""
    flat: Any = np.array([_outline(shape) for shape in shapes], dtype=object)
    if len(flat) < 2:
        return
    one, other = shapely.STRtree(flat).query(flat)
    areas, boxes = shapely.area(flat), shapely.bounds(flat)
    # the smaller of two lies in the larger; of equals the later in the earlier
    is_within = (areas[one] < areas[other]) | ((areas[one] == areas[other]) & (one > other))
    one, other = one[is_within], other[is_within]
    # what two shapes share lies in what their boxes share, which is quickly measured
    sides = np.minimum(boxes[one, 2:], boxes[other, 2:]) - np.maximum(boxes[one, :2], boxes[other, :2])
    may_overlap = np.flatnonzero(sides.prod(axis=1) > OVERLAP_RATIO * areas[one])[:_MAX_PAIRS]
    one, other = one[may_overlap], other[may_overlap]
    ratios = shapely.area(shapely.intersection(flat[one], flat[other])) / areas[one]
    told: set[int] = set()
    for at, by, ratio in zip(one.tolist(), other.tolist(), ratios.tolist(), strict=True):
        if ratio > OVERLAP_RATIO and at not in told:
            told.add(at)
            yield Advice(at, "overlap", f"{ratio:.0%} of it lies in {geofences[by].id!r}")


def _outline(shape: Shape) -> shapely.Geometry:
    if not isinstance(shape, Circle):
        return shape
    turns = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
    radius_deg = shape.radius_m / M_PER_DEG
    widened_deg = radius_deg / max(math.cos(math.radians(shape.center.lat)), 1e-3)
    corners = np.stack(
        [shape.center.lng + widened_deg * np.cos(turns), shape.center.lat + radius_deg * np.sin(turns)], axis=1
    )
    return shapely.Polygon(corners)


def _outside(geofences: Sequence[Geofence], points: Mapping[int, LatLng]) -> Iterator[Advice]:
    for at, point in points.items():
        shape = geofences[at].shape
        if not isinstance(shape, Circle) and not shape.covers(shapely.Point(point.lng, point.lat)):
            yield Advice(at, "point_outside", f"its own point {point.lat:g}, {point.lng:g} is not in its polygon")


def _twins(geofences: Sequence[Geofence]) -> Iterator[Advice]:
    first: dict[tuple[str, str], str] = {}
    for at, geofence in enumerate(geofences):
        for name in EXTERNAL_IDS:
            value = geofence.properties.get(name)
            if isinstance(value, str | int) and value != "":
                earlier = first.setdefault((name, str(value)), geofence.id)
                if earlier != geofence.id:
                    yield Advice(at, "duplicate_external_id", f"{earlier!r} has the {name} {str(value)[:80]!r} too")
