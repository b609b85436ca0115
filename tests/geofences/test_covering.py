"""Coverings: complete, their interiors true, stored and read back, at every size and place."""

from __future__ import annotations

import random

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences import h3grid
from geofences.covering import Covering, cover, cover_many
from geofences.geodesy import M_PER_DEG
from geofences.model import Circle, LatLng, Shape
from tests.geofences.shapes import any_shape, star, telling_points, truth

seeds = st.integers(0, 2**32 - 1)


def holds(cells: h3grid.Cells, lat: float, lng: float) -> bool:
    low, high = h3grid.ranges_of(cells)
    key = h3grid.key_of(lat, lng)
    return bool(np.any((low <= key) & (key < high)))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_every_point_of_a_shape_is_in_its_covering_and_every_interior_point_in_the_shape(seed: int) -> None:
    rng = random.Random(seed)
    shape = any_shape(rng)
    covering = cover(shape)
    for lat, lng in telling_points(rng, shape, 10):
        is_inside = truth(shape, lat, lng)
        in_interior, in_boundary = holds(covering.interior_cells, lat, lng), holds(covering.boundary_cells, lat, lng)
        assert in_interior or in_boundary or not is_inside
        assert is_inside or not in_interior
        assert not (in_interior and in_boundary)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_interior_cells_are_true_all_over_their_domain(seed: int) -> None:
    """Points anywhere in an interior cell, its rim included, are in the shape."""
    rng = random.Random(seed)
    shape = star(rng, rng.uniform(-75, 75), rng.uniform(-170, 170), 10 ** rng.uniform(1.5, 5), has_hole=True)
    cells = cover(shape).interior_cells
    for cell in rng.sample(cells.tolist(), min(6, len(cells))):
        res = int(h3grid.resolutions_of(np.array([cell], dtype=np.uint64))[0])
        lats, lngs = h3grid.centers_of(np.array([cell], dtype=np.uint64))
        reach_deg = h3grid.reach_m(res) / M_PER_DEG
        for _ in range(40):
            lat = float(lats[0]) + rng.uniform(-reach_deg, reach_deg)
            lng = float(lngs[0]) + rng.uniform(-reach_deg, reach_deg) / np.cos(np.radians(lat))
            if holds(np.array([cell], dtype=np.uint64), lat, lng):
                assert truth(shape, lat, lng)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_margin_reaches_every_point_so_far_away(seed: int) -> None:
    rng = random.Random(seed)
    shape = star(rng, rng.uniform(-60, 60), rng.uniform(-170, 170), 10 ** rng.uniform(1, 3))
    margin_m = 10 ** rng.uniform(1, 3.5)
    covering = cover(shape, margin_m)
    for _ in range(60):
        lat = shape.centroid.y + rng.gauss(0, margin_m) / M_PER_DEG
        lng = shape.centroid.x + rng.gauss(0, margin_m) / M_PER_DEG
        stretch = float(np.cos(np.radians(lat)))
        flat = shapely.affinity.scale(shape, stretch * M_PER_DEG, M_PER_DEG, origin=(lng, lat))
        if flat.distance(shapely.Point(lng, lat)) <= 0.999 * margin_m:
            assert holds(covering.interior_cells, lat, lng) or holds(covering.boundary_cells, lat, lng)


@pytest.mark.parametrize(
    "shape",
    [
        Circle(LatLng(60.17, 24.94), 1),
        shapely.box(24.94, 60.17, 24.940001, 60.170001),
        shapely.Polygon([(24.94, 60.17), (24.95, 60.17), (24.95, 60.1700001)]),
        shapely.box(23, 59.5, 25, 60.5),
        Circle(LatLng(60.17, 24.94), 100_000),
        shapely.box(-180, -90, 180, 90),
    ],
    ids=["1 m circle", "10 cm square", "sliver", "100 km region", "100 km circle", "whole world"],
)
def test_no_shape_is_without_a_cell_and_none_has_too_many(shape: Shape) -> None:
    covering = cover(shape)
    assert 1 <= len(covering.interior_cells) + len(covering.boundary_cells) <= 600


def test_the_resolution_follows_the_shape() -> None:
    """A kiosk and a shopping park in one catalog: fine cells here, coarse ones there, some dozens each."""
    kiosk, park = shapely.box(8, 50, 8.00005, 50.00003), shapely.box(8, 50, 8.01, 50.008)
    finest = [int(h3grid.resolutions_of(cover(s).boundary_cells).max()) for s in (kiosk, park)]
    assert finest[0] > finest[1] + 1


def test_many_are_covered_as_each_alone() -> None:
    rng = random.Random(5)
    shapes = [any_shape(rng) for _ in range(40)]
    assert [_cells(c) for c in cover_many(shapes)] == [_cells(cover(s)) for s in shapes]


def _cells(covering: Covering) -> tuple[list[int], list[int]]:
    return sorted(covering.interior_cells.tolist()), sorted(covering.boundary_cells.tolist())


def test_a_covering_survives_being_stored() -> None:
    covering = cover(shapely.box(24.9, 60.1, 24.95, 60.2))
    assert Covering.from_bytes(covering.to_bytes()) == covering


@pytest.mark.parametrize("raw", [b"", b"\x02\x00\x00\x00\x00", b"\x01\x08\x00\x00\x00", b"\x01\x00\x00\x00\x00abc"])
def test_what_is_no_stored_covering_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="covering"):
        Covering.from_bytes(raw)
