"""Presence and transitions: what fixes prove, what they do not, and what edits of fences bring about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import msgspec
import pytest

from geofences.covering import cover
from geofences.model import Ignored, Reason
from geofences.transitions import TABLE, Act, Policy, Presence, Sighting, Standing, next_due_ms
from tests.geofences.walking import DEFAULT, T0, Walk, index_of, ping, square


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
