"""What a map tile shows of the geofences: true shapes where they can be seen, points, and counts where points crowd.

Tiles are those of web maps: zoom ``z``, column ``x``, row ``y`` of the Web Mercator square, 512 pixels wide. Three
layers: ``areas`` (id, name) are shapes that are large enough, ``stores`` (id, name) are points, and ``clusters``
(count) stand for the points of one square of a grid. Whatever the catalog, a tile has at most ``MAX_AREAS`` shapes and
``MAX_POINTS`` points.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from gateway.catalog.shelf import Shelf, box_of
from gateway.ops.vector_tile import EXTENT, areas_layer, points_layer
from geofences.geodesy import M_PER_DEG
from geofences.model import Circle, Geofence

MAX_ZOOM: Final = 22
TILE_PX: Final = 512
UNITS_PER_PX: Final = EXTENT // TILE_PX
MIN_AREA_PX: Final = 6
"""A smaller shape says no more than its point; among clusters one has to be as large as their squares."""
MAX_AREAS: Final = 1_000
"""Shapes of one tile, the largest first: more cannot be told apart on 512 pixels."""
MAX_CORNERS: Final = 200_000
"""Corners that are looked at for one tile: a tenth of a second in the worst case."""
MAX_POINTS: Final = 1_000
CLUSTERED_BELOW_ZOOM: Final = 14
"""From here on stores stand apart: a tile is 1.2 km wide at 60° north."""
CLUSTER_PX: Final = 32
"""Side of a cluster's square: room for a number."""
DENSE_CLUSTER_PX: Final = 16
"""The same where a close tile has more than ``MAX_POINTS``."""
MARGIN_UNITS: Final = 64
"""How far a shape is drawn beyond the tile, so that its edge is not seen where tiles meet."""
TOLERANCE_UNITS: Final = 4
"""Half a pixel: what simplifying may move."""
MAX_NAME: Final = 80
"""Characters of a name; a label shows fewer."""
CIRCLE_CORNERS: Final = 48
MAX_LAT: Final = 85.051128779806589
"""Where the Web Mercator square ends."""


