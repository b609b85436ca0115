"""GeoJSON coordinates to valid shapes: every ring checked, polygons over the antimeridian cut in two.

The one place where GeoJSON's order (longitude first) is spoken.

An edge that spans more than 180 degrees of longitude is read as crossing the antimeridian, as H3 does and as
RFC 7946 section 3.1.9 forbids to write. A ring that winds once round the Earth encloses the nearer pole.
"""

from __future__ import annotations

import math
import re
import sys
from itertools import pairwise
from typing import Final

import shapely
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from geofences.importing.limits import Refused

Position = tuple[float, float]
Ring = list[Position]

LARGEST: Final = sys.float_info.max
"""Beyond it, integers of JSON are as little finite as infinity; NaN is never within."""


_INVALID = re.compile(r"(?P<reason>[^\[]+)(\[(?P<where>[^\]]*)\])?")


def read_position(raw: object, pointer: str) -> Position:
    """``[lng, lat]`` (a height is dropped) as finite degrees in range."""
    if not isinstance(raw, list | tuple) or len(raw) < 2:
        raise Refused("invalid_position", "a position is an array [longitude, latitude]", pointer)
    lng, lat = raw[0], raw[1]
    for i, degrees in enumerate((lng, lat)):
        if not isinstance(degrees, int | float) or isinstance(degrees, bool):
            raise Refused("invalid_position", "longitude and latitude are numbers", f"{pointer}/{i}")
        if not abs(degrees) <= LARGEST:
            raise Refused("not_finite", "longitude and latitude are finite numbers", f"{pointer}/{i}")
    if -180 <= lng <= 180 and -90 <= lat <= 90:
        return float(lng), float(lat)
    if -90 <= lng <= 90 and -180 <= lat <= 180:
        raise Refused(
            "swapped_axes",
            f"{lat:g} is no latitude; this looks like [latitude, longitude], and GeoJSON puts longitude first",
            pointer,
        )
    raise Refused(
        "out_of_range", f"[{lng:g}, {lat:g}] is not on Earth in degrees; is it projected (not EPSG:4326)?", pointer
    )


def read_polygon(raw: object, pointer: str) -> list[Ring]:
    """The rings of a polygon: the shell, then its holes."""
    if not isinstance(raw, list | tuple) or not raw:
        raise Refused("invalid_polygon", "a polygon is a non-empty array of rings", pointer)
    return [_read_ring(ring, f"{pointer}/{i}") for i, ring in enumerate(raw)]


def _read_ring(raw: object, pointer: str) -> Ring:
    if not isinstance(raw, list | tuple):
        raise Refused("invalid_ring", "a ring is an array of positions", pointer)
    ring = [read_position(position, f"{pointer}/{i}") for i, position in enumerate(raw)]
    if len(ring) >= 3 and ring[0] != ring[-1]:
        raise Refused("unclosed_ring", "the last position of a ring repeats the first", f"{pointer}/{len(ring) - 1}")
    if len(set(ring)) < 3:
        raise Refused(
            "too_few_positions", "a ring has three different positions or more, then the first again", pointer
        )
    return ring


def count_vertices(raw: object, limit: int) -> int:
    """Positions in nested arrays, counted no further than just past the limit, whatever they hold."""
    if not isinstance(raw, list | tuple):
        return 0
    if raw and not isinstance(raw[0], list | tuple):
        return 1
    total = 0
    for part in raw:
        total += count_vertices(part, limit)
        if total > limit:
            break
    return total


def shape_of(polygons: list[list[Ring]], pointer: str) -> Polygon | MultiPolygon:
    """A valid planar shape within longitudes -180 to 180."""
    if any(_jumps(ring) for rings in polygons for ring in rings):
        unwrapped = [_unwrapped(rings) for rings in polygons]
        for polygon in unwrapped:
            _require_valid(polygon, pointer)
        shape = _cut(shapely.union_all(unwrapped))
    else:
        parts = [Polygon(rings[0], rings[1:]) for rings in polygons]
        shape = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    _require_valid(shape, pointer)
    if shape.is_empty or shape.area == 0:
        raise Refused("no_area", "the polygon encloses no area", pointer)
    return shape


def _require_valid(shape: Polygon | MultiPolygon, pointer: str) -> None:
    if shapely.is_valid(shape):
        return
    found = _INVALID.match(shapely.is_valid_reason(shape))
    reason = found["reason"].strip() if found else "Invalid geometry"
    where = f" at [{', '.join(found['where'].split())}]" if found and found["where"] else ""
    hint = "; edges cross, as in a bow-tie" if reason == "Self-intersection" else ""
    raise Refused(reason.lower().replace(" ", "_").replace("-", "_"), f"{reason}{where}{hint}", pointer)


def _jumps(ring: Ring) -> bool:
    return any(abs(b[0] - a[0]) > 180 for a, b in pairwise(ring))


def _unwrapped(rings: list[Ring]) -> Polygon:
    shell, *holes = [_unwrapped_ring(ring) for ring in rings]
    middle = sum(x for x, _ in shell) / len(shell)
    placed = []
    for hole in holes:
        turns = round((middle - sum(x for x, _ in hole) / len(hole)) / 360)
        placed.append([(x + 360 * turns, y) for x, y in hole])
    return Polygon(shell, placed)


def _unwrapped_ring(ring: Ring) -> Ring:
    out, turns = [ring[0]], 0
    for (previous, _), (lng, lat) in pairwise(ring):
        step = lng - previous
        turns += -1 if step > 180 else 1 if step < -180 else 0
        out.append((lng + 360 * turns, lat))
    if turns:
        pole = math.copysign(90.0, sum(lat for _, lat in ring))
        out += [(out[-1][0], pole), (out[0][0], pole), out[0]]
    return out


def _cut(shape: BaseGeometry) -> Polygon | MultiPolygon:
    pieces: list[Polygon] = []
    for turn in (-1, 0, 1):
        window = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
        piece = translate(shapely.intersection(shape, window), xoff=-360 * turn)
        pieces += [p for p in shapely.get_parts(piece) if isinstance(p, Polygon) and not p.is_empty]
    # a ring round a pole is cut into neighbours that share an edge
    joined = shapely.orient_polygons(shapely.union_all(pieces))
    return joined if isinstance(joined, Polygon | MultiPolygon) else MultiPolygon(pieces)
