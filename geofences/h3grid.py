"""The one door to H3: integer cells, their centres, and their place on a line.

A cell's *domain* is the set of points whose finest cell (resolution ``FINEST``) descends from it. It is not
the cell's hexagon: children stick out of their parent, so asking H3 for a point's cell at each resolution
gives other answers near edges. Everything here speaks of domains, which nest exactly.

Domains are ranges: drop a cell's mode and resolution bits and what is left (base cell, then three bits per
digit) orders all finest cells on a line, where the finest cells of any domain are contiguous. Look-up among
cells of mixed resolutions is one binary search (``keys_of``, ``ranges_of``).
Bit layout: https://h3geo.org/docs/core-library/h3Indexing
"""

from __future__ import annotations

import math

import h3.api.basic_int as h3
import numpy as np
from h3ronpy import grid_disk
from h3ronpy.vector import cells_to_coordinates, coordinates_to_cells
from numpy.typing import NDArray

from geofences.geodesy import EARTH_RADIUS_M

Cells = NDArray[np.uint64]
Keys = NDArray[np.int64]
Floats = NDArray[np.float64]

FINEST = 13
"""Resolution of a point's cell: 4 m edges. Finer never pays: a kiosk is already a few dozen cells."""

MAX_RES = 15
_UNUSED_BITS = 3 * (MAX_RES - FINEST)
_KEY_MASK = (1 << 52) - 1
_RES_SHIFT = 52

_RES0_SPACING = 0.381966011250105
"""Distance between neighbouring resolution 0 centres on the icosahedron's faces, in Earth radii
(``RES0_U_GNOMONIC`` of the H3 sources)."""

_REACH = (1 / math.sqrt(7)) / (1 - 1 / math.sqrt(7))
"""Sum of the centre-to-child-centre steps down all resolutions, in units of the cell's spacing."""

ROOTS: Cells = np.array(sorted(h3.get_res0_cells()), dtype=np.uint64)
"""The 122 cells of resolution 0; their domains are the whole sphere."""

_PENTAGON_ROOTS: Cells = np.array([c for c in h3.get_res0_cells() if h3.is_pentagon(c)], dtype=np.uint64)
_PENTAGON_BASES = np.zeros(128, dtype=bool)
_PENTAGON_BASES[(_PENTAGON_ROOTS >> np.uint64(45)) & np.uint64(127)] = True


def reach_m(res: int) -> float:
    """Upper bound of the distance from a cell's centre to any point of its domain, in metres.

    A point is at most ``_REACH`` spacings from the centre on the icosahedron's face, and projecting a face
    onto the sphere only shrinks distances. One per mille is added for what floating point loses.
    """
    return 1.001 * _REACH * _RES0_SPACING * EARTH_RADIUS_M / math.sqrt(7) ** res


def mean_area_m2(res: int) -> float:
    """Average area of a cell of this resolution."""
    return float(h3.average_hexagon_area(res, unit="m^2"))


def mean_edge_m(res: int) -> float:
    """Average edge length of a cell of this resolution."""
    return float(h3.average_hexagon_edge_length(res, unit="m"))


def cell_of(lat: float, lng: float, res: int = FINEST) -> int:
    """The cell whose hexagon holds the point."""
    return int(h3.latlng_to_cell(lat, lng, res))


def key_of(lat: float, lng: float) -> int:
    """The place of a point's finest cell on the line."""
    return (int(h3.latlng_to_cell(lat, lng, FINEST)) & _KEY_MASK) >> _UNUSED_BITS


def cells_of(lats: Floats, lngs: Floats, res: int = FINEST) -> Cells:
    """The cell of each point; arrays of equal length in, one array out."""
    return np.asarray(coordinates_to_cells(lats, lngs, res), dtype=np.uint64)


def keys_of(lats: Floats, lngs: Floats) -> Keys:
    """``key_of`` for arrays of equal length."""
    cells = cells_of(lats, lngs).view(np.int64)
    cells &= _KEY_MASK
    cells >>= _UNUSED_BITS
    return cells


def resolutions_of(cells: Cells) -> NDArray[np.int64]:
    """The resolution of each cell."""
    return (cells.view(np.int64) >> _RES_SHIFT) & 15


def ranges_of(cells: Cells) -> tuple[Keys, Keys]:
    """The half-open range of keys of each cell's domain, for cells of mixed resolutions up to ``FINEST``.

    No key has the digit 7, so a range that ends before one is stretched over it: the ranges of siblings in a
    row, and of their parents, touch.
    """
    below = 3 * (FINEST - resolutions_of(cells))
    low = ((cells.view(np.int64) & _KEY_MASK) >> _UNUSED_BITS >> below) << below
    high = low + (np.int64(1) << below)
    for digit in range(FINEST):
        is_seven = ((high >> (3 * digit)) & 7 == 7) & (below <= 3 * digit)
        high += is_seven.astype(np.int64) << (3 * digit)
    return low, high


def parents_of(cells: Cells, res: int) -> Cells:
    """The ancestor of each cell at a resolution that is not finer than the cell's."""
    unused = (np.uint64(1) << np.uint64(3 * (MAX_RES - res))) - np.uint64(1)
    return (cells & ~np.uint64(15 << _RES_SHIFT)) | np.uint64(res << _RES_SHIFT) | unused


def children_of(cells: Cells, res: int) -> tuple[Cells, NDArray[np.intp]]:
    """The children of cells that all have resolution ``res``, and for each child the position of its parent.

    Hexagons have seven children, pentagons six (digit 1 is deleted).
    """
    shift = np.uint64(3 * (MAX_RES - res - 1))
    first = (cells & ~np.uint64(15 << _RES_SHIFT) & ~(np.uint64(7) << shift)) | np.uint64((res + 1) << _RES_SHIFT)
    children = (first[:, None] | (np.arange(7, dtype=np.uint64) << shift)).ravel()
    parents = np.repeat(np.arange(len(cells), dtype=np.intp), 7)
    pentagon = _is_pentagon(cells, res)
    if pentagon.any():
        kept = ~(np.repeat(pentagon, 7) & (np.tile(np.arange(7), len(cells)) == 1))
        return children[kept], parents[kept]
    return children, parents


def _is_pentagon(cells: Cells, res: int) -> NDArray[np.bool_]:
    digits = (cells & np.uint64((1 << 45) - 1)) >> np.uint64(3 * (MAX_RES - res))
    is_pentagon: NDArray[np.bool_] = _PENTAGON_BASES[(cells >> np.uint64(45)) & np.uint64(127)] & (digits == 0)
    return is_pentagon


def neighborhoods_of(cells: Cells, res: int) -> tuple[Cells, NDArray[np.intp]]:
    """Each cell with its neighbours (seven, round a pentagon six), and for each the position of its origin."""
    around = np.asarray(grid_disk(cells, 1, flatten=True), dtype=np.uint64)
    counts = 7 - _is_pentagon(cells, res).astype(np.intp)
    return around, np.repeat(np.arange(len(cells), dtype=np.intp), counts)


def centers_of(cells: Cells) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of the cells' centres."""
    batch = cells_to_coordinates(cells)
    return np.asarray(batch["lat"], dtype=np.float64), np.asarray(batch["lng"], dtype=np.float64)
