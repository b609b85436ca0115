"""Wall-clock time: windows over midnight, daylight saving in both directions, half-hour zones, leap days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.schedule import (
    MINUTES_PER_WEEK,
    WeeklyWindows,
    campaign_bound_ms,
    instant_ms,
    local,
    midnight_ms,
    minute_of_week,
    wall_at,
    zone_named,
)
from tests.rules.shop import HELSINKI, at

EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HALF_HOURS = [
    "Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide", "Australia/Lord_Howe", "Asia/Tehran", "America/St_Johns",
    "Pacific/Chatham", "Pacific/Marquesas", "Asia/Yangon", "Asia/Kabul", "Australia/Eucla",
]  # fmt: skip


def wall(text: str, zone: ZoneInfo = HELSINKI, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("days", "start", "end", "moment", "holds"),
    [
        (("wed",), "16:00", "18:00", "2026-11-25 15:59", False),
        (("wed",), "16:00", "18:00", "2026-11-25 16:00", True),
        (("wed",), "16:00", "18:00", "2026-11-25 17:59", True),
        (("wed",), "16:00", "18:00", "2026-11-25 18:00", False),
        (("wed",), "16:00", "18:00", "2026-11-26 17:00", False),
        (("fri",), "22:00", "02:00", "2026-11-27 23:00", True),
        (("fri",), "22:00", "02:00", "2026-11-28 01:59", True),
        (("fri",), "22:00", "02:00", "2026-11-28 02:00", False),
        (("sun",), "22:00", "02:00", "2026-11-30 01:00", True),
        (("sun",), "22:00", "02:00", "2026-11-30 02:00", False),
        (("sat",), "00:00", "24:00", "2026-11-28 23:59", True),
        (("sat",), "00:00", "24:00", "2026-11-29 00:00", False),
        (EVERY_DAY, "21:00", "09:00", "2028-02-29 03:00", True),
    ],
)
def test_a_window_is_half_open_and_may_run_past_midnight(
    days: tuple[str, ...], start: str, end: str, moment: str, holds: bool
) -> None:
    """A window holds from its start up to, not including, its end, also over midnight and over the week's end."""
    assert WeeklyWindows.of([(days, start, end)]).holds(minute_of_week(wall(moment))) is holds


def test_a_window_that_ends_when_it_starts_is_refused() -> None:
    """Nobody can tell whether it means never or always."""
    with pytest.raises(ValueError, match="must not end when it starts"):
        WeeklyWindows.of([(EVERY_DAY, "09:00", "09:00")])


@pytest.mark.parametrize(
    ("moment", "start"),
    [
        ("2026-11-25 12:00", "2026-11-25 16:00"),
        ("2026-11-25 18:00", "2026-11-26 16:00"),
        ("2026-11-27 18:00", "2026-11-30 16:00"),
    ],
)
def test_the_next_start_is_the_one_a_clock_shows(moment: str, start: str) -> None:
    """Weekday happy hours: later today, tomorrow, or after the weekend."""
    windows = WeeklyWindows.of([(EVERY_DAY[:5], "16:00", "18:00")])
    assert windows.next_start(wall(moment)) == wall(start)


def test_a_window_that_starts_in_the_skipped_hour_starts_when_the_clock_jumps() -> None:
    """In Helsinki 2026-03-29 has no 03:30; a window from 03:30 begins at 04:00."""
    windows = WeeklyWindows.of([(("sun",), "03:30", "04:30")])
    begins = windows.next_start(wall("2026-03-29 02:00"))
    assert begins.isoformat() == "2026-03-29T04:00:00+03:00"
    assert windows.holds(minute_of_week(local(instant_ms(begins), HELSINKI)))


def test_in_the_hour_that_comes_twice_a_window_holds_twice() -> None:
    """In Helsinki 2026-10-25 has 03:15 twice, an hour apart, and the window means both."""
    windows = WeeklyWindows.of([(("sun",), "03:00", "03:30")])
    first = instant_ms(wall("2026-10-25 03:15"))
    assert local(first, HELSINKI).isoformat() == "2026-10-25T03:15:00+03:00"
    assert local(first + 3_600_000, HELSINKI).isoformat() == "2026-10-25T03:15:00+02:00"
    assert all(windows.holds(minute_of_week(local(ms, HELSINKI))) for ms in (first, first + 3_600_000))


def test_quiet_hours_over_a_clock_change_end_at_nine_on_the_clock() -> None:
    """The night of the change is an hour shorter or longer; nine o'clock stays nine o'clock."""
    quiet = WeeklyWindows.of([(EVERY_DAY, "21:00", "09:00")])
    for night, hours in (("2026-03-28 21:00", 11), ("2026-10-24 21:00", 13), ("2026-11-25 21:00", 12)):
        begins = wall(night)
        ends = quiet.end_of(begins)
        assert (ends.hour, ends.minute) == (9, 0)
        assert ends.astimezone(UTC) - begins.astimezone(UTC) == timedelta(hours=hours)


