"""Most points are near no geofence: a sieve that tells so for a tenth of the price of an H3 cell.

Every shape marks the squares of a latitude-longitude grid that it reaches into, in the finest of a few grids where
those are few; the finest of all fits the catalog's typical shape. A grid is a hashed table of blocks of eight by eight
squares, a bit each. A point in an unmarked square is in no shape. No mark is missing, because rounding to squares is
monotonic; a few mean nothing but a shared slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geofences.geodesy import M_PER_DEG
from geofences.outline import Floats, Indices, Outlines, spread

_FINEST_BITS: Final = 16
"""The finest grid of all has two to this many squares per degree: of 1.7 m, a tenth of a kiosk."""

_COARSEST_BITS: Final = 1
"""The coarsest: squares of 56 km, for regions."""

_BITS_BETWEEN: Final = 2
"""From one grid to the next: four times as wide, so that the shapes of a catalog need two or three."""

_TYPICAL_SQUARES: Final = 64
"""Squares in the box of a catalog's median shape: its outline is followed to an eighth of its size."""

_MAX_SQUARES: Final = 4096
"""Squares in the box of one shape that a grid takes, 64 by 64; a larger one goes to the next coarser grid."""

_SLOTS_PER_BLOCK: Final = 3
"""Slots of a table for each block. A tag tells whose a slot is, unless several blocks share it, as one in seven do."""

_MIN_SLOTS: Final = 1024

_AT_ONCE: Final = 1 << 13
"""Shapes marked together: some tens of megabytes on the way."""

_PAD_DEG: Final = 1e-9
"""A tenth of a millimetre that edges are widened by: far more than interpolating along one is ever wrong by."""

_SPREAD: Final = 0x9E3779B1
_STIR: Final = 0x85EBCA77
_HASH: Final = (1 << 32) - 1
"""Odd numbers whose products have evenly mixed bits, and the bits that count: the high ones make the slot, the low ones
the tag."""

_SHARED: Final = 0
"""The tag of a slot in which several blocks are marked: any may be meant."""

_BIT: Final = (1 << np.arange(8)).astype(np.uint8)


class Sieve:
    """Tells points that can be in no shape. Immutable."""

    __slots__ = ("_arrays", "_per_deg", "_tables", "is_open")

    is_open: bool
    """Whether everything is let through, because some shape is wider than the coarsest grid can mark."""

    def __init__(self, outlines: Outlines) -> None:
        """Mark the squares of all shapes."""
        boxes = _boxes(outlines)
        bits = _typical_bits(boxes)
        self._per_deg = float(1 << bits)
        self._tables: list[tuple[int, int, bytes, bytes]] = []
        rest = np.arange(len(outlines))
        for shift in range(0, bits - _COARSEST_BITS + 1, _BITS_BETWEEN):
            grid = _Grid.of([side[rest] for side in boxes], self._per_deg / (1 << shift))
            fits = grid.squares <= _MAX_SQUARES
            if fits.any():
                marks, tags = _marked(outlines, rest[fits], grid.only(fits))
                # an item of bytes costs a fifth of one of an array
                self._tables.append((shift, len(tags), marks.tobytes(), tags.tobytes()))
            rest = rest[~fits]
        self.is_open = len(rest) > 0
        self._arrays = [
            (shift, slots, np.frombuffer(marks, dtype=np.uint8), np.frombuffer(tags, dtype=np.uint8))
            for shift, slots, marks, tags in self._tables
        ]

    def passes(self, lat: float, lng: float) -> bool:
        """Whether the point may be in a shape."""
        if self.is_open:
            return True
        row, col = int((lat + 90.0) * self._per_deg), int((lng + 180.0) * self._per_deg)
        for shift, slots, marks, tags in self._tables:
            r, c = row >> shift, col >> shift
            block = ((r >> 3) * _SPREAD + (c >> 3)) * _STIR & _HASH
            slot = block * slots >> 32
            if marks[slot << 3 | r & 7] >> (c & 7) & 1:
                tag = tags[slot]
                if tag == _SHARED or tag == block & 255 | 1:
                    return True
        return False

    def passes_many(self, lats: Floats, lngs: Floats) -> NDArray[np.bool_]:
        """``passes`` for each point of two equally long arrays."""
        passed = np.full(len(lats), self.is_open)
        if not self.is_open:
            row, col = _squares_of(lats, 90.0, self._per_deg), _squares_of(lngs, 180.0, self._per_deg)
            for shift, slots, marks, tags in self._arrays:
                r, c = (row >> shift, col >> shift) if shift else (row, col)
                slot, own = _places_of(r, c, slots)
                tag = tags[slot]
                is_own = tag == own
                is_own |= tag == _SHARED
                slot <<= 3
                slot |= r & 7
                passed |= is_own & (marks[slot] & _BIT[c & 7]).view(bool)
        return passed

    @property
    def nbytes(self) -> int:
        """Memory of the tables."""
        return sum(len(marks) + len(tags) for *_, marks, tags in self._tables)


def _squares_of(angles: Floats, least_deg: float, per_deg: float) -> Indices:
    """Row or column of each latitude or longitude."""
    return ((angles + least_deg) * per_deg).astype(np.int64)


def _places_of(row: Indices, col: Indices, slots: int) -> tuple[Indices, NDArray[np.uint8]]:
    """Slot and tag of the block that each square is in."""
    block = (row >> 3) * _SPREAD
    block += col >> 3
    block *= _STIR
    block &= _HASH
    tag = block.astype(np.uint8)
    tag |= 1
    block *= slots
    block >>= 32
    return block, tag


