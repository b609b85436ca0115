"""Stores as visit attribution sees them: where each one lies, how far it spreads, how often its kind is visited.

Compiled once per geofence. The law: a store is summed up by the first two moments of a point drawn uniformly from
its polygon, so that "could these fixes have been taken in there?" is closed-form arithmetic, never a polygon test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import msgspec
from shapely import MultiPolygon, Polygon

from geofences import h3grid
from geofences.geodesy import M_PER_DEG, lng_delta_deg
from geofences.model import Circle, Geofence

_CELL_RESOLUTION = 10
"""H3 resolution of the candidate table: cells 130 m across, the span that a fix and a store door can differ by."""

_REACH_M = 100.0
"""A store is a candidate in every cell this near its bounding box: three sigma of the worst fixes that count."""

_SAMPLE_M = 50.0
"""Spacing of the points whose cells are entered: under the 66 m edge of a cell, so that no whole cell is skipped."""

LARGEST_SPAN_M = 2_000.0
"""A fence with a longer side is a district, not a store that somebody can be said to visit."""

_VISITS_BY_KIND: Mapping[str, float] = {
    "supermarket": 4.0,
    "mall": 2.0,
    "department_store": 2.0,
    "convenience": 2.0,
    "clothes": 2.0,
}
"""Visits relative to an ordinary store, by OpenStreetMap ``shop`` value: food is bought several times a week, clothes
are what people browse; everything else is 1. The sizes follow visits per store in two simulated cities, rounded down
(docs/visits.md). A feature's own ``popularity`` property overrides it."""


class Store(msgspec.Struct, frozen=True, gc=False):
    """One geofence reduced to moments, in metres east and north of its centroid ``lat``, ``lng``.

    ``xx``, ``xy``, ``yy`` are the covariance (m²) of a uniform point; ``west`` … ``north`` the bounding box;
    ``ln_area`` the logarithm of the area in m²; ``ln_popularity`` that of its visits relative to an ordinary store.
    """

    geofence_id: str
    lat: float
    lng: float
    xx: float
    xy: float
    yy: float
    ln_area: float
    west: float
    east: float
    south: float
    north: float
    ln_popularity: float


class StoreField:
    """All stores that can be visited, by H3 cell. Immutable; ``updated`` answers a new field."""

    __slots__ = ("_cells", "_stores")

    def __init__(self, stores: dict[str, Store], cells: dict[int, tuple[Store, ...]]) -> None:
        """Take ownership of both tables; use :meth:`build` instead."""
        self._stores = stores
        self._cells = cells

    @classmethod
    def build(cls, geofences: Iterable[Geofence]) -> StoreField:
        """Compile every geofence that is small enough to be a store; the later of two with one id stays."""
        return cls({}, {}).updated(geofences, ())

    def updated(self, put: Iterable[Geofence], removed: Iterable[str]) -> StoreField:
        """Answer a field with ``put`` added or replaced and the ids of ``removed`` gone.

        The work grows with the change, apart from two shallow dictionary copies. Unknown ids are ignored.
        """
        incoming = {fence.id: compiled(fence) for fence in put}
        outgoing = {*removed, *incoming} & self._stores.keys()
        stores, cells = dict(self._stores), dict(self._cells)
        for geofence_id in outgoing:
            for cell in cells_near(stores.pop(geofence_id)):
                left = tuple(store for store in cells[cell] if store.geofence_id != geofence_id)
                if left:
                    cells[cell] = left
                else:
                    del cells[cell]
        for store in incoming.values():
            if store is not None:
                stores[store.geofence_id] = store
                for cell in cells_near(store):
                    cells[cell] = (*cells.get(cell, ()), store)
        return StoreField(stores, cells)

    def near(self, lat: float, lng: float) -> tuple[Store, ...]:
        """Every store that a user about this point could be in, and some more."""
        return self._cells.get(h3grid.cell_of(lat, lng, _CELL_RESOLUTION), ())

    def __contains__(self, geofence_id: object) -> bool:
        """Whether this geofence takes part in visit attribution."""
        return geofence_id in self._stores

    def __len__(self) -> int:
        """How many stores take part."""
        return len(self._stores)

    def __iter__(self) -> Iterator[Store]:
        """The stores, in no particular order."""
        return iter(self._stores.values())


