"""Presence and transitions: what fixes prove, what they do not, and what time alone brings about."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence

import msgspec
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.covering import cover
from geofences.geodesy import M_PER_DEG
from geofences.index import GeofenceIndex
from geofences.model import Geofence, Ignored, Ping, Reason, Shape, Transition, TransitionKind
from geofences.transitions import (
    TABLE,
    Act,
    Policy,
    Presence,
    Sighting,
    Standing,
    Step,
    next_due_ms,
    step,
    tick,
)

ENTER, EXIT, DWELL = TransitionKind.ENTER, TransitionKind.EXIT, TransitionKind.DWELL
T0 = 1_700_000_000_000
DEFAULT = Policy.DEFAULT


def square(id_: str, x_m: float = 0, y_m: float = 0, size_m: float = 100, **fields: object) -> Geofence:
    """A square with its south-west corner so many metres east and north of 0, 0."""
    box = shapely.box(x_m / M_PER_DEG, y_m / M_PER_DEG, (x_m + size_m) / M_PER_DEG, (y_m + size_m) / M_PER_DEG)
    return msgspec.structs.replace(Geofence(id_, box, area_radius_m=size_m / 1.77), **fields)


def index_of(*geofences: Geofence) -> GeofenceIndex:
    return GeofenceIndex.build((g, cover(g.shape)) for g in geofences)


def ping(at_s: float, x_m: float, y_m: float = 50, **fields: object) -> Ping:
    """A fix so many seconds after the start, metres east and north of 0, 0; accurate to 5 m."""
    made = Ping("u", T0 + int(at_s * 1000), y_m / M_PER_DEG, x_m / M_PER_DEG, accuracy_m=5.0)
    return msgspec.structs.replace(made, **fields)


class Walk:
    """One user stepped from ping to ping."""

    def __init__(self, index: GeofenceIndex, policy: Policy = DEFAULT, presence: Presence = Presence.EMPTY) -> None:
        self.index, self.policy, self.presence = index, policy, presence
        self.told: list[Transition] = []
        self.ignored: list[Ignored] = []

    def go(self, *pings: Ping, now_ms: int | None = None) -> list[str]:
        """Step; answers what these pings told, as "kind id"."""
        before = len(self.told)
        for one in pings:
            located = self.index.locate(one.lat, one.lng)
            self._take(step(self.presence, located, one, self.index, self.policy, now_ms or one.at_ms))
        return [f"{t.kind} {t.geofence_id}" for t in self.told[before:]]

    def wait(self, until_s: float) -> list[str]:
        before = len(self.told)
        self._take(tick(self.presence, "u", self.index, self.policy, T0 + int(until_s * 1000)))
        return [f"{t.kind} {t.geofence_id}" for t in self.told[before:]]

    def _take(self, stepped: Step) -> None:
        self.presence = stepped.presence
        self.told += stepped.transitions
        if stepped.ignored:
            self.ignored.append(stepped.ignored)


def test_the_table_has_an_act_for_every_standing_and_sighting() -> None:
    assert len(TABLE) == len(Standing)
    assert all(len(row) == len(Sighting) for row in TABLE)
    assert all(act in Act for row in TABLE for act in row)


def test_a_fix_whose_accuracy_circle_lies_inside_enters_at_once() -> None:
    walk = Walk(index_of(square("s")))
    assert walk.go(ping(0, -200)) == []
    assert walk.go(ping(10, 50)) == ["enter s"]
    assert walk.told[0].reason is None
    assert walk.told[0].entered_at_ms == walk.told[0].at_ms == T0 + 10_000


def test_a_doubtful_fix_waits_for_a_second_one_inside() -> None:
    walk = Walk(index_of(square("s")))
    assert walk.go(ping(0, -200), ping(10, 3)) == []
    assert walk.go(ping(15, 3)) == ["enter s"]
    assert walk.told[0].entered_at_ms == T0 + 10_000
    assert walk.told[0].at_ms == T0 + 15_000


def test_a_fix_outside_forgets_a_pending_enter() -> None:
    walk = Walk(index_of(square("s")))
    assert walk.go(ping(0, 3), ping(5, -3), ping(10, 3), ping(15, -3), ping(20, 3)) == []
    assert walk.go(ping(25, 3)) == ["enter s"]


def test_with_more_fixes_asked_a_late_second_one_is_enough() -> None:
    policy = dataclasses.replace(DEFAULT, enter_fixes=5, enter_after_s=30)
    walk = Walk(index_of(square("s")), policy)
    assert walk.go(ping(0, 3), ping(20, 3)) == []
    assert walk.go(ping(31, 3)) == ["enter s"]


def test_unknown_accuracy_is_that_of_a_typical_fix_not_zero() -> None:
    walk = Walk(index_of(square("s")))
    assert walk.go(ping(0, 20, accuracy_m=None)) == []
    assert walk.go(ping(5, 50, accuracy_m=None)) == ["enter s"]


def test_an_exit_needs_two_fixes_beyond_the_boundary_by_more_than_their_accuracy() -> None:
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 50))
    assert walk.go(ping(10, 104), ping(15, 104), ping(20, 104)) == []
    assert walk.go(ping(25, 110), ping(30, 104), ping(35, 110)) == []
    assert walk.go(ping(40, 120)) == ["exit s"]
    exit_ = walk.told[-1]
    assert exit_.entered_at_ms == T0
    assert exit_.duration_ms == 35_000
    assert exit_.visit_id == walk.told[0].visit_id


def test_bad_accuracy_does_not_hold_a_shopper_for_ever() -> None:
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 50))
    assert walk.go(ping(30, 151, accuracy_m=2000), ping(60, 151, accuracy_m=2000)) == ["exit s"]


def test_the_first_fix_of_a_user_inside_is_an_initial_enter() -> None:
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 3), ping(5, 3))
    assert [t.reason for t in walk.told] == [Reason.INITIAL]


def test_dwell_is_told_once_per_visit_and_threshold_on_the_first_ping_past_it() -> None:
    walk = Walk(index_of(square("s")), dataclasses.replace(DEFAULT, dwells_s=(60, 30)))
    assert walk.go(ping(0, 50), ping(29, 50)) == ["enter s"]
    assert walk.go(ping(31, 50), ping(40, 50)) == ["dwell s"]
    assert walk.go(ping(70, 50), ping(100, 50)) == ["dwell s"]
    assert [t.dwell_s for t in walk.told if t.kind is DWELL] == [30, 60]
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


def test_silence_ends_a_visit_by_timer_and_by_the_next_ping_alike() -> None:
    index = index_of(square("s"))
    timed, pinged = Walk(index), Walk(index)
    for walk in (timed, pinged):
        walk.go(ping(0, 50), ping(60, 50))
    due_ms = next_due_ms(timed.presence, DEFAULT)
    assert due_ms is not None
    timed.wait((due_ms - T0) / 1000)
    assert pinged.go(ping(4000, 50)) == ["exit s", "enter s"]
    assert timed.told[1] == pinged.told[1]
    assert timed.told[1].reason is Reason.TIMEOUT
    assert timed.told[1].duration_ms == 60_000
    assert not timed.presence.is_present
    assert next_due_ms(timed.presence, DEFAULT) is None


def test_late_duplicate_stale_future_and_mock_pings_fire_nothing_and_are_counted() -> None:
    """Tile38 answers a late ping with a false exit."""
    walk = Walk(index_of(square("s")))
    walk.go(ping(100, 50))
    held = walk.presence
    now_ms = T0 + 110_000
    for late in (
        ping(99, 500),
        ping(100, 500),
        ping(105, 500, mock=True),
        ping(-400, 500),
        ping(300, 500),
    ):
        assert walk.go(late, now_ms=now_ms) == []
        assert walk.presence is held
    assert walk.go(ping(101, 500), now_ms=T0 + 900_000) == []
    assert walk.ignored == [
        Ignored.OUT_OF_ORDER,
        Ignored.DUPLICATE,
        Ignored.MOCK,
        Ignored.OUT_OF_ORDER,
        Ignored.FUTURE,
        Ignored.STALE,
    ]


def test_an_outlier_is_ignored_unless_the_next_fix_confirms_it() -> None:
    walk = Walk(index_of(square("s"), square("far", 5000)))
    walk.go(ping(0, 50))
    assert walk.go(ping(10, 5050), ping(20, 50)) == []
    assert walk.ignored == [Ignored.OUTLIER]
    assert walk.go(ping(30, 5050), ping(40, 5060)) == ["enter far"]
    assert walk.go(ping(50, 5060)) == ["exit s"]


def test_an_outlier_seen_twice_does_not_confirm_itself() -> None:
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 50))
    walk.go(ping(10, 5050), ping(10, 5050))
    assert walk.ignored == [Ignored.OUTLIER, Ignored.DUPLICATE]


def test_a_fence_created_around_a_user_gives_enter_with_that_reason() -> None:
    """Tile38 gives no enter, and later a lone exit."""
    walk = Walk(index_of(square("old")))
    walk.go(ping(0, 50), ping(10, 50))
    walk.index = walk.index.updated([(square("new"), cover(square("new").shape))])
    assert walk.go(ping(20, 50)) == ["enter new"]
    assert walk.told[-1].reason is Reason.FENCE_CREATED
    assert walk.go(ping(30, 300), ping(40, 300)) == ["exit new", "exit old"]


def test_a_fence_moved_away_from_a_user_gives_exit_with_that_reason() -> None:
    """Tile38 gives no exit."""
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 50))
    moved = square("s", 5000, version=2)
    walk.index = walk.index.updated([(moved, cover(moved.shape))])
    assert walk.go(ping(10, 50)) == ["exit s"]
    assert walk.told[-1].reason is Reason.FENCE_CHANGED


def test_a_fence_moved_over_a_user_gives_enter_with_that_reason() -> None:
    walk = Walk(index_of(square("s", 5000), square("other")))
    walk.go(ping(0, 50))
    moved = square("s", 0, version=2)
    walk.index = walk.index.updated([(moved, cover(moved.shape))])
    assert walk.go(ping(10, 50)) == ["enter s"]
    assert walk.told[-1].reason is Reason.FENCE_CHANGED


def test_a_fence_edited_while_the_user_stays_inside_tells_nothing_and_the_later_exit_is_plain() -> None:
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 50))
    larger = square("s", -20, size_m=140, version=2)
    walk.index = walk.index.updated([(larger, cover(larger.shape))])
    assert walk.go(ping(10, 50)) == []
    assert walk.go(ping(20, 400), ping(30, 400)) == ["exit s"]
    assert walk.told[-1].reason is None


def test_a_deleted_fence_closes_the_visit_at_the_next_ping_or_by_silence() -> None:
    index = index_of(square("s"))
    for close in (lambda w: w.go(ping(10, 50)), lambda w: w.wait(4000)):
        walk = Walk(index)
        walk.go(ping(0, 50))
        walk.index = index.updated([], ["s"])
        assert close(walk) == ["exit s"]
        assert walk.told[-1].reason is Reason.FENCE_DELETED
        assert not walk.presence.stays


@pytest.mark.parametrize("policy", [Policy.RAW, DEFAULT])
def test_exits_come_before_enters_then_priority_then_id(policy: Policy) -> None:
    """Tile38's order is deterministic only by name."""
    index = index_of(square("z"), square("b", 1000), square("a", 1000), square("c", 1000, priority=5.0), square("y"))
    walk = Walk(index, policy)
    assert walk.go(ping(0, 50)) == ["enter y", "enter z"]
    told = walk.go(ping(100, 1050), ping(130, 1050))
    if policy is Policy.RAW:
        assert told == ["exit y", "exit z", "enter c", "enter a", "enter b"]
    else:
        assert told == ["enter c", "enter a", "enter b", "exit y", "exit z"]