def test_a_campaign_without_offset_runs_on_the_clock_of_the_store() -> None:
    """The same document begins at midnight in Lisbon and, two hours earlier, at midnight in Helsinki."""
    lisbon = zone_named("Europe/Lisbon")
    assert campaign_bound_ms("2026-03-08", HELSINKI, is_end=False) == at("2026-03-08 00:00")
    assert campaign_bound_ms("2026-03-08", lisbon, is_end=False) == at("2026-03-08 02:00")
    assert campaign_bound_ms("2026-03-08T10:00", HELSINKI, is_end=False) == at("2026-03-08 10:00")
    assert campaign_bound_ms("2026-03-08T10:00:00Z", HELSINKI, is_end=False) == at("2026-03-08 12:00")


def test_a_bare_date_as_end_means_through_that_day() -> None:
    """Marketers write the last day of a sale, not the day after; a leap day is a day."""
    assert campaign_bound_ms("2026-03-10", HELSINKI, is_end=True) == at("2026-03-11 00:00")
    assert campaign_bound_ms("2028-02-28", HELSINKI, is_end=True) == at("2028-02-29 00:00")
    with pytest.raises(ValueError, match="day"):
        campaign_bound_ms("2026-02-29", HELSINKI, is_end=True)


def test_midnight_that_daylight_saving_skips_is_the_first_moment_of_the_day() -> None:
    """In Beirut clocks jump from 00:00 to 01:00 on 2026-03-29; the day begins at 01:00."""
    beirut = zone_named("Asia/Beirut")
    began = midnight_ms(instant_ms(datetime(2026, 3, 29, 12, tzinfo=beirut)), beirut)
    assert local(began, beirut).isoformat() == "2026-03-29T01:00:00+03:00"
    assert local(began - 1, beirut).date().isoformat() == "2026-03-28"


def test_an_unknown_zone_is_refused_by_name() -> None:
    """The message says what a zone looks like."""
    with pytest.raises(ValueError, match="IANA"):
        zone_named("Helsinki")


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from(HALF_HOURS + sorted(available_timezones() & {"Europe/Helsinki", "America/Sao_Paulo", "UTC"})),
    at_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
    start=st.integers(0, 95),
    length=st.integers(1, 95),
    days=st.sets(st.sampled_from(EVERY_DAY), min_size=1),
)
def test_in_every_zone_the_next_start_is_in_the_window_and_not_missed(
    zone: str, at_ms: int, start: int, length: int, days: set[str]
) -> None:
    """Outside a window the next start lies ahead, within it, and no quarter of an hour before it holds."""
    clock = [f"{quarter // 4:02}:{quarter % 4 * 15:02}" for quarter in (start, (start + length) % 96)]
    windows = WeeklyWindows.of([(tuple(days), clock[0], clock[1])])
    now = local(at_ms, ZoneInfo(zone))
    if windows.holds(minute_of_week(now)):
        ends = windows.end_of(now)
        assert instant_ms(ends) > at_ms - 3_600_000
        assert len(windows.spans) * 2 == len(windows.bounds)
        return
    begins_ms = instant_ms(windows.next_start(now))
    assert begins_ms > at_ms
    assert begins_ms - at_ms <= (MINUTES_PER_WEEK + 24 * 60) * 60_000
    moment_ms = at_ms - at_ms % 900_000 + 900_000
    while moment_ms < min(begins_ms, at_ms + 86_400_000):
        assert not windows.holds(minute_of_week(local(moment_ms, ZoneInfo(zone))))
        moment_ms += 900_000


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from([*HALF_HOURS, "Europe/Helsinki", "Europe/Lisbon", "America/Sao_Paulo", "UTC"]),
    at_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
)
def test_the_wall_clock_of_a_minute_is_that_of_each_of_its_instants(zone: str, at_ms: int) -> None:
    """It is worked out once for all who are decided about within the minute, of whatever zone."""
    there = zone_named(zone)
    shown = local(at_ms, there)
    held = wall_at(at_ms, there)
    assert held.time == shown.replace(second=0, microsecond=0)
    assert (held.time.fold, held.time.utcoffset()) == (shown.fold, shown.utcoffset())
    assert (held.minute, held.shown) == (minute_of_week(shown), shown.strftime("%a %Y-%m-%d %H:%M %Z"))


def test_the_wall_clock_tells_the_two_passes_of_an_hour_apart() -> None:
    """Where clocks go back, the same time an hour later is in winter time; where they jump, no minute is skipped."""
    first = instant_ms(wall("2026-10-25 03:15"))
    before, after = wall_at(first, HELSINKI), wall_at(first + 3_600_000, HELSINKI)
    assert (before.shown, after.shown) == ("Sun 2026-10-25 03:15 EEST", "Sun 2026-10-25 03:15 EET")
    assert before.minute == after.minute
    jump = instant_ms(wall("2026-03-29 04:00"))
    assert [wall_at(at_ms, HELSINKI).shown[15:] for at_ms in (jump - 1, jump)] == ["02:59 EET", "04:00 EEST"]