@dataclass(frozen=True, slots=True)
class _Grid:
    """First and last row and column of each shape's box."""

    per_deg: float
    south: Indices
    north: Indices
    west: Indices
    east: Indices

    @classmethod
    def of(cls, boxes: list[Floats], per_deg: float) -> _Grid:
        south, north, west, east = boxes
        lats, lngs = [_squares_of(a, 90.0, per_deg) for a in (south, north)], (west, east)
        return cls(per_deg, *lats, *(_squares_of(a, 180.0, per_deg) for a in lngs))

    def only(self, chosen: NDArray[np.bool_] | slice) -> _Grid:
        """The grid of some of the shapes."""
        return _Grid(self.per_deg, self.south[chosen], self.north[chosen], self.west[chosen], self.east[chosen])

    @property
    def rows(self) -> Indices:
        return self.north - self.south + 1

    @property
    def squares(self) -> Indices:
        return self.rows * (self.east - self.west + 1)

    def blocks(self) -> int:
        """How many blocks of eight by eight squares the boxes meet."""
        rows = (self.north >> 3) - (self.south >> 3) + 1
        cols = (self.east >> 3) - (self.west >> 3) + 1
        row = spread(self.south >> 3, rows)
        return len(np.unique(spread(row << 32 | np.repeat(self.west >> 3, rows), np.repeat(cols, rows))))


def _boxes(outlines: Outlines) -> list[Floats]:
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
    return [np.maximum(south, -90.0), np.minimum(north, 90.0), west, east]


def _typical_bits(boxes: list[Floats]) -> int:
    """The finest grid in which the median shape's box has no more than the typical number of squares."""
    for bits in range(_FINEST_BITS, _COARSEST_BITS, -1):
        squares = _Grid.of(boxes, float(1 << bits)).squares
        if not len(squares) or np.median(squares) <= _TYPICAL_SQUARES:
            return bits
    return _COARSEST_BITS


def _marked(outlines: Outlines, which: Indices, grid: _Grid) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Eight bytes of marks, and a tag, for each slot."""
    slots = max(_MIN_SLOTS, _SLOTS_PER_BLOCK * grid.blocks())
    marks = np.zeros(8 * slots, dtype=np.uint8)
    least, greatest = np.full(slots, 255, dtype=np.uint8), np.zeros(slots, dtype=np.uint8)
    for begin in range(0, len(which), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        row, first, last = _spans(outlines, which[part], grid.only(part))
        bytes_ = (last >> 3) - (first >> 3) + 1
        col = spread(first >> 3, bytes_) << 3
        row, first, last = np.repeat(row, bytes_), np.repeat(first, bytes_), np.repeat(last, bytes_)
        bits = (0xFF << np.maximum(first - col, 0)) & (0xFF >> np.maximum(col + 7 - last, 0))
        slot, tag = _places_of(row, col, slots)
        np.bitwise_or.at(marks, slot << 3 | row & 7, bits.astype(np.uint8))
        np.minimum.at(least, slot, tag)
        np.maximum.at(greatest, slot, tag)
    return marks, np.where(least == greatest, least, np.uint8(_SHARED))


def _spans(outlines: Outlines, which: Indices, grid: _Grid) -> tuple[Indices, Indices, Indices]:
    """The rows of all shapes, with the first and the last column that the shape reaches into there.

    Along a parallel a polygon reaches from its westernmost to its easternmost edge; a row is a band of parallels.
    """
    rows = grid.rows
    row = spread(grid.south, rows)
    place = np.cumsum(rows) - rows - grid.south
    is_circle = ~np.isnan(outlines.radius_m[which])
    first = np.where(np.repeat(is_circle, rows), np.repeat(grid.west, rows), np.iinfo(np.int64).max)
    last = np.where(np.repeat(is_circle, rows), np.repeat(grid.east, rows), -1)
    start = outlines.start[which]
    edges = outlines.start[which + 1] - start - 1
    a, owner = spread(start, edges), np.repeat(np.arange(len(which)), edges)
    is_edge = ~np.isnan(outlines.y[a] + outlines.y[a + 1])
    a, owner = a[is_edge], owner[is_edge]
    y1, y2 = outlines.y[a], outlines.y[a + 1]
    low = np.maximum(_squares_of(np.minimum(y1, y2) - _PAD_DEG, 90.0, grid.per_deg), grid.south[owner])
    high = np.minimum(_squares_of(np.maximum(y1, y2) + _PAD_DEG, 90.0, grid.per_deg), grid.north[owner])
    crossed = high - low + 1
    edge, at = np.repeat(np.arange(len(a)), crossed), spread(low, crossed)
    # where the edge is within the row's band: at y = y1 + t (y2 - y1), from t0 to t1
    band = at / grid.per_deg - (90.0 + _PAD_DEG)
    rise, begin = (y2 - y1)[edge], y1[edge]
    with np.errstate(divide="ignore", invalid="ignore"):
        t0 = np.clip((band - begin) / rise, 0.0, 1.0)
        t1 = np.clip((band + (1 / grid.per_deg + 2 * _PAD_DEG) - begin) / rise, 0.0, 1.0)
    x1, run = outlines.x[a][edge], (outlines.x[a + 1] - outlines.x[a])[edge]
    ends = x1 + np.where(rise == 0, 0.0, t0) * run, x1 + np.where(rise == 0, 1.0, t1) * run
    owner = owner[edge]
    at += place[owner]
    west, east = grid.west[owner], grid.east[owner]
    np.minimum.at(first, at, np.clip(_squares_of(np.minimum(*ends) - _PAD_DEG, 180.0, grid.per_deg), west, east))
    np.maximum.at(last, at, np.clip(_squares_of(np.maximum(*ends) + _PAD_DEG, 180.0, grid.per_deg), west, east))
    held = last >= 0
    return row[held], first[held], last[held]
