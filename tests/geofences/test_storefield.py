"""Stores as moments, and which of them are near: checked against brute force."""

from __future__ import annotations

import math
import random

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, box

from geofences.geodesy import M_PER_DEG, distance_m
from geofences.model import Circle, Geofence, LatLng
from geofences.storefield import StoreField, compiled
from tests.geofences.shapes import star
from tests.geofences.strolls import LAT, LNG, Town

seeds = st.integers(0, 2**32 - 1)


def _town(rng: random.Random, count: int) -> list[Geofence]:
    return [
        Geofence(id=f"s{i}", shape=star(rng, LAT + rng.uniform(-2e-3, 2e-3), LNG + rng.uniform(-4e-3, 4e-3), 40.0))
        for i in range(count)
    ]


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_a_store_has_the_moments_of_a_uniform_point(seed: int) -> None:
    rng = random.Random(seed)
    polygon = star(rng, LAT, LNG, 40.0, has_hole=True)
    store = compiled(Geofence(id="s", shape=polygon))
    assert store is not None
    west, south, east, north = polygon.bounds
    grid = [
        (west + (east - west) * (i + 0.5) / 120, south + (north - south) * (j + 0.5) / 120)
        for i in range(120)
        for j in range(120)
    ]
    inside = [p for p, hit in zip(grid, shapely.covers(polygon, shapely.points(grid)), strict=True) if hit]
    kx = M_PER_DEG * math.cos(math.radians(store.lat))
    xs = [(lng - store.lng) * kx for lng, _ in inside]
    ys = [(lat - store.lat) * M_PER_DEG for _, lat in inside]
    size = max(store.east - store.west, store.north - store.south)
    assert abs(sum(xs) / len(xs)) < 0.03 * size
    assert abs(sum(ys) / len(ys)) < 0.03 * size
    assert sum(x * x for x in xs) / len(xs) == pytest.approx(store.xx, abs=0.01 * size**2)
    assert sum(y * y for y in ys) / len(ys) == pytest.approx(store.yy, abs=0.01 * size**2)
    assert sum(x * y for x, y in zip(xs, ys, strict=True)) / len(xs) == pytest.approx(store.xy, abs=0.01 * size**2)
    cell_m2 = (store.east - store.west) * (store.north - store.south) / 120**2
    assert math.exp(store.ln_area) == pytest.approx(len(inside) * cell_m2, rel=0.1)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_every_store_within_reach_of_a_point_is_near_it(seed: int) -> None:
    rng = random.Random(seed)
    fences = _town(rng, 30)
    stores = StoreField.build(fences)
    for _ in range(30):
        lat, lng = LAT + rng.uniform(-3e-3, 3e-3), LNG + rng.uniform(-6e-3, 6e-3)
        near = {store.geofence_id for store in stores.near(lat, lng)}
        point = shapely.Point(lng, lat)
        for fence in fences:
            assert isinstance(fence.shape, Polygon)
            closest = shapely.shortest_line(point, fence.shape).coords[1]
            if distance_m(lat, lng, closest[1], closest[0]) < 60.0:
                assert fence.id in near


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_an_edited_field_equals_one_built_anew(seed: int) -> None:
    rng = random.Random(seed)
    before, change = _town(rng, 12), _town(rng, 6)
    removed = [f"s{rng.randrange(14)}" for _ in range(3)]
    edited = StoreField.build(before).updated(change, removed)
    left = {fence.id: fence for fence in before if fence.id not in removed} | {fence.id: fence for fence in change}
    anew = StoreField.build(left.values())
    assert len(edited) == len(anew) == len(left)
    for fence in left.values():
        lat, lng = fence.shape.centroid.y, fence.shape.centroid.x  # type: ignore[union-attr]
        assert {s.geofence_id for s in edited.near(lat, lng)} == {s.geofence_id for s in anew.near(lat, lng)}


def test_an_edit_leaves_the_old_field_as_it_was() -> None:
    town = Town()
    old = StoreField.build(town.street(3))
    new = old.updated([], ["shop-1", "unknown"])
    assert "shop-1" in old
    assert "shop-1" not in new
    assert len(old.near(*town.place(30, 10))) == 3
    assert len(new.near(*town.place(30, 10))) == 2


def test_a_circle_has_its_closed_form() -> None:
    store = compiled(Geofence(id="c", shape=Circle(LatLng(LAT, LNG), 10.0)))
    assert store is not None
    assert (store.xx, store.xy, store.yy) == (25.0, 0.0, 25.0)
    assert math.exp(store.ln_area) == pytest.approx(math.pi * 100)


def test_a_district_and_a_line_are_no_stores() -> None:
    assert compiled(Geofence(id="d", shape=box(LNG, LAT, LNG + 0.1, LAT + 0.1))) is None
    assert compiled(Geofence(id="l", shape=Polygon([(LNG, LAT), (LNG + 1e-4, LAT), (LNG, LAT)]))) is None


def test_a_store_split_at_the_antimeridian_is_one_store() -> None:
    shape = MultiPolygon([box(179.9999, 10.0, 180.0, 10.0002), box(-180.0, 10.0, -179.9999, 10.0002)])
    store = compiled(Geofence(id="a", shape=shape))
    assert store is not None
    assert store.east - store.west == pytest.approx(2e-4 * M_PER_DEG * math.cos(math.radians(10)), rel=1e-3)
    stores = StoreField.build([Geofence(id="a", shape=shape)])
    assert stores.near(10.0001, 179.99995)
    assert stores.near(10.0001, -179.99995)


@pytest.mark.parametrize(
    ("properties", "visits"),
    [
        ({}, 1.0),
        ({"shop": "supermarket"}, 4.0),
        ({"shop": "supermarket", "popularity": 2}, 2.0),
        ({"popularity": -1}, 1.0),
    ],
)
def test_popularity_is_the_features_own_or_its_kinds(properties: dict[str, object], visits: float) -> None:
    store = compiled(Town().shop("s", 0, 0, 10, 10, **properties))
    assert store is not None
    assert math.exp(store.ln_popularity) == pytest.approx(visits)
