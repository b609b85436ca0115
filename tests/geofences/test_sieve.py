"""The sieve never stops a point of a shape, and stops nearly all others."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from geofences.geodesy import M_PER_DEG
from geofences.model import Circle, LatLng, Shape
from geofences.outline import Outlines
from geofences.sieve import Sieve
from tests.geofences.shapes import any_shape, star, telling_points, truth

seeds = st.integers(0, 2**32 - 1)


def passing(sieve: Sieve, points: Sequence[tuple[float, float]]) -> list[bool]:
    """Asked one by one and all at once, which is the same."""
    alone = [sieve.passes(lat, lng) for lat, lng in points]
    assert sieve.passes_many(*np.array(points).reshape(-1, 2).T).tolist() == alone
    return alone


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_every_point_of_every_shape_passes(seed: int) -> None:
    """Whatever stands beside it in the catalog: the finest grid is that of the typical shape."""
    rng = random.Random(seed)
    shapes = [any_shape(rng) for _ in range(rng.choice([1, 5, 40]))]
    sieve = Sieve(Outlines.of(shapes))
    held = [p for shape in shapes for p in telling_points(rng, shape, 8) if truth(shape, *p)]
    assert all(passing(sieve, held))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_corners_on_the_grid_s_own_lines_pass_and_a_hair_within_them_too(seed: int) -> None:
    """Sums of floating point numbers round up to the line that a point is just short of."""
    rng = random.Random(seed)
    bits = rng.choice([2, 6, 10, 13, 15, 16])

    def on_line(low: float, high: float) -> float:
        return round(rng.uniform(low, high) * 2**bits) / 2**bits

    lat, lng = on_line(-80, 80), on_line(-170, 170)
    steps = [(rng.randint(-6, 6) / 2**bits, rng.randint(-6, 6) / 2**bits) for _ in range(rng.randint(3, 7))]
    hull = shapely.MultiPoint([(lng + x, lat + y) for x, y in steps]).convex_hull
    if not isinstance(hull, Polygon):
        return
    sieve = Sieve(Outlines.of([hull]))
    corners = [(y, x) for x, y in hull.exterior.coords]
    ways = (-math.inf, math.inf)
    hairs = [(math.nextafter(a, v), math.nextafter(b, w)) for a, b in corners for v in ways for w in ways]
    middles = [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in pairwise(corners)]
    assert all(passing(sieve, [p for p in corners + hairs + middles if truth(hull, *p)]))


def test_strangers_a_street_away_are_stopped() -> None:
    """Of points about a thousand slanted stores of one town that are in none, hardly one in twenty passes."""
    rng = random.Random(5)
    shapes: list[Shape] = []
    for _ in range(1000):
        lat, lng = 50 + rng.gauss(0, 0.01), 8 + rng.gauss(0, 0.015)
        box = shapely.box(lng - 20 / M_PER_DEG, lat - 8 / M_PER_DEG, lng + 30 / M_PER_DEG, lat + 8 / M_PER_DEG)
        shapes.append(shapely.affinity.rotate(box, rng.uniform(0, 180)))
    sieve = Sieve(Outlines.of(shapes))
    points = [(50 + rng.gauss(0, 0.01), 8 + rng.gauss(0, 0.015)) for _ in range(4000)]
    inside = shapely.STRtree(shapes).query(shapely.points([(b, a) for a, b in points]), predicate="intersects")
    strangers = [p for at, p in enumerate(points) if at not in set(inside[0].tolist())]
    assert sum(passing(sieve, strangers)) < len(strangers) / 20


def test_large_and_small_shapes_of_one_catalog_are_told_each_in_its_own_grid() -> None:
    rng = random.Random(9)
    kiosks: list[Shape] = [star(rng, 45 + i * 0.001, 10, 5) for i in range(50)]
    region, circle = star(rng, 45, 20, 80_000), Circle(LatLng(-30, 20), 5_000)
    sieve = Sieve(Outlines.of([*kiosks, region, circle]))
    assert not sieve.is_open
    assert all(passing(sieve, [(45, 10), (45, 20), (-30, 20), (-30.04, 20)]))
    assert not any(passing(sieve, [(45.0005, 10.0005), (45.1, 23.3), (-30.5, 20.7), (0.3, 0.2), (-89.9, -179.7)]))


def test_nothing_is_stopped_where_a_shape_spans_the_world_and_all_where_there_is_none() -> None:
    assert Sieve(Outlines.of([shapely.box(-170, -80, 170, 80)])).is_open
    assert passing(Sieve(Outlines.of([shapely.box(-170, -80, 170, 80)])), [(85, 0)]) == [True]
    assert passing(Sieve(Outlines.of([])), [(0, 0), (90, 180)]) == [False, False]
