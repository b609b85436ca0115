"""Shapes as flat arrays, and the exact containment test over them, for one point and for many.

Vertices of all shapes stand in one pair of arrays; shape ``i`` owns ``start[i]:start[i + 1]``. A ring is its
closed list of vertices; rings are parted by a NaN vertex, so an edge from or to it compares false with
everything and never counts. By the even-odd rule holes and parts need no bookkeeping. A circle is its centre
as a single vertex and a radius.

The test is even-odd crossing in doubles, with the error bound of the orientation predicate: whatever stands
too close to an edge to be told by doubles, or at the latitude of a vertex, is told by GEOS. So the answer
equals ``shapely.covers`` to the last vertex, boundary included, and is the same for one and for many.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from geofences.geodesy import EARTH_RADIUS_M, M_PER_DEG, distance_m
from geofences.model import Circle, Shape

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_ORIENTATION_ERROR = 3.3306690738754716e-16
"""(3 + 16 eps) eps, eps = 2^-53: J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997; as in GEOS."""

_CIRCLE_DOUBT_M = 1e-6
"""Nearer than this (plus one part in a billion) to a circle's rim the scalar formula decides, so that numpy's
and libm's sine need not agree in the last bit."""


_FEW_VERTICES = 150
"""Up to here plain arithmetic is faster than numpy, whose calls cost 20 µs. Measured: containment is even at 400
vertices; distance at 100 where every edge counts, at 800 where a limit spares most."""

_KEPT_VERTICES = 1 << 16
"""Vertices kept at hand: those of some 5,000 stores, 3 MB."""

CloseUp = tuple[float, float, float, float, "array[float] | None", "array[float] | None"]
"""South, north, west, east; and the vertices' longitudes and latitudes, if they are few."""


class CloseUps(dict[int, CloseUp | None]):
    """Box and vertices of each shape at hand, None of a circle; made when asked for, and kept a while.

    Where one fix is, many follow. Arrays, because numbers of their own would scatter all that is made after them.
    """

    __slots__ = ("_boxes", "_kept", "_start", "_x", "_y")

    def __init__(self, x: Floats, y: Floats, start: Indices, boxes: Floats) -> None:
        super().__init__()
        self._x, self._y, self._start, self._boxes = x, y, start, boxes
        self._kept = 0

    def __missing__(self, which: int) -> CloseUp | None:
        begin, end = self._start[which : which + 2].tolist()
        count, xs, ys = 1, None, None
        if end - begin <= _FEW_VERTICES:
            count, xs, ys = end - begin, array("d", self._x[begin:end].data), array("d", self._y[begin:end].data)
        self._kept += count
        if self._kept > _KEPT_VERTICES:
            self.clear()
            self._kept = count
        south, north, west, east = self._boxes[which].tolist()
        self[which] = close_up = None if end - begin == 1 else (south, north, west, east, xs, ys)
        return close_up


