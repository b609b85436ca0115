"""The index agrees with brute force: for every kind of shape, at every latitude, to the last vertex."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from geofences import layer
from geofences.covering import cover, cover_many
from geofences.geodesy import M_PER_DEG
from geofences.index import NOWHERE, GeofenceIndex
from geofences.model import Circle, Geofence, LatLng, Shape
from geofences.outline import Outlines, boundary_distance_m, covers_one
from tests.geofences.shapes import any_shape, star, telling_points, truth

seeds = st.integers(0, 2**32 - 1)


def index_of(*shapes: Shape) -> GeofenceIndex:
    return GeofenceIndex.build((Geofence(f"g{i:03}", shape), cover(shape)) for i, shape in enumerate(shapes))


def brute(shapes: Sequence[Shape], lat: float, lng: float) -> tuple[str, ...]:
    return tuple(f"g{i:03}" for i, shape in enumerate(shapes) if truth(shape, lat, lng))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_any_shape_anywhere_agrees_with_brute_force_alone_and_in_batches(seed: int) -> None:
    """Vertices, edges, and a hair beside them; circles, holes, parts, slivers; metres to regions."""
    rng = random.Random(seed)
    shapes = [any_shape(rng) for _ in range(6)]
    index = index_of(*shapes)
    points = [p for shape in shapes for p in telling_points(rng, shape, 12)]
    expected = [brute(shapes, lat, lng) for lat, lng in points]
    assert index.locate_many([p[0] for p in points], [p[1] for p in points]) == expected
    assert [index.locate(lat, lng) for lat, lng in points] == expected


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_crowded_stores_agree_with_brute_force(seed: int) -> None:
    """Overlapping and nested stores of one street."""
    rng = random.Random(seed)
    lat, lng = rng.uniform(-70, 70), rng.uniform(-179, 179)
    shapes: list[Shape] = []
    for _ in range(40):
        dlat, dlng = rng.gauss(0, 60) / M_PER_DEG, rng.gauss(0, 60) / M_PER_DEG
        shapes.append(star(rng, lat + dlat, lng + dlng, rng.uniform(5, 60), has_hole=rng.random() < 0.2))
    index = index_of(*shapes)
    points = [p for shape in shapes for p in telling_points(rng, shape, 4)]
    expected = [brute(shapes, *p) for p in points]
    assert index.locate_many(*np.array(points).T) == expected
    assert [index.locate(*p) for p in points] == expected


U_SHAPE = Polygon([(0, 0), (6, 0), (6, 6), (4, 6), (4, 2), (2, 2), (2, 6), (0, 6)])
RING = Polygon([(0, 0), (6, 0), (6, 6), (0, 6)], [[(2, 2), (2, 4), (4, 4), (4, 2)]])
BOW = shapely.MultiPolygon([Polygon([(0, 0), (3, 3), (0, 6)]), Polygon([(6, 0), (6, 6), (3, 3)])])


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        (
            U_SHAPE,
            """
            ........
            .###.###
            .###.###
            .###.###
            .###.###
            .#######
            .#######
            .#######
            """,
        ),
        (
            RING,
            """
            ........
            .#######
            .#######
            .#######
            .###.###
            .#######
            .#######
            .#######
            """,
        ),
        (
            BOW,
            """
            ........
            .#.....#
            .##...##
            .###.###
            .#######
            .###.###
            .##...##
            .#.....#
            """,
        ),
    ],
)
def test_grid_pictures(shape: Shape, picture: str) -> None:
    """Points on whole degrees from (7, -1) down to (0, 6): rims count as inside, holes do not, their rims do."""
    index = index_of(shape)
    rows = [line.strip() for line in picture.strip().splitlines()]
    drawn = ["".join("#" if index.locate(7 - y, x - 1) else "." for x in range(8)) for y in range(8)]
    assert drawn == rows


def test_more_points_than_are_located_together_keep_their_order() -> None:
    index = index_of(U_SHAPE)
    lats, lngs = np.tile([1.0, 50.0, 4.0], 9000), np.tile([1.0, 1.0, 3.0], 9000)
    assert index.locate_many(lats, lngs) == [("g000",), (), ()] * 9000


def test_a_point_in_no_geofence_gets_the_shared_empty_answer() -> None:
    index = index_of(U_SHAPE)
    assert index.locate(50, 50) is NOWHERE
    assert index.locate_many([50.0], [50.0])[0] is NOWHERE
    assert GeofenceIndex.build().locate(0, 0) is NOWHERE
    assert GeofenceIndex.build().locate_many([0.0], [0.0]) == [NOWHERE]


@pytest.mark.parametrize(("lat", "lng"), [(math.nan, 0), (0, math.nan), (91, 0), (-95, 0), (0, 181), (0, math.inf)])
def test_what_is_not_on_earth_is_refused(lat: float, lng: float) -> None:
    """Tile38 takes NaN and latitude 95."""
    index = index_of(U_SHAPE)
    with pytest.raises(ValueError, match="latitude"):
        index.locate(lat, lng)
    with pytest.raises(ValueError, match="latitude"):
        index.locate_many([0.0, lat], [0.0, lng])


@pytest.mark.parametrize("lat", [-90, -89.9999, 89.9999, 90])
@pytest.mark.parametrize("radius_m", [50, 500, 300_000])
def test_a_circle_at_a_pole_holds_its_surroundings(lat: float, radius_m: float) -> None:
    """Tile38's polygonised polar circle misses a point 223 m from its centre."""
    circle = Circle(LatLng(lat, 30), radius_m)
    index = index_of(circle)
    for bearing in range(-180, 180, 7):
        for away_m in (0.3 * radius_m, 0.99 * radius_m, 1.01 * radius_m):
            point = (math.copysign(90 - away_m / M_PER_DEG, lat), float(bearing))
            assert bool(index.locate(*point)) == truth(circle, *point)


