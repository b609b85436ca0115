"""Most points are near no geofence: a sieve that tells so for a tenth of the price of an H3 cell.

Every shape marks the squares of a latitude-longitude grid that its bounding box touches, in the finest of four grids
where those are few; a hashed table of marks per grid that is in use. A point in an unmarked square is in no shape.
Marks are never missing, because rounding to squares is monotonic; a mark may mean nothing but a shared hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geofences.geodesy import M_PER_DEG
from geofences.outline import Floats, Outlines, spread

_SQUARES_PER_DEG: Final = (8192, 2048, 64, 2)
"""Squares of 14 m, 54 m, 1.7 km and 56 km: a kiosk, a supermarket, a district, a region."""

_MAX_SQUARES: Final = 16
"""Squares that one shape may mark in a grid; a larger one goes to the next coarser grid."""

_SLOTS_PER_SQUARE: Final = 8
"""Slots (bits) of the table for each mark: a stray point is let through once in eight times or less."""

_SPREAD: Final = 0x9E3779B1

Table = tuple[int, int, bytes]
"""Squares per degree, mask, and a bit for each slot."""


class Sieve:
    """Tells points that can be in no shape. Immutable."""

    __slots__ = ("_arrays", "_tables", "is_open")

    is_open: bool
    """Whether everything is let through, because some shape is wider than the coarsest grid can mark."""

    def __init__(self, outlines: Outlines) -> None:
        """Mark the squares of all shapes."""
        south, north, west, east = _boxes(outlines)
        tables: list[Table] = []
        rest = np.arange(len(outlines))
        for per_deg in _SQUARES_PER_DEG:
            row, col = _row(south[rest], per_deg), _col(west[rest], per_deg)
            rows = _row(north[rest], per_deg) - row + 1
            cols = _col(east[rest], per_deg) - col + 1
            fits = rows * cols <= _MAX_SQUARES
            if fits.any():
                tables.append(_marked(row[fits], col[fits], rows[fits], cols[fits], per_deg))
            rest = rest[~fits]
        self.is_open = len(rest) > 0
        self._tables: Sequence[Table] = tables
        self._arrays = [(per_deg, mask, np.frombuffer(marks, dtype=np.uint8)) for per_deg, mask, marks in tables]

    def passes(self, lat: float, lng: float) -> bool:
        """Whether the point may be in a shape."""
        if self.is_open:
            return True
        for per_deg, mask, marks in self._tables:
            slot = int((lat + 90.0) * per_deg) * _SPREAD + int((lng + 180.0) * per_deg) & mask
            if marks[slot >> 3] >> (slot & 7) & 1:
                return True
        return False

    def passes_many(self, lats: Floats, lngs: Floats) -> NDArray[np.bool_]:
        """``passes`` for each point of two equally long arrays."""
        passed = np.full(len(lats), self.is_open)
        if not self.is_open:
            for per_deg, mask, marks in self._arrays:
                slots = (_row(lats, per_deg) * _SPREAD + _col(lngs, per_deg)) & mask
                passed |= (marks[slots >> 3] >> (slots & 7).astype(np.uint8) & 1).view(bool)
        return passed

    @property
    def nbytes(self) -> int:
        """Memory of the tables."""
        return sum(len(marks) for _, _, marks in self._tables)


def _row(lats: Floats, per_deg: int) -> NDArray[np.int64]:
    return ((lats + 90.0) * per_deg).astype(np.int64)


def _col(lngs: Floats, per_deg: int) -> NDArray[np.int64]:
    return ((lngs + 180.0) * per_deg).astype(np.int64)


def _boxes(outlines: Outlines) -> tuple[Floats, ...]:
    """South, north, west and east of all shapes; all longitudes for a circle that meets a pole or the antimeridian."""
    south, north, west, east = outlines.boxes.T.copy()
    circles = np.flatnonzero(~np.isnan(outlines.radius_m))
    if len(circles):
        reach_deg = outlines.radius_m[circles] / M_PER_DEG * 1.001 + 1e-9
        south[circles] -= reach_deg
        north[circles] += reach_deg
        top_deg = np.minimum(np.maximum(-south[circles], north[circles]), 90.0)
        # a circle's longitudes reach farther than the parallel through its centre tells, never than that of its top
        with np.errstate(divide="ignore"):
            reach_lng_deg = reach_deg / np.maximum(np.cos(np.radians(top_deg)), 1e-12)
        west[circles] -= reach_lng_deg
        east[circles] += reach_lng_deg
        wraps = (west < -180) | (east > 180)
        west[wraps], east[wraps] = -180.0, 180.0
    return np.maximum(south, -90.0), np.minimum(north, 90.0), west, east


def _marked(
    row: NDArray[np.int64], col: NDArray[np.int64], rows: NDArray[np.int64], cols: NDArray[np.int64], per_deg: int
) -> Table:
    counts = rows * cols
    place = spread(np.zeros_like(counts), counts)
    wide = np.repeat(cols, counts)
    hashed = (np.repeat(row, counts) + place // wide) * _SPREAD + np.repeat(col, counts) + place % wide
    slots = 1 << (_SLOTS_PER_SQUARE * len(hashed) - 1).bit_length()
    marks = np.zeros(slots, dtype=np.uint8)
    marks[hashed & (slots - 1)] = 1
    return per_deg, slots - 1, np.packbits(marks, bitorder="little").tobytes()