class Tiling:
    """The geofences of one shelf, ready to be drawn."""

    def __init__(self, shelf: Shelf) -> None:
        """Project boxes and middles: 30 ms for 100,000."""
        self._shelf = shelf
        west, south, east, north = shelf.boxes.T
        self._low = _projected(np.column_stack([west, north]))
        self._high = _projected(np.column_stack([east, south]))
        self._sizes = (self._high - self._low).max(axis=1, initial=0)
        self._middles = (self._low + self._high) / 2
        for place in np.flatnonzero(east - west > 180):  # cut at the antimeridian
            self._middles[place] = _projected(np.array([middle_of(shelf.geofences[place])[::-1]]))

    def draw(self, z: int, x: int, y: int) -> bytes:
        """The tile, not compressed; empty where it shows nothing."""
        return self._areas(z, x, y) + self._points(z, x, y)

    def _areas(self, z: int, x: int, y: int) -> bytes:
        margin, least_px = MARGIN_UNITS / EXTENT, CLUSTER_PX if z < CLUSTERED_BELOW_ZOOM else MIN_AREA_PX
        large = np.flatnonzero(self._sizes * 2**z >= least_px / TILE_PX)
        (west, north), (east, south) = (self._low[large] * 2**z).T, (self._high[large] * 2**z).T
        is_across = (east > x - margin) & (west < x + 1 + margin)
        seen = large[is_across & (south > y - margin) & (north < y + 1 + margin)]
        seen = seen[np.argsort(-self._sizes[seen], kind="stable")][:MAX_AREAS]
        shapes = np.array([_drawn(self._shelf.geofences[place]) for place in seen], dtype=object)
        corners = np.cumsum(shapely.get_num_coordinates(shapes))
        wanted = max(1, int(np.searchsorted(corners, MAX_CORNERS, side="right")))
        shapes = _fitted(shapes[:wanted], z, x, y)
        is_left = ~shapely.is_empty(shapes)
        if not is_left.any():
            return b""
        facts = [_facts(self._shelf.geofences[place]) for place in seen[:wanted][is_left]]
        return areas_layer("areas", shapes[is_left], facts)

    def _points(self, z: int, x: int, y: int) -> bytes:
        columns, rows = (self._middles * 2**z).T
        inside = np.flatnonzero((columns >= x) & (columns < x + 1) & (rows >= y) & (rows < y + 1))
        middles = np.floor((self._middles[inside] * 2**z - (x, y)) * EXTENT).astype(np.int64)
        if z >= CLUSTERED_BELOW_ZOOM and len(inside) <= MAX_POINTS:
            alone, clusters = np.arange(len(inside)), b""
        else:
            side = UNITS_PER_PX * (CLUSTER_PX if z < CLUSTERED_BELOW_ZOOM else DENSE_CLUSTER_PX)
            square = middles // side @ np.array([EXTENT, 1])
            _, first, where, counts = np.unique(square, return_index=True, return_inverse=True, return_counts=True)
            alone, crowded = first[counts == 1], counts > 1
            means = np.column_stack([np.bincount(where, middles[:, axis], len(counts)) for axis in (0, 1)])
            means = (means // counts[:, None]).astype(np.int64)[crowded]
            clusters = _points_or_none("clusters", means, [{"count": int(count)} for count in counts[crowded]])
        facts = [_facts(self._shelf.geofences[place]) for place in inside[alone]]
        return clusters + _points_or_none("stores", middles[alone], facts)


def _points_or_none(name: str, places: NDArray[np.int64], facts: list[Any]) -> bytes:
    return points_layer(name, places, facts) if facts else b""


def _facts(geofence: Geofence) -> dict[str, str | int]:
    name = geofence.properties.get("name")
    if not isinstance(name, str) or not name:
        return {"id": geofence.id}
    return {"id": geofence.id, "name": name[:MAX_NAME]}


def _projected(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (lng, lat) in degrees to rows (x, y) on the Web Mercator square, 0 to 1, y downwards (EPSG:3857, scaled)."""
    lng, lat = places.T
    sine = np.sin(np.radians(np.clip(lat, -MAX_LAT, MAX_LAT)))
    return np.column_stack([lng / 360 + 0.5, 0.5 - np.arctanh(sine) / (2 * math.pi)])


def _fitted(shapes: NDArray[Any], z: int, x: int, y: int) -> NDArray[Any]:
    """Shapes in degrees in the tile's units: projected, cut, simplified, on whole coordinates, and still valid."""
    moved = shapely.transform(shapes, lambda places: (_projected(places) * 2**z - (x, y)) * EXTENT)
    low, high = -MARGIN_UNITS, EXTENT + MARGIN_UNITS
    bounds = shapely.bounds(moved)
    is_cut = (bounds[:, :2] < low).any(axis=1) | (bounds[:, 2:] > high).any(axis=1)
    moved[is_cut] = _areas_only(shapely.make_valid(shapely.clip_by_rect(moved[is_cut], low, low, high, high)))
    return _areas_only(shapely.set_precision(shapely.simplify(moved, TOLERANCE_UNITS), 1))


def _areas_only(shapes: NDArray[Any]) -> NDArray[Any]:
    """Shapes without the lines and points that cutting and rounding can leave of them."""
    is_mixed = shapely.get_dimensions(shapes) < 2
    shapes[is_mixed] = shapely.Polygon()
    for place in np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION):
        shapes[place] = shapely.union_all([part for part in shapes[place].geoms if shapely.get_dimensions(part) == 2])
    return shapes


def _drawn(geofence: Geofence) -> shapely.Geometry:
    """The geofence as a polygon in degrees; a circle gets ``CIRCLE_CORNERS``, which no eye tells from one."""
    shape = geofence.shape
    if not isinstance(shape, Circle):
        return shape
    turns = np.linspace(0, 2 * math.pi, CIRCLE_CORNERS, endpoint=False)
    reach_deg = shape.radius_m / M_PER_DEG
    widened_deg = reach_deg / max(math.cos(math.radians(shape.center.lat)), 1e-3)
    lngs, lats = shape.center.lng + widened_deg * np.cos(turns), shape.center.lat + reach_deg * np.sin(turns)
    return shapely.Polygon(np.column_stack([lngs, lats]))


def middle_of(geofence: Geofence) -> tuple[float, float]:
    """Latitude and longitude of the middle of its box; of its first part's, where it is cut at the antimeridian."""
    west, south, east, north = box_of(geofence)
    if east - west > 180:
        west, south, east, north = shapely.bounds(shapely.get_parts(_drawn(geofence))[0]).tolist()
    return (south + north) / 2, (west + east) / 2
