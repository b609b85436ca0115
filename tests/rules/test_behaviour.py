"""What a profile remembers: bounded, additive, and the same however often it is read back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.behaviour import (
    DAY_MS,
    KEPT_DAYS,
    KEPT_VISITS,
    MAX_EVENT_NAMES,
    EventRecord,
    VisitRecord,
    event_view,
    events_of,
    names_read,
    visit_number,
    visited,
    visits_of,
    with_event,
)
from tests.rules.shop import NOON, transition


@given(st.lists(st.tuples(st.integers(0, 200 * DAY_MS), st.integers(0, 100)), min_size=1, max_size=40))
def test_sliding_windows_are_sums_of_days(happened: list[tuple[int, int]]) -> None:
    """In whatever order events arrive, a window of n days counts those of the last n UTC days."""
    events: dict[str, EventRecord] = {}
    for at_ms, value in happened:
        events = with_event(events, "viewed", at_ms, value)
    record = events["viewed"]
    now_ms = max(at for at, _ in happened)
    view = event_view(record, now_ms)
    assert view["count"] == len(happened)
    assert view["age_s"] == 0
    for window in (1, 7, 30, 90):
        inside = [(at, value) for at, value in happened if at // DAY_MS > now_ms // DAY_MS - window]
        assert view[f"count_{window}d"] == len(inside)
        assert view[f"value_{window}d"] == pytest.approx(sum(value for _, value in inside))
    assert len(record.days) <= KEPT_DAYS


def test_the_last_event_keeps_its_properties() -> None:
    """A late event counts, but does not replace what was seen last."""
    events = with_event({}, "cart_abandoned", 2000, 50.0, {"product": "boots"})
    events = with_event(events, "cart_abandoned", 1000, 10.0, {"product": "hat"})
    record = events["cart_abandoned"]
    assert (record.count, record.value, record.first_at_ms, record.last_at_ms) == (2, 60.0, 1000, 2000)
    assert record.last == {"product": "boots"}


def test_event_names_are_bounded() -> None:
    """The name that was seen longest ago makes room."""
    events: dict[str, EventRecord] = {}
    for number in range(MAX_EVENT_NAMES + 5):
        events = with_event(events, f"event-{number}", number)
    assert len(events) == MAX_EVENT_NAMES
    assert "event-4" not in events
    assert "event-5" in events


def test_records_come_back_from_json_and_what_is_none_is_left_out() -> None:
    """A profile is stored as JSON or msgpack; damage to one record does not hide the others."""
    events = with_event({}, "purchase", 5, 9.0, {"size": 4})
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(events))
    assert events_of({**stored, "broken": {"count": "x"}}) == events
    visits = {"shop": visited(VisitRecord(), 7)}
    assert visits_of(msgspec.json.decode(msgspec.json.encode(visits))) == visits


def test_the_running_visit_counts_once() -> None:
    """Whether the profile holds it already or not, the third visit is the third."""
    earlier = visited(visited(VisitRecord(), NOON - 2 * DAY_MS), NOON - DAY_MS)
    assert visit_number({}, transition()) == 1
    assert visit_number({"shop": earlier}, transition()) == 3
    assert visit_number({"shop": visited(earlier, NOON)}, transition()) == 3
    assert visited(earlier, NOON - DAY_MS) is earlier


def test_visits_count_back_from_the_running_one() -> None:
    """Third visit in 14 days: older ones do not count."""
    visits = {"shop": VisitRecord(5, tuple(NOON - days * DAY_MS for days in (40, 20, 13, 2)))}
    assert visit_number(visits, transition(), within_days=14) == 3
    assert visit_number(visits, transition(), within_days=1) == 1
    assert visit_number(visits, transition()) == 6


def test_visits_are_bounded() -> None:
    """The count goes on; only the latest beginnings are kept."""
    record = VisitRecord()
    for number in range(100):
        record = visited(record, number)
    assert record.count == 100
    assert record.recent_at_ms == tuple(range(100 - KEPT_VISITS, 100))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("user.age > 3", frozenset()),
        ("events['purchase'].count > 1 && \"viewed:shoes\" in events", {"purchase", "viewed:shoes"}),
        ("events.purchase.count > 1", {"purchase"}),
        ("{{ events['cart_abandoned'].last.product }}", {"cart_abandoned"}),
        ("events.exists(n, n == 'x')", None),
        ("size(events) > 1", None),
        ("events[user.favourite].count > 1", None),
        ("events['a'].count > 1 && size(events) > 1", None),
    ],
)
def test_what_a_rule_reads_of_behaviour_is_known_before(source: str, names: set[str] | None) -> None:
    """Only records that someone names are worked out; a rule that looks at all gets all."""
    assert names_read(source) == names