def test_overlapping_fences_are_all_told() -> None:
    walk = Walk(index_of(square("a"), square("b"), square("c", 20, size_m=200)))
    assert walk.go(ping(0, 50)) == ["enter a", "enter b", "enter c"]
    assert walk.presence.inside == ("a", "b", "c")


def test_nearby_is_told_once_until_the_user_was_farther_than_half_as_much_again() -> None:
    policy = dataclasses.replace(DEFAULT, nearby_m=(100,))
    walk = Walk(index_of(square("s"), square("unwatched", 300)).watching({"s": 150}), policy)
    assert walk.go(ping(0, -400), ping(20, -200), ping(40, -160)) == []
    assert walk.go(ping(60, -90)) == ["nearby s"]
    assert walk.told[-1].distance_m == pytest.approx(90, abs=0.5)
    assert walk.presence.is_present
    assert walk.go(ping(80, -120), ping(100, -90), ping(120, -140), ping(140, -50)) == []
    assert walk.go(ping(160, -151), ping(180, -99)) == ["nearby s"]


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


def test_a_presence_survives_being_stored_and_motion_alone_holds_coordinates() -> None:
    policy = dataclasses.replace(DEFAULT, nearby_m=(100,))
    walk = Walk(index_of(square("s")).watching({"s": 150}), policy)
    walk.go(ping(0, -50), ping(10, 50))
    raw = msgspec.msgpack.encode(walk.presence)
    assert msgspec.msgpack.decode(raw, type=Presence) == walk.presence
    assert len(raw) < 120
    bare = msgspec.to_builtins(msgspec.structs.replace(walk.presence, motion=None))
    assert not any(isinstance(leaf, float) for leaf in _leaves(bare))


def _leaves(value: object) -> Iterable[object]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def test_a_user_far_from_every_fence_is_not_present() -> None:
    walk = Walk(index_of(square("s")))
    walk.go(ping(0, 5000))
    assert not walk.presence.is_present
    assert not Presence.EMPTY.is_present


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


def test_who_passes_is_told_of_circles_too() -> None:
    from geofences.model import Circle, LatLng

    circle: Shape = Circle(LatLng(0, 0), 10)
    policy = dataclasses.replace(DEFAULT, is_pass_by_told=True)
    index = GeofenceIndex.build([(Geofence("c", circle, area_radius_m=10), cover(circle))])
    index = index.watching({"c": policy.pass_by_max_m})
    assert Walk(index, policy).go(ping(0, -50, 5), ping(15, 50, 5)) == ["pass_by c"]
    assert Walk(index, policy).go(ping(0, -50, 15), ping(15, 50, 15)) == []
