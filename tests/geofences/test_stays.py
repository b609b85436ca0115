"""Stays: when a walking phone comes to rest, at any place on Earth, whatever it fails to report."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.model import Ping
from geofences.stays import Stay, StaySettings, advanced, begun
from tests.geofences.strolls import PHONE, Phone, Town, stroll, visit_legs

SETTINGS = StaySettings()


def _walked(pings: list[Ping]) -> list[Stay]:
    stays = [begun(pings[0], SETTINGS)]
    for ping in pings[1:]:
        stays.append(advanced(stays[-1], ping, SETTINGS))
    return stays


def _pings(*legs: tuple[float, float, float, float, bool], seed: int = 1, phone: Phone = PHONE) -> list[Ping]:
    return stroll(Town(), random.Random(seed), list(legs), phone)


@pytest.mark.parametrize("has_speed", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_a_rest_is_noticed_and_dated_back_to_the_arrival(seed: int, has_speed: bool) -> None:
    pings = _pings(*visit_legs(0.0), seed=seed, phone=Phone(sigma_m=3.0, has_speed=has_speed))
    stays = _walked(pings)
    arrival_ms = pings[0].at_ms + 90_000
    resting = [stay for stay in stays if stay.since_ms is not None]
    assert resting
    assert abs((resting[0].since_ms or 0) - arrival_ms) <= 40_000
    assert resting[-1].at_ms <= arrival_ms + 300_000 + 60_000
    assert stays[-1].since_ms is None


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_walk_without_a_rest_is_never_a_stay(seed: int) -> None:
    stays = _walked(_pings((300, 0, 400, 0, False), seed=seed))
    assert all(stay.since_ms is None for stay in stays)


def test_a_halt_at_a_traffic_light_is_no_stay_until_somebody_walks() -> None:
    """After a ride, a rest counts only once the user has walked."""
    ride, halt, walk = (60, 0, 720, 0, False), (120, 720, 720, 0, False), (30, 720, 760, 0, False)
    phone = Phone(sigma_m=2.0)
    in_car = _walked(_pings(ride, halt, phone=phone))
    assert all(stay.since_ms is None for stay in in_car)
    on_foot = _walked(_pings(ride, walk, (120, 760, 760, 0, False), phone=phone))
    assert on_foot[-1].since_ms is not None


def test_a_ping_that_is_late_repeated_or_too_inaccurate_changes_nothing() -> None:
    """The very same record comes back, so that nobody has to write it."""
    pings = _pings(*visit_legs(0.0))
    stay = _walked(pings[:60])[-1]
    late, again = pings[30], pings[59]
    poor = msgspec.structs.replace(pings[60], accuracy_m=200.0)
    unknown = msgspec.structs.replace(pings[60], accuracy_m=math.nan)
    assert all(advanced(stay, ping, SETTINGS) is stay for ping in (late, again, poor, unknown))


def test_two_outliers_in_a_row_are_ignored_and_a_third_is_believed() -> None:
    pings = _pings(*visit_legs(0.0))
    stay = _walked(pings[:80])[-1]
    assert stay.since_ms is not None
    for i in (80, 81):
        lat, lng = Town().place(5_000.0, 0.0)
        stay = advanced(stay, msgspec.structs.replace(pings[i], lat=lat, lng=lng), SETTINGS)
        assert stay.since_ms is not None
        assert abs(stay.fast_x - stay.mean_x) < 30.0
    stay = advanced(stay, msgspec.structs.replace(pings[82], lat=lat, lng=lng), SETTINGS)
    assert stay.since_ms is None
    assert (stay.anchor_lat, stay.anchor_lng) == (lat, lng)


def test_an_outlier_between_good_fixes_does_not_move_a_stay() -> None:
    pings = _pings(*visit_legs(0.0))
    lat, lng = Town().place(300.0, 0.0)
    struck = [msgspec.structs.replace(p, lat=lat, lng=lng) if i == 80 else p for i, p in enumerate(pings[:100])]
    clean, hit = _walked(pings[:100])[-1], _walked(struck)[-1]
    assert math.hypot(clean.mean_x - hit.mean_x, clean.mean_y - hit.mean_y) < 1.0


def test_a_long_silence_ends_a_stay() -> None:
    pings = _pings(*visit_legs(0.0))
    stay = _walked(pings[:80])[-1]
    later = msgspec.structs.replace(pings[80], at_ms=pings[79].at_ms + 301_000)
    assert advanced(stay, later, SETTINGS).since_ms is None


@pytest.mark.parametrize(
    "town", [Town(0, 0), Town(-33.9, 151.2), Town(66.5, 179.9999), Town(0.0, -180.0), Town(78.2, 15.6)]
)
def test_a_stay_is_the_same_everywhere_on_earth(town: Town) -> None:
    """The antimeridian and high latitudes included."""
    here = _walked(_pings(*visit_legs(0.0))[:90])[-1]
    there = _walked(stroll(town, random.Random(1), visit_legs(0.0))[:90])[-1]
    assert there.since_ms == here.since_ms
    assert (there.mean_x, there.mean_y) == pytest.approx((here.mean_x, here.mean_y), abs=0.05)
    assert (there.xx, there.yy, there.noise) == pytest.approx((here.xx, here.yy, here.noise), rel=0.01)


def test_the_moments_are_those_of_the_fixes() -> None:
    """The running mean and scatter equal the weighted ones computed at once."""
    stays = _walked(_pings((60, 0, 80, 0, False), (200, 80, 80, 0, False), phone=Phone(sigma_m=2.0)))
    last = stays[-1]
    fixes = [s for s in stays if s.at_ms > last.began_ms]
    assert last.weight_s == pytest.approx(sum(min(10.0, 3.0) for _ in fixes))
    assert last.xx > 0
    assert last.yy > 0
    assert last.xy**2 <= last.xx * last.yy