class Outlines:
    """Many shapes as flat arrays. Immutable; ``x`` is longitude and ``y`` latitude in degrees.

    ``boxes`` has a row for each: south, north, west, east; a circle's box is its centre's.
    """

    __slots__ = ("boxes", "close_ups", "has_circles", "radius_m", "start", "x", "y")

    def __init__(self, x: Floats, y: Floats, start: Indices, radius_m: Floats) -> None:
        """``start`` has one more item than there are shapes; ``radius_m`` is NaN where the shape is no circle."""
        self.x, self.y, self.start, self.radius_m = x, y, start, radius_m
        self.has_circles = not bool(np.all(np.isnan(radius_m)))
        begins = start[:-1]
        self.boxes = np.stack(
            [ends.reduceat(ordinates, begins) for ordinates in (y, x) for ends in (np.fmin, np.fmax)]
            if len(begins)
            else [np.empty(0)] * 4,
            axis=1,
        )
        self.close_ups = CloseUps(x, y, start, self.boxes)

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> Outlines:
        """Flatten shapes, in their order."""
        n = len(shapes)
        is_circle = np.fromiter((isinstance(s, Circle) for s in shapes), dtype=bool, count=n)
        circles = [s for s in shapes if isinstance(s, Circle)]
        polygons = np.empty(n - len(circles), dtype=object)
        polygons[:] = [s for s in shapes if not isinstance(s, Circle)] if circles else shapes
        xy, of_polygon = shapely.get_coordinates(polygons, return_index=True)
        # a NaN vertex goes before each ring but the first of its shape; few shapes have several
        several = np.flatnonzero(
            (shapely.get_num_geometries(polygons) > 1) | (shapely.get_num_interior_rings(polygons) > 0)
        )
        if len(several):
            parts, of_several = shapely.get_parts(polygons[several], return_index=True)
            rings, of_part = shapely.get_rings(parts, return_index=True)
            sizes, of_ring = shapely.get_num_coordinates(rings), of_several[of_part]
            begins = sizes.cumsum() - sizes
            within = begins - begins[np.searchsorted(of_ring, of_ring)]
            breaks = (np.searchsorted(of_polygon, several)[of_ring] + within)[within > 0]
            xy = np.insert(xy, breaks, np.nan, axis=0)
            of_polygon = np.insert(of_polygon, breaks, of_polygon[breaks])
        owner = np.flatnonzero(~is_circle)[of_polygon]
        if circles:
            at = np.flatnonzero(is_circle)
            where = np.searchsorted(owner, at)
            xy = np.insert(xy, where, [(c.center.lng, c.center.lat) for c in circles], axis=0)
            owner = np.insert(owner, where, at)
        radius_m = np.full(n, np.nan)
        radius_m[is_circle] = [c.radius_m for c in circles]
        start = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(owner, minlength=n), out=start[1:])
        return cls(np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1]), start, radius_m)

    @classmethod
    def joined(cls, parts: Iterable[tuple[Outlines, NDArray[np.intp]]]) -> Outlines:
        """The chosen shapes of several outlines, one after the other."""
        xs, ys, counts, radii = [], [], [], []
        for part, chosen in parts:
            count = np.diff(part.start)[chosen]
            at = spread(part.start[chosen], count)
            xs.append(part.x[at])
            ys.append(part.y[at])
            counts.append(count)
            radii.append(part.radius_m[chosen])
        start = np.zeros(sum(len(c) for c in counts) + 1, dtype=np.int64)
        np.cumsum(np.concatenate(counts), out=start[1:])
        return cls(np.concatenate(xs), np.concatenate(ys), start, np.concatenate(radii))

    def __len__(self) -> int:
        """How many shapes."""
        return len(self.radius_m)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.x.nbytes + self.y.nbytes + self.start.nbytes + self.radius_m.nbytes + self.boxes.nbytes


