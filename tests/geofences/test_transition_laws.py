"""What holds for every walk and policy: the laws of the state machine."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.model import UNKNOWN_ACCURACY_M, Geofence, Ping, TransitionKind
from geofences.transitions import TABLE, Act, Policy, Presence, Sighting, Standing, Stay, next_due_ms
from tests.geofences.walking import DEFAULT, T0, Walk, index_of, ping, square

ENTER, EXIT, DWELL = TransitionKind.ENTER, TransitionKind.EXIT, TransitionKind.DWELL

walks = st.lists(
    st.tuples(
        st.integers(0, 40), st.floats(-150, 350), st.floats(-50, 150), st.sampled_from([None, 3.0, 10.0, 40.0, 900.0])
    ),
    max_size=60,
)
policies = st.sampled_from(
    [
        Policy.RAW,
        DEFAULT,
        dataclasses.replace(DEFAULT, dwells_s=(30, 60), nearby_m=(20, 60), presence_ttl_s=70, is_pass_by_told=True),
    ]
)
SHAPES: Sequence[Geofence] = (square("a"), square("b", 50, size_m=60), square("c", 200), square("d", 90, size_m=20))
INDEX = index_of(*SHAPES).watching({"a": 90, "b": 200, "d": 200})


def _pings(steps: Sequence[tuple[int, float, float, float | None]]) -> list[Ping]:
    at_s, made = 0, []
    for gap_s, x_m, y_m, accuracy_m in steps:
        at_s += gap_s + 1
        made.append(ping(at_s, x_m, y_m, accuracy_m=accuracy_m))
    return made


@given(walks, policies)
@settings(deadline=None)
def test_exits_match_enters_and_nothing_comes_without_its_predecessor(
    steps: list[tuple[int, float, float, float | None]], policy: Policy
) -> None:
    walk = Walk(INDEX, policy)
    walk.go(*_pings(steps))
    open_visits: dict[str, str] = {}
    dwelled: set[tuple[str, int | None]] = set()
    for told in walk.told:
        if told.kind is ENTER:
            assert told.geofence_id not in open_visits
            open_visits[told.geofence_id] = told.visit_id
        elif told.kind in (EXIT, DWELL):
            assert open_visits[told.geofence_id] == told.visit_id
            if told.kind is EXIT:
                del open_visits[told.geofence_id]
                assert (told.duration_ms or 0) >= 0
            else:
                assert (told.visit_id, told.dwell_s) not in dwelled
                dwelled.add((told.visit_id, told.dwell_s))
        else:
            assert told.geofence_id not in open_visits
    assert sorted(open_visits) == sorted(walk.presence.inside)


@given(walks, policies, st.randoms())
@settings(deadline=None)
def test_replaying_any_earlier_ping_changes_nothing(
    steps: list[tuple[int, float, float, float | None]], policy: Policy, rng: random.Random
) -> None:
    walk = Walk(INDEX, policy)
    seen: list[Ping] = []
    for one in _pings(steps):
        walk.go(one)
        seen.append(one)
        held = walk.presence
        assert walk.go(rng.choice(seen)) == []
        assert walk.presence is held


@given(walks)
@settings(deadline=None)
def test_raw_is_the_difference_of_two_sets_and_what_the_table_comes_to(
    steps: list[tuple[int, float, float, float | None]],
) -> None:
    raw, table = Walk(INDEX, Policy.RAW), Walk(INDEX, dataclasses.replace(Policy.RAW))
    before: set[str] = set()
    for one in _pings(steps):
        after = set(INDEX.locate(one.lat, one.lng))
        expected = [f"exit {i}" for i in sorted(before - after)] + [f"enter {i}" for i in sorted(after - before)]
        assert raw.go(one) == expected
        assert table.go(one) == expected
        before = after
    assert raw.told == table.told


def _plain_sighting(fence: Geofence, fix: Ping) -> Sighting:
    """By the distance itself, whatever the table does with the answer."""
    away_m = INDEX.boundary_distance_m(fence.id, fix.lat, fix.lng)
    accuracy_m = UNKNOWN_ACCURACY_M if fix.accuracy_m is None else fix.accuracy_m
    if fence.id in INDEX.locate(fix.lat, fix.lng):
        return Sighting.SURE if accuracy_m <= min(fence.area_radius_m, -away_m) else Sighting.IN
    return Sighting.OUT if away_m > min(accuracy_m, DEFAULT.exit_margin_max_m) else Sighting.EDGE


def _plain_standing(stay: Stay | None, sighting: Sighting, at_ms: int) -> Standing:
    act = TABLE[stay.standing if stay else Standing.OUTSIDE][sighting]
    fixes, since_ms = (stay.fixes + 1, stay.since_ms) if stay else (1, at_ms)
    if act is Act.COUNT_IN:
        is_enough = fixes >= DEFAULT.enter_fixes or at_ms - since_ms >= DEFAULT.enter_after_s * 1000
        return Standing.INSIDE if is_enough else Standing.PENDING
    if act is Act.COUNT_OUT:
        return Standing.OUTSIDE if fixes >= DEFAULT.exit_fixes else Standing.LEAVING
    return Standing.INSIDE if act in (Act.ENTER, Act.REMAIN) else Standing.OUTSIDE


@given(walks)
@settings(deadline=None)
def test_what_a_step_leaves_unasked_would_have_changed_nothing(
    steps: list[tuple[int, float, float, float | None]],
) -> None:
    """Of every fence it comes to what the table says of the sighting that the distance itself gives."""
    walk = Walk(INDEX)
    for one in _pings(steps):
        before = {stay.geofence_id: stay for stay in walk.presence.stays}
        ignored = len(walk.ignored)
        walk.go(one)
        if len(walk.ignored) > ignored:
            continue
        after = {stay.geofence_id: stay.standing for stay in walk.presence.stays}
        for fence in SHAPES:
            expected = _plain_standing(before.get(fence.id), _plain_sighting(fence, one), one.at_ms)
            assert after.get(fence.id, Standing.OUTSIDE) is expected


@given(walks)
@settings(deadline=None)
def test_stepping_from_a_stored_presence_is_stepping_from_the_presence(
    steps: list[tuple[int, float, float, float | None]],
) -> None:
    policy = dataclasses.replace(DEFAULT, dwells_s=(30,), nearby_m=(20, 60))
    kept, stored = Walk(INDEX, policy), Walk(INDEX, policy)
    for one in _pings(steps):
        stored.presence = msgspec.msgpack.decode(msgspec.msgpack.encode(stored.presence), type=Presence)
        assert kept.go(one) == stored.go(one)


@given(walks)
@settings(deadline=None)
def test_time_told_in_one_tick_or_in_many_is_the_same(steps: list[tuple[int, float, float, float | None]]) -> None:
    """Ticking at every due instant, once or twice, tells each thing once."""
    policy = dataclasses.replace(DEFAULT, dwells_s=(30, 60), presence_ttl_s=200)
    once, twice = Walk(INDEX, policy), Walk(INDEX, policy)
    for one in _pings(steps):
        for walk, times in ((once, 1), (twice, 3)):
            while (due_ms := next_due_ms(walk.presence, policy)) is not None and due_ms <= one.at_ms:
                for _ in range(times):
                    walk.wait((due_ms - T0) / 1000)
            walk.go(one)
    assert once.told == twice.told
