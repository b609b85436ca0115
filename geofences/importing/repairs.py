"""The geometry doctor: what is wrong with an outline and can be set right without guessing, each step on record.

The law: nothing is repaired in silence, and nothing is guessed. Every step that changed the outline is a ``Repair``
that says what it was and what it did to the area; an outline that no step makes valid is refused. What comes out is
GeoJSON again, to be parsed as strictly as any other.

Areas are those of the outline as drawn (the shoelace formula: a loop that runs the other way round counts against the
rest), so a bow-tie shows as the great change that it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

import msgspec
import shapely
from shapely import MultiPolygon, Polygon

from geofences.geodesy import M_PER_DEG
from geofences.importing.limits import Refused
from geofences.importing.rings import LARGEST, Position, Ring

Polygons = list[list[Ring]]

SPIKE_DEG: Final = 1.0
"""A corner as sharp as this that encloses next to nothing is a slip of the hand, not a wall."""
SPIKE_RATIO: Final = 0.01
"""Share of the ring's area that a spike may enclose."""
SPIKE_COS: Final = -math.cos(math.radians(SPIKE_DEG))
"""Two edges whose directions have a cosine below this turn back on themselves."""


class Repair(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was set right. ``change_ratio`` is the change of area by the area before; None from nothing."""

    code: str
    detail: str
    area_before_m2: float = 0.0
    area_after_m2: float = 0.0
    change_ratio: float | None = None


def repaired(geometry: Mapping[str, Any]) -> tuple[dict[str, Any], list[Repair]]:
    """The geometry made valid, and what was done for it, in order. Raises Refused for what no step can read."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Point":
        return _swapped_point(coordinates)
    polygons = _read([coordinates] if kind == "Polygon" else coordinates)
    done: list[Repair] = []
    for step in _STEPS:
        found = step(polygons)
        if found is not None:
            changed, code, detail = found
            done.append(_told(code, detail, area_m2(polygons), area_m2(changed)))
            polygons = changed
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}, done
    return {"type": "MultiPolygon", "coordinates": polygons}, done


def swapped(geometry: Mapping[str, Any]) -> tuple[dict[str, Any], Repair]:
    """The geometry with latitude and longitude changed places, where the caller knows that they are."""
    before = {"type": geometry["type"], "coordinates": geometry["coordinates"]}
    after = {"type": geometry["type"], "coordinates": turned(geometry["coordinates"])}
    return after, _told("swapped_axes", SWAPPED, geometry_area_m2(before), geometry_area_m2(after))


SWAPPED: Final = "latitude and longitude had changed places"


def geometry_area_m2(geometry: Mapping[str, Any]) -> float:
    """Area of a GeoJSON polygon or multipolygon as drawn; 0 for anything else, and for what cannot be read."""
    if geometry.get("type") not in {"Polygon", "MultiPolygon"}:
        return 0.0
    try:
        return area_m2(_read([geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]))
    except Refused:
        return 0.0


def area_m2(polygons: Polygons) -> float:
    """Area as drawn, in the plane around each shell's middle."""
    total = 0.0
    for shell, *holes in polygons:
        lats = [y for _, y in shell]
        lat = min(max((min(lats) + max(lats)) / 2, -90.0), 90.0)
        deg2 = abs(_signed_deg2(shell)) - sum(abs(_signed_deg2(hole)) for hole in holes)
        total += deg2 * M_PER_DEG**2 * math.cos(math.radians(lat))
    return abs(total)


def _told(code: str, detail: str, before_m2: float, after_m2: float) -> Repair:
    ratio = (after_m2 - before_m2) / before_m2 if before_m2 > 1e-6 * after_m2 else None
    return Repair(
        code, detail, round(before_m2, 3), round(after_m2, 3), None if ratio is None else round(ratio, 6) + 0.0
    )


def _read(raw: object) -> Polygons:
    """Rings of finite positions, whatever else is wrong with them. Raises Refused."""
    if not isinstance(raw, list | tuple) or not raw:
        raise Refused("invalid_polygon", "a polygon is a non-empty array of rings", "/geometry/coordinates")
    polygons: Polygons = []
    for rings in raw:
        if not isinstance(rings, list | tuple) or not rings:
            raise Refused("invalid_polygon", "a polygon is a non-empty array of rings", "/geometry/coordinates")
        polygons.append([_read_ring(ring) for ring in rings])
    return polygons


def _read_ring(raw: object) -> Ring:
    if not isinstance(raw, list | tuple) or not raw:
        raise Refused("invalid_ring", "a ring is an array of positions", "/geometry/coordinates")
    ring: Ring = []
    for position in raw:
        if not isinstance(position, list | tuple) or len(position) < 2 or not all(map(_is_number, position[:2])):
            raise Refused("invalid_position", "a position is an array of two finite numbers", "/geometry/coordinates")
        ring.append((float(position[0]), float(position[1])))
    return ring


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _swapped_point(raw: object) -> tuple[dict[str, Any], list[Repair]]:
    if not isinstance(raw, list | tuple) or len(raw) < 2 or not all(map(_is_number, raw[:2])):
        raise Refused("invalid_position", "a position is an array [longitude, latitude]", "/geometry/coordinates")
    point = {"type": "Point", "coordinates": raw}
    if not _is_swapped([(raw[0], raw[1])]):
        return point, []
    changed, repair = swapped(point)
    return changed, [repair]


def turned(raw: Any) -> Any:
    """Nested positions with their first two numbers changed places."""
    if raw and not isinstance(raw[0], list | tuple):
        return [raw[1], raw[0], *raw[2:]]
    return [turned(part) for part in raw]


def _is_swapped(positions: list[Position]) -> bool:
    """Whether these cannot be longitude and latitude, but can be latitude and longitude."""
    return any(abs(y) > 90 for _, y in positions) and all(abs(x) <= 90 and abs(y) <= 180 for x, y in positions)