def spread(starts: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Concatenate ``range(start, start + count)`` over all rows."""
    steps: Indices = (starts - (counts.cumsum() - counts)).repeat(counts)
    steps += np.arange(len(steps))
    return steps


def covers_many(
    outlines: Outlines, shapes: Sequence[Shape], which: Indices, lats: Floats, lngs: Floats
) -> NDArray[np.bool_]:
    """For each row, whether shape ``which[i]`` covers the point ``lats[i], lngs[i]``.

    ``shapes`` are those the outlines were made of: they settle what doubles cannot.
    """
    inside = np.zeros(len(which), dtype=bool)
    south, north, west, east = outlines.boxes.take(which, axis=0).T
    boxed: NDArray[np.bool_] = south <= lats
    boxed &= lats <= north
    boxed &= west <= lngs
    boxed &= lngs <= east
    doubtful: list[Indices] = []
    if outlines.has_circles:
        is_circle = ~np.isnan(outlines.radius_m[which])
        boxed &= ~is_circle
        rim = is_circle.nonzero()[0]
        inside[rim], doubt = _within_radius(outlines, which[rim], lats[rim], lngs[rim])
        doubtful.append(rim[doubt])
    rows = boxed.nonzero()[0]
    if len(rows):
        inside[rows], doubt = _crosses_oddly(outlines, which[rows], lats[rows], lngs[rows])
        doubtful.append(rows[doubt])
    for part in doubtful:
        for row in part.tolist():
            inside[row] = covers_exactly(shapes[which[row]], float(lats[row]), float(lngs[row]))
    return inside


def _crosses_oddly(outlines: Outlines, which: Indices, lats: Floats, lngs: Floats) -> tuple[NDArray[np.bool_], Indices]:
    """Whether each point is inside, and the rows where that is in doubt."""
    first = outlines.start[which]
    counts = outlines.start[which + 1] - first
    owner, vertex = np.arange(len(which)).repeat(counts), spread(first, counts)
    y, py = outlines.y.take(vertex), lats.repeat(counts)
    above = y > py
    # only edges that meet the point's parallel matter, and the step from one row's shape to the next is none
    steep = (above[1:] != above[:-1]).nonzero()[0]
    steep = steep[owner[steep] == owner[steep + 1]]
    row, begin, end = owner[steep], vertex[steep], steep + 1
    px, py_, is_rising = lngs[row], py[steep], above[end]
    left = (outlines.x[begin] - px) * (y[end] - py_)
    right = (y[steep] - py_) * (outlines.x[begin + 1] - px)
    det = left - right
    # at the NaN vertex between two rings det is NaN: such an edge neither counts nor doubts
    counts_ = ((det > 0) == is_rising) & (det == det)
    is_odd = (np.bincount(row[counts_.nonzero()[0]], minlength=len(which)) & 1).astype(bool)
    unsure = np.abs(det) <= _ORIENTATION_ERROR * (np.abs(left) + np.abs(right))
    doubt = row[unsure.nonzero()[0]]
    level = y == py
    return is_odd, np.concatenate((doubt, owner[level])) if level.any() else doubt


def _within_radius(outlines: Outlines, which: Indices, lats: Floats, lngs: Floats) -> tuple[NDArray[np.bool_], Indices]:
    """Whether each point is inside, and the rows where that is in doubt."""
    first = outlines.start[which]
    phi1, phi2 = np.radians(outlines.y[first]), np.radians(lats)
    half_dlng = np.radians(lngs - outlines.x[first]) * 0.5
    a = np.sin((phi2 - phi1) * 0.5) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(half_dlng) ** 2
    away_m = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(a)))
    radius_m = outlines.radius_m[which]
    unsure = np.abs(away_m - radius_m) <= _CIRCLE_DOUBT_M + 1e-9 * radius_m
    return away_m <= radius_m, unsure.nonzero()[0]


def covers_exactly(shape: Shape, lat: float, lng: float) -> bool:
    """The definition: great-circle distance for a circle, GEOS for a polygon."""
    if isinstance(shape, Circle):
        return distance_m(shape.center.lat, shape.center.lng, lat, lng) <= shape.radius_m
    return bool(shapely.intersects_xy(shape, lng, lat))


def covers_one(outlines: Outlines, shape: Shape, which: int, lat: float, lng: float) -> bool:
    """``covers_many`` for one point and one shape: the same arithmetic, hence the same answer."""
    close_up = outlines.close_ups[which]
    if close_up is None:
        return covers_exactly(shape, lat, lng)
    south, north, west, east, xs, ys = close_up
    if not (south <= lat <= north and west <= lng <= east):
        return False
    if xs is None or ys is None:
        is_odd, doubt = _crosses_oddly(outlines, np.array([which]), np.array([lat]), np.array([lng]))
        return covers_exactly(shape, lat, lng) if len(doubt) else bool(is_odd[0])
    odd = False
    vertices = zip(xs, ys, strict=True)
    lng1, lat1 = next(vertices)
    for lng2, lat2 in vertices:
        if lat2 == lat:
            return covers_exactly(shape, lat, lng)
        is_rising = lat2 > lat
        if is_rising is not (lat1 > lat):
            left = (lng1 - lng) * (lat2 - lat)
            right = (lat1 - lat) * (lng2 - lng)
            det = left - right
            if abs(det) <= _ORIENTATION_ERROR * (abs(left) + abs(right)):
                return covers_exactly(shape, lat, lng)
            if (det > 0) is is_rising and det == det:
                odd = not odd
        lng1, lat1 = lng2, lat2
    return odd


_DOUBT_M = 1e-6
"""Nearer than this (plus one part in a billion) to a limit the distance itself decides."""


def boundary_distance_m(outlines: Outlines, which: int, lat: float, lng: float, limit_m: float | None = None) -> float:
    """Metres from the point to the shape's boundary, unsigned; with a limit it only has to be on its right side.

    For a polygon in the plane tangent at the point (longitudes taken the short way round): within a per mille
    for distances up to some 20 km, which is as far as any rule looks.
    """
    near_m, far_m = 0.0, math.inf
    if limit_m is not None:
        near_m, far_m = limit_m * (1 - 1e-9) - _DOUBT_M, limit_m * (1 + 1e-9) + _DOUBT_M
    close_up = outlines.close_ups[which]
    if close_up is None:
        at = outlines.start[which]
        away_m = distance_m(float(outlines.y[at]), float(outlines.x[at]), lat, lng)
        return abs(away_m - float(outlines.radius_m[which]))
    south, north, west, east, xs, ys = close_up
    m_per_deg_lng = M_PER_DEG * math.cos(math.radians(lat))
    if west >= lng - 180.0 and east <= lng + 180.0:
        far_deg = far_m / M_PER_DEG
        lowest, highest = lat - far_deg, lat + far_deg
        far_deg = far_m / m_per_deg_lng
        leftmost, rightmost = lng - far_deg, lng + far_deg
        if highest < south or lowest > north or rightmost < west or leftmost > east:
            return math.inf
        if xs is not None and ys is not None:
            nearest, enough = math.inf, near_m * abs(near_m)
            vertices = zip(xs, ys, strict=True)
            lng1, lat1 = next(vertices)
            for lng2, lat2 in vertices:
                if not (
                    (lat1 < lowest and lat2 < lowest)
                    or (lat1 > highest and lat2 > highest)
                    or (lng1 < leftmost and lng2 < leftmost)
                    or (lng1 > rightmost and lng2 > rightmost)
                ):
                    x1, y1 = (lng1 - lng) * m_per_deg_lng, (lat1 - lat) * M_PER_DEG
                    x2, y2 = (lng2 - lng) * m_per_deg_lng, (lat2 - lat) * M_PER_DEG
                    dx, dy = x2 - x1, y2 - y1
                    length = dx * dx + dy * dy
                    t = -(x1 * dx + y1 * dy) / length if length else 0.0
                    t = 0.0 if t < 0.0 else 1.0 if t > 1.0 else t  # noqa: FURB136 - a call would double the cost
                    nx, ny = x1 + t * dx, y1 + t * dy
                    squared = nx * nx + ny * ny
                    if squared < nearest:  # never for NaN, which stands between two rings
                        nearest = squared
                        if squared <= enough:
                            break
                lng1, lat1 = lng2, lat2
            return math.sqrt(nearest)
    begin, end = outlines.start[which], outlines.start[which + 1]
    lngs = outlines.x[begin:end]
    first = lngs[:-1] - lng
    first -= 360 * np.round(first / 360)
    last = first + np.diff(lngs)
    y = (outlines.y[begin:end] - lat) * M_PER_DEG
    squares = squared_distances(first * m_per_deg_lng, y[:-1], last * m_per_deg_lng, y[1:])
    return float(np.sqrt(np.nanmin(squares)))


def squared_distances(x1: Floats, y1: Floats, x2: Floats, y2: Floats) -> Floats:
    """Squared distance from the origin to each segment; NaN where an end is NaN."""
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.clip(-(x1 * dx + y1 * dy) / length, 0.0, 1.0)
    t[length == 0] = 0.0
    nx, ny = x1 + t * dx, y1 + t * dy
    nearest: Floats = nx * nx + ny * ny
    return nearest
