"""How fast, and when again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.pace import Pace
from gateway.delivery.waiting import Backoff, retry_after_s


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    pace = Pace(per_s=10.0, burst=3)
    assert [round(pace.take(0.0), 6) for _ in range(6)] == [0, 0, 0, 0.1, 0.2, 0.3]


def test_silence_refills_no_more_than_the_burst() -> None:
    pace = Pace(per_s=10.0, burst=3)
    assert pace.take(0.0) == 0
    assert [round(pace.take(1000.0), 6) for _ in range(4)] == [0, 0, 0, 0.1]


@given(gaps_s=st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_no_second_ever_carries_more_than_burst_and_rate(gaps_s: list[float]) -> None:
    pace, at_s, sent_s = Pace(per_s=20.0, burst=5), 0.0, []
    for gap_s in gaps_s:
        at_s += gap_s
        sent_s.append(at_s + pace.take(at_s))
    for start_s in sent_s:
        assert sum(start_s <= each <= start_s + 1.0 for each in sent_s) <= 20 + 5 + 1


def test_waits_are_uniform_below_a_bound_that_doubles_up_to_the_cap() -> None:
    backoff = Backoff(first_s=0.5, cap_s=32.0)
    assert [backoff.wait_s(attempt, 1.0) for attempt in (1, 2, 3, 7, 8, 500)] == [0.5, 1, 2, 32, 32, 32]
    assert backoff.wait_s(5, 0.0) == 0.0


def test_retry_after_is_a_floor_with_the_jitter_on_top() -> None:
    assert Backoff(first_s=1.0).wait_s(1, 0.5, retry_after_s=60.0) == 60.5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 01 Jan 2027 00:01:00 GMT", 60.0),
        ("Thu, 31 Dec 2026 23:59:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms_and_nothing_else(header: str | None, seconds: float | None) -> None:
    at_ms = 1_798_761_600_000  # 2027-01-01 00:00:00 UTC
    assert retry_after_s(header, at_ms) == seconds