def compiled(fence: Geofence) -> Store | None:
    """The store of a geofence, or None where it has no area or spans more than ``LARGEST_SPAN_M``."""
    shape = fence.shape
    if isinstance(shape, Circle):
        radius = shape.radius_m
        spread = radius * radius / 4.0
        moments = (shape.center.lat, shape.center.lng, spread, 0.0, spread, math.pi * radius * radius)
        box = (-radius, radius, -radius, radius)
    else:
        moments, box = _polygon_moments(shape)
    area = moments[5]
    if not area > 0.0 or max(box[1] - box[0], box[3] - box[2]) > LARGEST_SPAN_M:
        return None
    return Store(fence.id, *moments[:5], math.log(area), *box, math.log(popularity(fence.properties)))


def popularity(properties: Mapping[str, object]) -> float:
    """Visits relative to an ordinary store: the ``popularity`` property where it is a positive number, else by kind."""
    own = properties.get("popularity")
    if isinstance(own, int | float) and 0.0 < own < math.inf:
        return float(own)
    return _VISITS_BY_KIND.get(str(properties.get("shop")), 1.0)


def cells_near(store: Store) -> set[int]:
    """The cells within reach of the store's bounding box."""
    kx = M_PER_DEG * max(0.01, math.cos(math.radians(store.lat)))
    return {
        h3grid.cell_of(max(-90.0, min(90.0, store.lat + y / M_PER_DEG)), store.lng + x / kx, _CELL_RESOLUTION)
        for x in _steps(store.west - _REACH_M, store.east + _REACH_M)
        for y in _steps(store.south - _REACH_M, store.north + _REACH_M)
    }


def _steps(low: float, high: float) -> list[float]:
    count = math.ceil((high - low) / _SAMPLE_M)
    return [low + (high - low) * i / count for i in range(count + 1)]


def _polygon_moments(
    shape: Polygon | MultiPolygon,
) -> tuple[tuple[float, float, float, float, float, float], tuple[float, float, float, float]]:
    """Centroid (lat, lng), covariance (xx, xy, yy in m²) and area (m²); the box (west, east, south, north) about it.

    By Green's theorem over all rings. Parts either side of the antimeridian belong together.
    """
    lng0, lat0 = shape.representative_point().coords[0]
    kx = M_PER_DEG * max(0.01, math.cos(math.radians(lat0)))
    area = x_sum = y_sum = xx = xy = yy = 0.0
    xs: list[float] = []
    ys: list[float] = []
    for part in shape.geoms if isinstance(shape, MultiPolygon) else (shape,):
        for is_hole, ring in [(False, part.exterior), *((True, hole) for hole in part.interiors)]:
            points = [(lng_delta_deg(lng0, lng) * kx, (lat - lat0) * M_PER_DEG) for lng, lat, *_ in ring.coords]
            sign = -1.0 if is_hole == ring.is_ccw else 1.0
            for (x0, y0), (x1, y1) in pairwise(points):
                cross = sign * (x0 * y1 - x1 * y0)
                area += cross / 2
                x_sum += (x0 + x1) * cross / 6
                y_sum += (y0 + y1) * cross / 6
                xx += (x0 * x0 + x0 * x1 + x1 * x1) * cross / 12
                yy += (y0 * y0 + y0 * y1 + y1 * y1) * cross / 12
                xy += (x0 * y1 + 2 * x0 * y0 + 2 * x1 * y1 + x1 * y0) * cross / 24
            xs += [x for x, _ in points]
            ys += [y for _, y in points]
    if area <= 0.0:
        return (lat0, lng0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)
    x, y = x_sum / area, y_sum / area
    moments = lat0 + y / M_PER_DEG, lng0 + x / kx, xx / area - x * x, xy / area - x * y, yy / area - y * y, area
    return moments, (min(xs) - x, max(xs) - x, min(ys) - y, max(ys) - y)