Found = tuple[Polygons, str, str] | None


def _swap(polygons: Polygons) -> Found:
    if not _is_swapped([position for rings in polygons for ring in rings for position in ring]):
        return None
    return [[[(y, x) for x, y in ring] for ring in rings] for rings in polygons], "swapped_axes", SWAPPED


def _drop_duplicates(polygons: Polygons) -> Found:
    kept = [[[ring[0], *(b for a, b in pairwise(ring) if a != b)] for ring in rings] for rings in polygons]
    dropped = _count(polygons) - _count(kept)
    return (kept, "duplicate_vertices", f"{dropped} repeated vertices left out") if dropped else None


def _close(polygons: Polygons) -> Found:
    open_rings = sum(ring[0] != ring[-1] for rings in polygons for ring in rings)
    if not open_rings:
        return None
    closed = [[ring if ring[0] == ring[-1] else [*ring, ring[0]] for ring in rings] for rings in polygons]
    return closed, "unclosed_ring", "the first vertex repeated at the end of the ring"


def _drop_spikes(polygons: Polygons) -> Found:
    kept = [[_without_spikes(ring) for ring in rings] for rings in polygons]
    dropped = _count(polygons) - _count(kept)
    if not dropped:
        return None
    return kept, "spike", f"{dropped} vertices of spikes left out" if dropped > 1 else "the tip of a spike left out"


def _without_spikes(ring: Ring) -> Ring:
    """A closed ring without tips that enclose next to nothing; the same ring where there are none."""
    allowed_deg2 = abs(_signed_deg2(ring)) * SPIKE_RATIO
    scale = math.cos(math.radians(min(max(ring[0][1], -89.0), 89.0)))
    open_ring, at, is_changed = ring[:-1], 0, False
    while at < len(open_ring) > 3:
        before, tip, after = open_ring[at - 1], open_ring[at], open_ring[(at + 1) % len(open_ring)]
        if before == tip or _is_spike(before, tip, after, scale, allowed_deg2):
            del open_ring[at]
            at, is_changed = max(at - 2, 0), True
        else:
            at += 1
    return [*open_ring, open_ring[0]] if is_changed else ring


def _is_spike(before: Position, tip: Position, after: Position, scale: float, allowed_deg2: float) -> bool:
    ax, ay = (tip[0] - before[0]) * scale, tip[1] - before[1]
    bx, by = (after[0] - tip[0]) * scale, after[1] - tip[1]
    if ax * bx + ay * by > SPIKE_COS * math.hypot(ax, ay) * math.hypot(bx, by):
        return False
    return abs(ax * by - ay * bx) / (2 * scale) <= allowed_deg2


def _drop_slivers(polygons: Polygons) -> Found:
    """Holes and parts of fewer than three vertices enclose nothing."""
    kept = [[rings[0], *(r for r in rings[1:] if len(set(r)) > 2)] for rings in polygons if len(set(rings[0])) > 2]
    if not kept or sum(map(len, kept)) == sum(map(len, polygons)):
        return None
    return kept, "empty_ring", "rings that enclose nothing left out"


def _uncross(polygons: Polygons) -> Found:
    """Crossing edges, overlapping parts, stray holes: what GEOS makes of the structure, polygons only."""
    if any(len(ring) < 4 for rings in polygons for ring in rings) or _jumps(polygons):
        return None
    parts = [Polygon(rings[0], rings[1:]) for rings in polygons]
    shape: Polygon | MultiPolygon = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    if shapely.is_valid(shape):
        return None
    reason = shapely.is_valid_reason(shape).partition("[")[0].strip()
    made = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    made = shapely.orient_polygons(made)
    whole = [part for part in shapely.get_parts(made) if isinstance(part, Polygon) and not part.is_empty]
    if not whole:
        return None
    rings_of = [[list(ring.coords) for ring in (part.exterior, *part.interiors)] for part in whole]
    if len(whole) > len(parts):
        return rings_of, "bow_tie", f"edges crossed; now {len(whole)} parts that touch or lie apart"
    code = reason.lower().replace(" ", "_").replace("-", "_")
    return rings_of, code, f"{reason.lower()}; now the ground that the outline covers"


def _orient(polygons: Polygons) -> Found:
    if _jumps(polygons):
        return None
    oriented = [
        [ring if (_signed_deg2(ring) > 0) is (place == 0) else ring[::-1] for place, ring in enumerate(rings)]
        for rings in polygons
    ]
    if oriented == polygons:
        return None
    return oriented, "orientation", "shells now run counter-clockwise and holes clockwise (RFC 7946)"


_STEPS: Final[tuple[Callable[[Polygons], Found], ...]] = (
    _swap, _drop_duplicates, _close, _drop_spikes, _drop_slivers, _uncross, _orient,
)  # fmt: skip


def _signed_deg2(ring: Ring) -> float:
    """Shoelace area, positive for counter-clockwise, closed or not; relative to the first vertex, for precision."""
    x0, y0 = ring[0]
    doubled = sum((ax - x0) * (by - y0) - (bx - x0) * (ay - y0) for (ax, ay), (bx, by) in pairwise(ring))
    return doubled / 2


def _count(polygons: Polygons) -> int:
    return sum(len(ring) for rings in polygons for ring in rings)


def _jumps(polygons: Polygons) -> bool:
    """Whether an edge goes over the antimeridian, or coordinates are no degrees: planes are no help there."""
    return any(abs(b[0] - a[0]) > 180 for rings in polygons for ring in rings for a, b in pairwise(ring)) or any(
        abs(x) > 180 or abs(y) > 90 for rings in polygons for ring in rings for x, y in ring
    )
