"""Simulated shoppers: continuous, repeatable, and soon in a store."""

import itertools
import math
import statistics

import pytest

from gateway.demo.offers import DATA, stores
from gateway.demo.show import shops
from gateway.demo.streets import Plane, Streets, city, read_features
from gateway.demo.walkers import HASTE, PACE_MPS, Fix, Shop, Walker

Town = tuple[Plane, Streets, list[Shop]]


@pytest.fixture(scope="module")
def town() -> Town:
    plane, streets = city(read_features(DATA / "ground.geojson.gz"))
    return plane, streets, shops(stores(), plane, streets)


def test_the_same_seed_walks_the_same_way(town: Town) -> None:
    one, other = Walker(3, *town), Walker(3, *town)
    assert [one.fix(s) for s in range(1, 60)] == [other.fix(s) for s in range(1, 60)]


def test_no_step_is_longer_than_the_pace_and_the_noise_allow(town: Town) -> None:
    plane = town[0]
    for seed in range(20):
        walker = Walker(seed, *town)
        track = [plane.point(*_degrees(walker.fix(float(s)))) for s in range(1, 180)]
        steps = [math.dist(a, b) for a, b in itertools.pairwise(track)]
        assert max(steps) < HASTE * PACE_MPS[1] + 12, f"seed {seed}"
        assert statistics.median(steps) > 0.2, f"seed {seed} never moves"


def test_the_reported_accuracy_holds_about_two_of_three_fixes(town: Town) -> None:
    """Of many phones at rest in a store, well over half lie within the radius that they report."""
    plane, streets, all_shops = town
    held = []
    for seed in range(200):
        walker = Walker(seed, plane, streets, all_shops)
        for second in range(1, 120):
            fix = walker.fix(float(second))
            if fix.heading_deg is None:
                nearest = min(math.dist(shop.inside, plane.point(*_degrees(fix))) for shop in all_shops)
                held.append(nearest <= fix.accuracy_m)
                break
    assert len(held) > 150
    assert sum(held) / len(held) > 0.55


def test_some_shoppers_reach_their_first_store_within_ten_seconds(town: Town) -> None:
    resting = 0
    for seed in range(50):
        walker = Walker(seed, *town)
        resting += any(walker.fix(float(second)).heading_deg is None for second in range(1, 10))
    assert resting >= 5


def _degrees(fix: Fix) -> tuple[float, float]:
    return fix.place.lat, fix.place.lng
