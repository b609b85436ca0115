"""A shape's covering: the H3 cells where no test is needed, and those where the exact test decides.

The law: the domain of every *interior* cell (``h3grid``: all points whose finest cell descends from it) lies
in the shape; the domains of interior and *boundary* cells together contain the shape. Both are proved by one
number: ``reach_m`` bounds the distance from a cell's centre to any point of its domain, so a cell whose
centre is farther than its reach from the shape is out, one whose centre is inside and farther than its reach
from the boundary is interior, and the rest are refined, down to a resolution chosen by cost.

Distances are taken in the plane around the cell's centre whose longitude scale is the smallest in the
cell's domain: never larger than the great-circle distance, so nothing is missed at any latitude.

Many shapes are covered together, level by level, in numpy: 100,000 stores take seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geofences import h3grid
from geofences.geodesy import EARTH_RADIUS_M, M_PER_DEG
from geofences.model import Shape
from geofences.outline import Floats, Outlines, spread, squared_distances

_HEADER = struct.Struct("<BI")
_FORMAT = 1

_BUDGET_CELLS = 20
"""Boundary cells that any shape may spend. More cells mean fewer exact tests and more memory; on Porto 20
keeps the tests at about one per three pings in a store's neighbourhood, and a small store under 0.5 kB."""

_CELLS_PER_EDGE = 1.0
"""Boundary cells more for each edge: the dearer a shape's exact test, the more it pays to avoid it."""

_PLANE_SLACK = 1.01
"""The flat distance exceeds the great-circle one by less than this for every cell's reach (x / sin x at 0.25)."""

_BLOCK_ROWS = 1 << 20
"""Cell-edge pairs worked on at once: some 100 MB of intermediates."""

_SHAPES_AT_ONCE = 4096
"""Shapes covered together by ``cover_many``: bounds memory, and how long one numpy call can hold the lock."""


@dataclass(frozen=True, slots=True)
class Covering:
    """Interior and boundary cells of one shape as little-endian uint64, of mixed resolutions, disjoint.

    Each in the order of the line (``h3grid``), in which neighbours join to one range.
    """

    interior: bytes
    boundary: bytes

    @property
    def interior_cells(self) -> h3grid.Cells:
        """Cells whose every point is in the shape."""
        return np.frombuffer(self.interior, dtype="<u8")

    @property
    def boundary_cells(self) -> h3grid.Cells:
        """Cells where the exact test decides."""
        return np.frombuffer(self.boundary, dtype="<u8")

    def to_bytes(self) -> bytes:
        """The form that is stored beside the geofence."""
        return _HEADER.pack(_FORMAT, len(self.interior)) + self.interior + self.boundary

    @classmethod
    def from_bytes(cls, raw: bytes) -> Covering:
        """Read what ``to_bytes`` wrote; ValueError for anything else."""
        if len(raw) < _HEADER.size or raw[0] != _FORMAT:
            raise ValueError("not a stored covering of format 1")
        _, interior_bytes = _HEADER.unpack_from(raw)
        cells = raw[_HEADER.size :]
        if len(cells) % 8 or interior_bytes % 8 or interior_bytes > len(cells):
            raise ValueError("a stored covering is cut off")
        return cls(cells[:interior_bytes], cells[interior_bytes:])


def cover(shape: Shape, margin_m: float = 0.0) -> Covering:
    """The covering of one shape.

    With a margin, the boundary cells also reach every point within ``margin_m`` of the shape.
    """
    return cover_many([shape], margin_m)[0]


def cover_many(shapes: Sequence[Shape], margin_m: float = 0.0) -> list[Covering]:
    """The covering of each shape, in their order: ``cover`` at a fraction of the cost per shape."""
    coverings: list[Covering] = []
    for begin in range(0, len(shapes), _SHAPES_AT_ONCE):
        coverings += _cover_block(shapes[begin : begin + _SHAPES_AT_ONCE], margin_m)
    return coverings


