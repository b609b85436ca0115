"""The demo's streets: connected, and walked by the shortest way."""

import pytest

from gateway.demo.offers import DATA
from gateway.demo.streets import Plane, Streets, city, read_features
from geofences.model import LatLng


def test_the_shortest_way_follows_the_streets() -> None:
    """
    c───d
    │   │     from a to d: over b and c 400 m, straight across is no street
    b   e
    │   │
    a───────f   (a to f to e to d is longer)
    """
    a, b, c, d, e, f = (0, 0), (0, 100), (0, 200), (200, 200), (200, 100), (500, 0)
    streets = Streets([[a, b, c, d], [d, e, f], [f, a]])
    assert streets.way(a, d) == [a, b, c, d]


def test_ends_within_twelve_metres_meet() -> None:
    streets = Streets([[(0, 0), (100, 0)], [(108, 0), (200, 0)], [(0, 0), (0, 50)]])
    assert streets.way((0, 0), (200, 0)) == [(0, 0), (100, 0), (108, 0), (200, 0)]


def test_only_the_largest_connected_part_is_kept() -> None:
    streets = Streets([[(0, 0), (100, 0), (200, 0)], [(1000, 0), (1100, 0)]])
    assert streets.nodes == [(0, 0), (100, 0), (200, 0)]


def test_a_plane_gives_back_the_degrees_it_took() -> None:
    plane = Plane(LatLng(60.17, 24.94))
    place = plane.place(plane.point(60.1712, 24.9463))
    assert (place.lat, place.lng) == (pytest.approx(60.1712), pytest.approx(24.9463))
    assert plane.point(60.17 + 1 / 111_195, 24.94) == pytest.approx((0, 1), abs=1e-6)


def test_helsinki_is_one_town() -> None:
    _, streets = city(read_features(DATA / "ground.geojson.gz"))
    assert len(streets.nodes) > 3500
