"""Rates and spacing: off unless set, exact when set, and bounded in memory."""

import pytest

from gateway.errors import TooManyRequests
from gateway.ingest import limits
from gateway.ingest.limits import BURST_S, KeyRates, Spacing
from geofences.model import Ping


def ping(at_ms: int, user: str = "u") -> Ping:
    return Ping(user, at_ms, 60.0, 24.0)


def test_without_a_limit_everything_passes() -> None:
    rates, pings = KeyRates(0), [ping(1), ping(1)]
    for _ in range(100):
        rates.charge("k", 10_000, 0.0)
    assert Spacing(0).spaced(pings) is pings


def test_a_key_may_burst_then_waits_until_it_is_out_of_debt() -> None:
    rates = KeyRates(100)
    rates.charge("k", int(100 * BURST_S), 0.0)
    with pytest.raises(TooManyRequests) as refusal:
        rates.charge("k", 1, 0.0)
    assert refusal.value.retry_after_s == 1
    rates.charge("k", 500, 0.1)
    with pytest.raises(TooManyRequests) as refusal:
        rates.charge("k", 1, 0.2)
    assert refusal.value.retry_after_s == 5
    rates.charge("k", 1, 5.2)


def test_keys_do_not_share_an_allowance() -> None:
    rates = KeyRates(1)
    rates.charge("a", 100, 0.0)
    rates.charge("b", 100, 0.0)
    with pytest.raises(TooManyRequests):
        rates.charge("a", 1, 0.0)


def test_fixes_that_follow_too_closely_are_dropped_by_user_and_instant() -> None:
    spacing = Spacing(5)
    taken = spacing.spaced([ping(0 + 10**12), ping(4_999 + 10**12), ping(5_000 + 10**12), ping(10**12, "v")])
    assert [(p.user_id, p.at_ms - 10**12) for p in taken] == [("u", 0), ("u", 5_000), ("v", 0)]
    assert spacing.spaced([ping(6_000 + 10**12)]) == []
    assert len(spacing.spaced([ping(10_000 + 10**12)])) == 1


def test_memory_is_bounded_and_the_newest_users_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_USERS", 10)
    monkeypatch.setattr(limits, "MAX_KEYS", 10)
    spacing, rates = Spacing(5), KeyRates(1)
    for user in range(1000):
        spacing.spaced([ping(10**12, f"u{user}")])
        rates.charge(f"k{user}", 1, 0.0)
    assert len(spacing._newest) + len(spacing._older) <= 20
    assert len(rates._buckets) <= 10
    assert spacing.spaced([ping(10**12, "u999")]) == []