def _cover_block(shapes: Sequence[Shape], margin_m: float) -> list[Covering]:
    outlines = Outlines.of(shapes)
    extent = _Extent(outlines)
    target = _target_resolutions(outlines, extent, margin_m)
    start = _start_resolutions(extent, margin_m)
    interior: list[tuple[NDArray[np.intp], h3grid.Cells]] = []
    boundary: list[tuple[NDArray[np.intp], h3grid.Cells]] = []
    owner, cells = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.uint64)
    for res in range(h3grid.FINEST + 1):
        beginners = np.flatnonzero(start == res)
        if len(beginners):
            origins = h3grid.cells_of(extent.lat[beginners], extent.lng[beginners], res)
            first, origin = h3grid.neighborhoods_of(origins, res)
            owner, cells = np.append(owner, beginners[origin]), np.append(cells, first)
        worldwide = np.flatnonzero(start < 0) if res == 0 else beginners[:0]
        if len(worldwide):
            owner = np.append(owner, np.repeat(worldwide, len(h3grid.ROOTS)))
            cells = np.append(cells, np.tile(h3grid.ROOTS, len(worldwide)))
        if not len(cells):
            continue
        inside, outside = _classify(outlines, extent, owner, cells, res, margin_m)
        interior.append((owner[inside], cells[inside]))
        between = ~(inside | outside)
        done = between & (target[owner] <= res)
        boundary.append((owner[done], cells[done]))
        rest = between & ~done
        owner, cells = owner[rest], cells[rest]
        if len(cells) and res < h3grid.FINEST:
            cells, parent = h3grid.children_of(cells, res)
            owner = owner[parent]
    inner, outer = _by_owner(interior, len(shapes)), _by_owner(boundary, len(shapes))
    return [Covering(i, b) for i, b in zip(inner, outer, strict=True)]