def test_a_circle_over_the_antimeridian_holds_both_sides() -> None:
    circle = Circle(LatLng(-17, 179.9995), 200)
    index = index_of(circle)
    assert index.locate(-17, 179.999)
    assert index.locate(-17, -179.9999)
    assert index.locate(-17, 180)
    assert index.locate(-17, -180)
    assert not index.locate(-17, -179.99)


def test_an_index_after_edits_equals_one_built_anew() -> None:
    """Additions, replacements and removals in any order, past the size where edits are merged into the base."""
    rng = random.Random(7)

    def entry(i: int, version: int) -> tuple[Geofence, object]:
        shape = star(rng, 50 + rng.uniform(-0.01, 0.01), 8 + rng.uniform(-0.01, 0.01), rng.uniform(20, 200))
        return Geofence(f"g{i:04}", shape, version), cover(shape)

    held = {i: entry(i, 1) for i in range(300)}
    index = GeofenceIndex.build(held.values())  # type: ignore[arg-type]
    lats, lngs = 50 + np.array([rng.uniform(-0.012, 0.012) for _ in range(400)]), 8 + np.linspace(-0.012, 0.012, 400)
    for turn in range(70):
        put = {i: entry(i, turn + 2) for i in rng.sample(range(900), 15)}
        gone = set(rng.sample(sorted(held), 5)) - set(put)
        index = index.updated(put.values(), [f"g{i:04}" for i in gone] + ["unknown"])  # type: ignore[arg-type]
        held.update(put)
        for i in gone:
            del held[i]
        if turn % 10 == 9:
            fresh = GeofenceIndex.build(held.values())  # type: ignore[arg-type]
            assert index.locate_many(lats, lngs) == fresh.locate_many(lats, lngs)
            assert [index.locate(a, b) for a, b in zip(lats, lngs, strict=True)] == fresh.locate_many(lats, lngs)
            assert len(index) == len(fresh) == len(held)
            assert {g.id: g.version for g in index} == {g.id: g.version for g in fresh}
            assert all(index.get(g.id) is g for g in fresh)


