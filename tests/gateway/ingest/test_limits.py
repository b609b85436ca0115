"""Rates and spacing: off unless set, exact when set, shared by the workers of a host, and bounded in memory."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError, TooManyRequests
from gateway.ingest.instants import WAYS, Instants
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


def test_the_workers_of_a_host_grant_a_key_its_rate_once(tmp_path: Path) -> None:
    """Over ten seconds four workers together let through what one would."""
    workers = [KeyRates(100, tmp_path) for _ in range(4)]
    passed = 0
    for tick in range(2_000):
        try:
            workers[tick % 4].charge("k", 1, 1_000 + tick / 200)
        except TooManyRequests:
            continue
        passed += 1
    assert passed == pytest.approx(100 * (10 + BURST_S), abs=2)


def test_the_workers_of_a_host_space_a_users_fixes_together(tmp_path: Path) -> None:
    one, other = Spacing(5, tmp_path), Spacing(5, tmp_path)
    assert len(one.spaced([ping(10**12)])) == 1
    assert other.spaced([ping(10**12 + 4_999)]) == []
    assert len(other.spaced([ping(10**12 + 5_000)])) == 1
    assert one.spaced([ping(10**12 + 9_999)]) == []


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shared_dir"):
        KeyRates(1, tmp_path / "missing")


def test_fixes_that_follow_too_closely_are_dropped_by_user_and_instant() -> None:
    spacing = Spacing(5)
    taken = spacing.spaced([ping(0 + 10**12), ping(4_999 + 10**12), ping(5_000 + 10**12), ping(10**12, "v")])
    assert [(p.user_id, p.at_ms - 10**12) for p in taken] == [("u", 0), ("u", 5_000), ("v", 0)]
    assert spacing.spaced([ping(6_000 + 10**12)]) == []
    assert len(spacing.spaced([ping(10_000 + 10**12)])) == 1


def test_what_could_not_be_handled_may_come_again_at_once() -> None:
    spacing, pings = Spacing(5), [ping(10**12)]
    assert len(spacing.spaced(pings)) == 1
    assert spacing.spaced(pings) == []
    spacing.forget(pings)
    assert len(spacing.spaced(pings)) == 1


def test_memory_is_bounded_and_the_latest_are_kept() -> None:
    instants = Instants(None, "test", 64 * WAYS)
    for number in range(10_000):
        instants.set(f"u{number}", number + 1.0)
    kept = [number for number in range(10_000) if instants.get(f"u{number}")]
    assert len(kept) == 64 * WAYS
    assert kept[0] > 10_000 - 3 * 64 * WAYS
    assert all(instants.get(f"u{number}") == number + 1 for number in kept)


def test_a_name_that_was_forgotten_makes_room_first() -> None:
    instants = Instants(None, "test", WAYS)
    for number in range(WAYS):
        instants.set(f"u{number}", 100.0 + number)
    instants.set("u5", 0.0)
    instants.set("new", 50.0)
    assert [instants.get(f"u{number}") for number in range(WAYS)] == [100, 101, 102, 103, 104, 0, 106, 107]
    assert instants.get("new") == 50