def _by_owner(found: list[tuple[NDArray[np.intp], h3grid.Cells]], n: int) -> list[bytes]:
    owner = np.concatenate([o for o, _ in found])
    cells = np.concatenate([c for _, c in found])
    order = np.lexsort((h3grid.ranges_of(cells)[0], owner))
    raw = cells[order].astype("<u8").tobytes()
    ends = (8 * np.cumsum(np.bincount(owner, minlength=n))).tolist()
    return [raw[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


class _Extent:
    """Bounding boxes (degrees) and sizes (metres) of shapes; a circle's box is that of its centre."""

    def __init__(self, outlines: Outlines) -> None:
        begins = outlines.start[:-1]
        self.south, self.north, self.west, self.east = outlines.boxes.T
        self.lat, self.lng = (self.south + self.north) / 2, (self.west + self.east) / 2
        self.circle_m = np.where(np.isnan(outlines.radius_m), 0.0, outlines.radius_m)
        m_per_deg_lng = M_PER_DEG * np.cos(np.radians(self.lat))
        width_m = (self.east - self.west) * m_per_deg_lng
        height_m = (self.north - self.south) * M_PER_DEG
        self.radius_m = np.hypot(width_m, height_m) / 2 + self.circle_m
        edge_count = np.diff(outlines.start) - 1
        owner = np.repeat(np.arange(len(edge_count)), edge_count)
        a = spread(begins, edge_count)
        x = (outlines.x - np.repeat(self.lng, edge_count + 1)) * np.repeat(m_per_deg_lng, edge_count + 1)
        y = (outlines.y - np.repeat(self.lat, edge_count + 1)) * M_PER_DEG
        lengths = np.nan_to_num(np.hypot(x[a + 1] - x[a], y[a + 1] - y[a]))
        twice = np.nan_to_num(x[a] * y[a + 1] - x[a + 1] * y[a])
        n = len(edge_count)
        self.perimeter_m = np.bincount(owner, lengths, n) + 2 * np.pi * self.circle_m
        self.area_m2 = np.abs(np.bincount(owner, twice, n)) / 2 + np.pi * self.circle_m**2


def _target_resolutions(outlines: Outlines, extent: _Extent, margin_m: float) -> NDArray[np.intp]:
    """The finest resolution whose boundary cells are expected to stay within the shape's budget."""
    budget = _BUDGET_CELLS + _CELLS_PER_EDGE * (np.diff(outlines.start) - 1)
    target = np.zeros(len(outlines), dtype=np.intp)
    for res in range(1, h3grid.FINEST + 1):
        reach_m = h3grid.reach_m(res)
        outer_m = reach_m + margin_m
        inner = np.minimum(extent.area_m2, extent.perimeter_m * reach_m)
        rim_m2 = inner + extent.perimeter_m * outer_m + np.pi * outer_m**2
        target[rim_m2 <= budget * h3grid.mean_area_m2(res)] = res
    return target


def _start_resolutions(extent: _Extent, margin_m: float) -> NDArray[np.intp]:
    """The finest resolution at which a cell and its neighbours surely hold the shape; -1 where none does.

    From a point of a cell to the rim of its neighbourhood it is at least an edge; the smallest edges are some
    0.7 of the mean, domains bite 0.2 out of it, and planar sizes of shapes are not trusted beyond 60 degrees.
    """
    start = np.full(len(extent.lat), -1, dtype=np.intp)
    near_pole = np.maximum(np.abs(extent.south), np.abs(extent.north)) > 85
    for res in range(h3grid.FINEST + 1):
        fits = 1.5 * extent.radius_m + margin_m <= 0.4 * h3grid.mean_edge_m(res)
        start[fits & ~near_pole & (extent.east - extent.west < 60)] = res
    return start


def _classify(
    outlines: Outlines, extent: _Extent, owner: NDArray[np.intp], cells: h3grid.Cells, res: int, margin_m: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each (shape, cell) pair, whether the cell is interior, and whether it is out."""
    lat, lng = h3grid.centers_of(cells)
    reach_m = h3grid.reach_m(res) * _PLANE_SLACK
    inside, outside = np.zeros(len(cells), dtype=bool), np.zeros(len(cells), dtype=bool)
    is_circle = ~np.isnan(outlines.radius_m)[owner]
    rows = np.flatnonzero(is_circle)
    if len(rows):
        inside[rows], outside[rows] = _classify_circles(outlines, owner[rows], lat[rows], lng[rows], reach_m, margin_m)
    for shift_deg in (0.0, -360.0, 360.0):
        rows = np.flatnonzero(~is_circle)
        scale = np.cos(np.minimum(np.radians(np.abs(lat[rows])) + (reach_m + margin_m) / EARTH_RADIUS_M, np.pi / 2))
        shifted = lng[rows] + shift_deg
        away_lng = np.maximum(0, np.maximum(extent.west[owner[rows]] - shifted, shifted - extent.east[owner[rows]]))
        away_lat = np.maximum(
            0, np.maximum(extent.south[owner[rows]] - lat[rows], lat[rows] - extent.north[owner[rows]])
        )
        near = np.hypot(away_lng * scale, away_lat) * M_PER_DEG <= (reach_m + margin_m) * _PLANE_SLACK
        if shift_deg == 0.0:
            outside[rows] = True
        rows, scale, shifted = rows[near], scale[near], shifted[near]
        if len(rows):
            within, distance_m = _place(outlines, owner[rows], lat[rows], shifted, scale)
            outside[rows] &= ~within & (distance_m > (reach_m + margin_m) * _PLANE_SLACK)
            inside[rows] |= within & (distance_m > reach_m * _PLANE_SLACK)
    return inside & ~outside, outside


def _classify_circles(
    outlines: Outlines, owner: NDArray[np.intp], lat: Floats, lng: Floats, reach_m: float, margin_m: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    center = outlines.start[owner]
    phi1, phi2 = np.radians(outlines.y[center]), np.radians(lat)
    half_dlng = np.radians(lng - outlines.x[center]) / 2
    a = np.sin((phi2 - phi1) / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(half_dlng) ** 2
    distance_m = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(a)))
    radius_m = outlines.radius_m[owner]
    return distance_m + reach_m < radius_m, distance_m > radius_m + reach_m + margin_m


def _place(
    outlines: Outlines, owner: NDArray[np.intp], lat: Floats, lng: Floats, scale: Floats
) -> tuple[NDArray[np.bool_], Floats]:
    """Whether each centre is in its polygon, and its scaled distance to the boundary in metres."""
    first = outlines.start[owner]
    edges = outlines.start[owner + 1] - first - 1
    within, distance_m = np.empty(len(owner), dtype=bool), np.empty(len(owner))
    ends = np.cumsum(edges)
    begin = 0
    while begin < len(owner):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _BLOCK_ROWS, "right")))
        part = slice(begin, end)
        a = spread(first[part], edges[part])
        x0, y0 = np.repeat(lng[part], edges[part]), np.repeat(lat[part], edges[part])
        x_scale = np.repeat(scale[part], edges[part])
        x1, x2 = (outlines.x[a] - x0) * x_scale, (outlines.x[a + 1] - x0) * x_scale
        y1, y2 = outlines.y[a] - y0, outlines.y[a + 1] - y0
        begins = ends[part] - edges[part] - done
        squared = np.fmin.reduceat(squared_distances(x1, y1, x2, y2), begins)
        crosses = ((y1 > 0) != (y2 > 0)) & ((x1 * y2 - y1 * x2 > 0) == (y2 > y1)) & ~np.isnan(x1 + x2)
        within[part] = np.bitwise_xor.reduceat(crosses.astype(np.uint8), begins).astype(bool)
        distance_m[part] = np.sqrt(squared) * M_PER_DEG
        begin = end
    return within, distance_m