def test_an_old_index_is_untouched_by_its_successors() -> None:
    index = index_of(U_SHAPE)
    other = Geofence("other", RING)
    later = index.updated([(other, cover(RING))], ["g000"])
    assert index.locate(1, 1) == ("g000",)
    assert later.locate(1, 1) == ("other",)
    assert "g000" in index
    assert "g000" not in later


def test_what_is_put_and_removed_at_once_is_put() -> None:
    index = index_of(U_SHAPE)
    again = index.updated([(Geofence("g000", RING, 2), cover(RING))], ["g000"])
    assert again.locate(1, 1) == ("g000",)
    geofence = again.get("g000")
    assert geofence is not None
    assert geofence.version == 2


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_boundary_distance_is_negative_inside_and_close_to_the_true_metres(seed: int) -> None:
    rng = random.Random(seed)
    lat, lng = rng.uniform(-60, 60), rng.uniform(-179, 179)
    shape = star(rng, lat, lng, 100)
    index = index_of(shape)
    for point_lat, point_lng in telling_points(rng, shape, 5):
        stretch = math.cos(math.radians(point_lat))
        flat = shapely.affinity.scale(shape, stretch * M_PER_DEG, M_PER_DEG, origin=(point_lng, point_lat))
        expected = flat.boundary.distance(shapely.Point(point_lng, point_lat))
        found = index.boundary_distance_m("g000", point_lat, point_lng)
        assert abs(found) == pytest.approx(expected, rel=1e-3, abs=1e-3)
        assert found <= 0 or not truth(shape, point_lat, point_lng)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_with_a_limit_the_boundary_distance_is_on_the_same_side_of_it(seed: int) -> None:
    """Though boxes answer most of the time: any shape anywhere, limits about the distance itself, and equal to it."""
    rng = random.Random(seed)
    shape = any_shape(rng)
    outlines = Outlines.of([shape])
    for lat, lng in telling_points(rng, shape, 12):
        away_m = boundary_distance_m(outlines, 0, lat, lng)
        for limit_m in (away_m, away_m * rng.uniform(0.5, 1.5), rng.uniform(0, 500), 0.0):
            limited_m = boundary_distance_m(outlines, 0, lat, lng, limit_m)
            assert (limited_m > limit_m) == (away_m > limit_m)
            assert (limited_m >= limit_m) == (away_m >= limit_m)


def test_shapes_of_many_vertices_and_many_shapes_are_answered_as_the_others() -> None:
    """More edges than are held as plain numbers at once, and outlines too long to be held so at all."""
    rng = random.Random(5)
    shapes = [
        shapely.Point(8 + i * 0.01, 50).buffer(0.004 + rng.uniform(0, 0.004), quad_segs=90 if i % 3 == 0 else 35)
        for i in range(800)
    ]
    outlines = Outlines.of(shapes)
    assert len(outlines.x) > 100_000
    for which in [*range(800), *(rng.randrange(800) for _ in range(400))]:
        middle_lng = 8 + which * 0.01
        for _ in range(3):
            lat, lng = 50 + rng.uniform(-0.01, 0.01), middle_lng + rng.uniform(-0.01, 0.01)
            assert covers_one(outlines, shapes[which], which, lat, lng) == truth(shapes[which], lat, lng)
            away_m = boundary_distance_m(outlines, which, lat, lng)
            alone_m = boundary_distance_m(Outlines.of([shapes[which]]), 0, lat, lng)
            assert away_m == alone_m
            assert (boundary_distance_m(outlines, which, lat, lng, 100) > 100) == (away_m > 100)


def test_a_geofence_that_is_not_there_is_no_distance_away() -> None:
    with pytest.raises(KeyError):
        index_of().boundary_distance_m("g000", 0, 0)


