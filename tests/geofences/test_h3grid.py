"""The grid's arithmetic agrees with H3 itself, and its one bound holds."""

from __future__ import annotations

import random

import h3.api.basic_int as h3
import numpy as np
import pytest

from geofences import h3grid
from geofences.geodesy import distance_m


def _points(count: int, seed: int = 1) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(float(np.degrees(np.arcsin(rng.uniform(-1, 1)))), rng.uniform(-180, 180)) for _ in range(count)]


def test_keys_of_many_are_the_keys_of_each() -> None:
    points = _points(2000)
    assert h3grid.keys_of(*np.array(points).T).tolist() == [h3grid.key_of(*p) for p in points]


def test_a_range_holds_exactly_the_keys_of_the_cells_descendants() -> None:
    """A coarser cell comes from cell_to_parent: asking latlng_to_cell at each resolution differs near edges."""
    trap = 0
    for lat, lng in _points(1500, 2):
        fine = h3.latlng_to_cell(lat, lng, h3grid.FINEST)
        key = h3grid.key_of(lat, lng)
        for res in (2, 5, 9, 12, 13):
            parent = h3.cell_to_parent(fine, res)
            asked = h3.latlng_to_cell(lat, lng, res)
            low, high = h3grid.ranges_of(np.array([parent, asked], dtype=np.uint64))
            assert low[0] <= key < high[0]
            assert (low[1] <= key < high[1]) == (asked == parent)
            trap += asked != parent
    assert trap


def test_parents_and_children_are_those_of_h3_round_pentagons_too() -> None:
    pentagons = [h3.latlng_to_cell(*h3.cell_to_latlng(p), 6) for p in h3.get_pentagons(3)]
    cells = [h3.latlng_to_cell(*p, 6) for p in _points(200, 3)] + pentagons
    array = np.array(cells, dtype=np.uint64)
    assert h3grid.parents_of(array, 4).tolist() == [h3.cell_to_parent(c, 4) for c in cells]
    children, parent = h3grid.children_of(array, 6)
    for at, cell in enumerate(cells):
        assert sorted(children[parent == at].tolist()) == sorted(h3.cell_to_children(cell, 7))
    around, origin = h3grid.neighborhoods_of(array, 6)
    for at, cell in enumerate(cells):
        assert sorted(around[origin == at].tolist()) == sorted(h3.grid_disk(cell, 1))


def test_ranges_of_siblings_touch() -> None:
    """So that the cells of a compact area are one range."""
    parent = h3.latlng_to_cell(60.17, 24.94, 8)
    children, _ = h3grid.children_of(np.array([parent], dtype=np.uint64), 8)
    low, high = h3grid.ranges_of(np.sort(children))
    assert high[:-1].tolist() == low[1:].tolist()
    whole_low, whole_high = h3grid.ranges_of(np.array([parent], dtype=np.uint64))
    assert (low[0], high[-1]) == (whole_low[0], whole_high[0])


@pytest.mark.parametrize("res", [0, 1, 2, 4, 7, 9, 11, 12, 13])
def test_no_point_is_farther_from_its_cells_centre_than_the_reach(res: int) -> None:
    """The one number that coverings rest on; points near pentagons, faces' centres and everywhere."""
    rng = random.Random(res)
    points = _points(3000, res)
    for lat, lng in [h3.cell_to_latlng(p) for p in h3.get_pentagons(4)] + [
        h3.cell_to_latlng(c) for c in h3.get_res0_cells()
    ]:
        points += [
            (max(-90.0, min(90.0, lat + rng.gauss(0, 0.5))), (lng + rng.gauss(0, 0.5) + 180) % 360 - 180)
            for _ in range(20)
        ]
    fine = h3grid.cells_of(*np.array(points).T)
    lats, lngs = h3grid.centers_of(h3grid.parents_of(fine, res))
    worst = max(distance_m(lat, lng, *p) for lat, lng, p in zip(lats.tolist(), lngs.tolist(), points, strict=True))
    assert worst <= h3grid.reach_m(res)
    assert worst >= 0.8 * h3grid.reach_m(res)
