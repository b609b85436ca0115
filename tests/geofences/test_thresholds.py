"""Dwell, nearby and pass-by: each told once when its threshold is reached, by a ping or by time alone."""

from __future__ import annotations

import dataclasses

import pytest

from geofences.covering import cover
from geofences.index import GeofenceIndex
from geofences.model import Circle, Geofence, LatLng, TransitionKind
from geofences.transitions import next_due_ms
from tests.geofences.walking import DEFAULT, T0, Walk, index_of, ping, square


def test_dwell_is_told_once_per_visit_and_threshold_on_the_first_ping_past_it() -> None:
    walk = Walk(index_of(square("s")), dataclasses.replace(DEFAULT, dwells_s=(60, 30)))
    assert walk.go(ping(0, 50), ping(29, 50)) == ["enter s"]
    assert walk.go(ping(31, 50), ping(40, 50)) == ["dwell s"]
    assert walk.go(ping(70, 50), ping(100, 50)) == ["dwell s"]
    assert [t.dwell_s for t in walk.told if t.kind is TransitionKind.DWELL] == [30, 60]
    assert walk.told[-1].duration_ms == 70_000
    walk.go(ping(110, 200), ping(120, 200))
    assert walk.go(ping(130, 50), ping(161, 50)) == ["enter s", "dwell s"]


def test_a_gap_too_long_begins_the_dwell_anew() -> None:
    walk = Walk(index_of(square("s")), dataclasses.replace(DEFAULT, dwells_s=(60,), dwell_gap_s=45))
    assert walk.go(ping(0, 50), ping(50, 50), ping(90, 50)) == ["enter s"]
    assert walk.go(ping(111, 50)) == ["dwell s"]


def test_without_a_ping_dwell_fires_from_a_timer_only_while_the_last_fix_is_fresh() -> None:
    policy = dataclasses.replace(DEFAULT, dwells_s=(60, 300), dwell_gap_s=120)
    walk = Walk(index_of(square("s")), policy)
    walk.go(ping(0, 50))
    assert next_due_ms(walk.presence, policy) == T0 + 60_000
    assert walk.wait(59) == []
    assert walk.wait(61) == ["dwell s"]
    assert walk.told[-1].at_ms == T0 + 60_000
    assert walk.wait(62) == []
    assert walk.wait(301) == []
    assert walk.go(ping(302, 50)) == []


def test_who_is_leaving_does_not_dwell() -> None:
    walk = Walk(index_of(square("s")), dataclasses.replace(DEFAULT, dwells_s=(60,)))
    assert walk.go(ping(0, 50), ping(50, 300), ping(61, 300)) == ["enter s", "exit s"]


def test_nearby_is_told_once_until_the_user_was_farther_than_half_as_much_again() -> None:
    policy = dataclasses.replace(DEFAULT, nearby_m=(100,))
    walk = Walk(index_of(square("s"), square("unwatched", 300)).watching({"s": 150}), policy)
    assert walk.go(ping(0, -400), ping(20, -200), ping(40, -160)) == []
    assert walk.go(ping(60, -90)) == ["nearby s"]
    assert walk.told[-1].distance_m == pytest.approx(90, abs=0.5)
    assert walk.presence.is_present
    assert walk.go(ping(80, -120), ping(100, -90), ping(120, -140), ping(140, -50)) == []
    assert walk.go(ping(160, -151), ping(180, -99)) == ["nearby s"]


def test_each_distance_of_a_nearby_is_told_by_itself_the_farthest_first() -> None:
    policy = dataclasses.replace(DEFAULT, nearby_m=(100, 50))
    walk = Walk(index_of(square("s")).watching({"s": 150}), policy)
    assert walk.go(ping(0, -90), ping(20, -40)) == ["nearby s", "nearby s"]
    assert [(t.nearby_m, round(t.distance_m or 0)) for t in walk.told] == [(100, 90), (50, 40)]
    assert walk.go(ping(40, -80), ping(60, -45)) == ["nearby s"]
    assert walk.told[-1].nearby_m == 50, "the user was never beyond 150 m"
    assert walk.go(ping(80, -160), ping(100, -30)) == ["nearby s", "nearby s"]
    assert [t.nearby_m for t in walk.told[-2:]] == [100, 50]


def test_a_shopper_who_leaves_the_store_is_not_told_to_be_near_it() -> None:
    policy = dataclasses.replace(DEFAULT, nearby_m=(100,))
    walk = Walk(index_of(square("s")).watching({"s": 150}), policy)
    walk.go(ping(0, 50))
    assert walk.go(ping(20, 130), ping(40, 150), ping(60, 180)) == ["exit s"]


def test_pass_by_is_told_when_the_way_between_two_fixes_crosses_the_fence() -> None:
    policy = dataclasses.replace(DEFAULT, is_pass_by_told=True)
    index = index_of(square("s", size_m=20)).watching({"s": policy.pass_by_max_m})
    assert Walk(index, policy).go(ping(0, -40, 10), ping(15, 60, 10)) == ["pass_by s"]
    assert Walk(index, policy).go(ping(0, -40, 10), ping(15, -40, 40)) == []
    assert Walk(index, policy).go(ping(0, -40, 10), ping(40, 60, 10)) == [], "too long ago to know the way"
    assert Walk(index).go(ping(0, -40, 10), ping(15, 60, 10)) == [], "off by default"


def test_who_passes_is_told_of_circles_too() -> None:
    circle = Circle(LatLng(0, 0), 10)
    policy = dataclasses.replace(DEFAULT, is_pass_by_told=True)
    index = GeofenceIndex.build([(Geofence("c", circle, area_radius_m=10), cover(circle))])
    index = index.watching({"c": policy.pass_by_max_m})
    assert Walk(index, policy).go(ping(0, -50, 5), ping(15, 50, 5)) == ["pass_by c"]
    assert Walk(index, policy).go(ping(0, -50, 15), ping(15, 50, 15)) == []
