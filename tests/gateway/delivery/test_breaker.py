"""When to leave a provider alone."""

from __future__ import annotations

import pytest

from gateway.delivery.breaker import Breaker


def opened(at_s: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, open_s=2.0, max_open_s=60.0)
    for _ in range(3):
        breaker.failed(at_s)
    return breaker


def test_it_opens_after_failures_in_a_row_and_no_sooner() -> None:
    breaker = Breaker(failures=3)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    breaker.failed(0)
    assert breaker.enter(0) == 0.0
    breaker.failed(0)
    assert breaker.is_open
    assert breaker.enter(0) == 2.0


def test_one_probe_goes_through_when_its_time_is_over() -> None:
    breaker = opened()
    assert breaker.enter(1.5) == 0.5
    assert breaker.enter(2.0) == 0.0
    assert breaker.enter(2.0) > 0


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.enter(2.0)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.enter(2.0) == breaker.enter(2.0) == 0.0


def test_each_probe_that_fails_doubles_the_wait_up_to_the_longest() -> None:
    breaker, at_s, waits = opened(), 0.0, []
    for _ in range(7):
        wait_s = breaker.enter(at_s)
        waits.append(wait_s)
        at_s += wait_s
        assert breaker.enter(at_s) == 0.0
        breaker.failed(at_s)
    assert waits == [2, 4, 8, 16, 32, 60, 60]


def test_failures_of_attempts_begun_before_it_opened_do_not_open_it_again() -> None:
    breaker = opened()
    breaker.failed(1.0)
    assert breaker.enter(1.0) == 1.0


def test_a_providers_wish_to_be_left_alone_is_kept_within_reason() -> None:
    for wish_s, kept_s in ((30.0, 30.0), (3600.0, 60.0), (0.5, 2.0)):
        breaker = Breaker(failures=1, open_s=2.0, max_open_s=60.0)
        breaker.failed(0.0, wish_s)
        assert breaker.enter(0.0) == pytest.approx(kept_s)


def test_a_probe_that_was_never_made_leaves_its_place_to_another() -> None:
    breaker = opened()
    assert breaker.enter(2.0) == 0.0
    breaker.abandoned()
    assert breaker.enter(2.0) == 0.0