def test_near_reports_watched_geofences_up_to_their_distance() -> None:
    """And nothing else: what is not watched is not there."""
    rng = random.Random(3)
    shapes = [star(rng, 50 + i * 0.01, 8, 50) for i in range(5)]
    index = index_of(*shapes).watching({"g001": 300, "g003": 1000, "unknown": 50})
    for _ in range(300):
        lat, lng = 50 + rng.uniform(-0.02, 0.06), 8 + rng.uniform(-0.02, 0.02)
        expected = [
            (id_, index.boundary_distance_m(id_, lat, lng))
            for id_, margin_m in (("g001", 300), ("g003", 1000))
            if index.boundary_distance_m(id_, lat, lng) <= margin_m
        ]
        assert index.near(lat, lng) == expected
        assert not expected or 0 in index.near_any([lat], [lng])
    assert index_of(*shapes).near(50.01, 8) == []
    assert index_of(*shapes).near_any([50.01], [8.0]) == frozenset()


def test_watching_follows_edits() -> None:
    """A watched geofence that moves is watched at its new place, one that goes is not, one that comes is."""
    near_zero, far_off = shapely.box(0, 0, 0.001, 0.001), shapely.box(5, 5, 5.001, 5.001)
    index = index_of(near_zero).watching({"g000": 200, "g001": 200})
    moved = index.updated([(Geofence("g000", far_off, 2), cover(far_off))])
    assert not moved.near(0.0015, 0.0005)
    assert [id_ for id_, _ in moved.near(5.0015, 5.0005)] == ["g000"]
    added = index.updated([(Geofence("g001", far_off), cover(far_off))])
    assert [id_ for id_, _ in added.near(5.0015, 5.0005)] == ["g001"]
    assert not index.updated([], ["g000"]).near(0.0015, 0.0005)


def test_of_entries_with_one_id_the_last_counts() -> None:
    """Of its shape and its covering both, however far apart they come."""
    far, near = shapely.box(5, 5, 5.001, 5.001), shapely.box(1, 1, 1.001, 1.001)
    entries = [(Geofence("twice", far), cover(far)), (Geofence("once", near), cover(near))]
    index = GeofenceIndex.build([*entries, (Geofence("twice", near, 2), cover(near))])
    assert len(index) == 2
    assert index.locate(1.0005, 1.0005) == ("once", "twice")
    assert index.locate(5.0005, 5.0005) == ()
    assert index.locate_many([1.0005, 5.0005], [1.0005, 5.0005]) == [("once", "twice"), ()]


def test_a_large_region_over_many_stores_is_found_with_them() -> None:
    rng = random.Random(11)
    stores = [star(rng, 48 + rng.uniform(-0.3, 0.3), 11 + rng.uniform(-0.3, 0.3), 60) for _ in range(200)]
    region = star(rng, 48, 11, 100_000)
    shapes: list[Shape] = [*stores, region]
    coverings = cover_many(shapes)
    index = GeofenceIndex.build(
        (Geofence(f"g{i:03}", s), c) for i, (s, c) in enumerate(zip(shapes, coverings, strict=True))
    )
    points = [p for store in stores[:50] for p in telling_points(rng, store, 2)] + telling_points(rng, region, 50)
    assert index.locate_many(*np.array(points).T) == [brute(shapes, *p) for p in points]


def test_a_line_cut_in_stretches_is_the_line_cut_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many fences there are, ranges that reach over the seams included."""
    rng = random.Random(13)
    shapes: list[Shape] = [star(rng, 48 + rng.gauss(0, 0.02), 11 + rng.gauss(0, 0.02), 80) for _ in range(120)]
    shapes.append(star(rng, 48, 11, 30_000))
    points = [p for shape in shapes for p in telling_points(rng, shape, 2)]
    whole = index_of(*shapes)
    monkeypatch.setattr(layer, "_RANGES_AT_ONCE", 100)
    monkeypatch.setattr(layer, "_ENTRIES_AT_ONCE", 7)
    parted = index_of(*shapes)
    assert parted.locate_many(*np.array(points).T) == whole.locate_many(*np.array(points).T)
