"""Wall-clock time: weekly windows, quiet hours, campaign bounds. Local time in, yes or no and the next time out.

All windows are half-open, [start, end), and follow the wall clock of their zone: in the hour that daylight
saving skips a window cannot be missed (it begins when the clock jumps past its start), and in the hour that
comes twice it holds both times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

MINUTE_MS = 60_000
MINUTES_PER_DAY = 1440
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
DAY_NUMBERS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone ``name``. Raises ValueError for one that does not exist."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name!r} is not an IANA time zone; write one like 'Europe/Helsinki'") from None


def local(at_ms: int, zone: ZoneInfo) -> datetime:
    """The wall clock of ``zone`` at an instant (aware, with its fold)."""
    return datetime.fromtimestamp(at_ms / 1000, zone)


def instant_ms(wall: datetime) -> int:
    """The instant of an aware wall-clock time; a time that daylight saving skips is the moment of the jump or later."""
    return round(wall.timestamp() * 1000)


def minutes(clock: str) -> int:
    """Minutes after midnight of a wall-clock time "HH:MM"; "24:00" is 1440."""
    return int(clock[:2]) * 60 + int(clock[3:])


def minute_of_week(wall: datetime) -> int:
    """Minutes of the wall clock since Monday midnight."""
    return wall.weekday() * MINUTES_PER_DAY + wall.hour * 60 + wall.minute


class Wall(NamedTuple):
    """A minute of a zone's wall clock: when it began there (aware), as verdicts show it, and its place in the week."""

    time: datetime
    shown: str
    minute: int


def wall_at(at_ms: int, zone: ZoneInfo) -> Wall:
    """The minute that the wall clock of ``zone`` shows at an instant."""
    return _wall(at_ms // MINUTE_MS, zone)


@lru_cache(maxsize=1024)
def _wall(minute: int, zone: ZoneInfo) -> Wall:
    """One for all who are decided about within a minute: since 1972 every offset is of whole minutes."""
    time = local(minute * MINUTE_MS, zone)
    return Wall(time, time.strftime("%a %Y-%m-%d %H:%M %Z"), minute_of_week(time))


class WeeklyWindows(msgspec.Struct, frozen=True):
    """Disjoint [begin, end) spans in minutes of the week from Monday midnight."""

    bounds: tuple[int, ...]
    """Begin, end, begin, end and so on, ascending."""

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The windows as (begin, end)."""
        return tuple(zip(self.bounds[::2], self.bounds[1::2], strict=True))

    @classmethod
    def of(cls, windows: Iterable[tuple[Iterable[str], str, str]]) -> WeeklyWindows:
        """From (days, "HH:MM", "HH:MM"): an end before its start runs past midnight. Equal ends are refused."""
        spans: list[tuple[int, int]] = []
        for days, start, end in windows:
            first, last = minutes(start), minutes(end)
            if first == last:
                raise ValueError("a window must not end when it starts; for the whole day write 00:00 to 24:00")
            length = last - first if last > first else last + MINUTES_PER_DAY - first
            for day in days:
                begin = DAY_NUMBERS[day] * MINUTES_PER_DAY + first
                spans.append((begin, min(begin + length, MINUTES_PER_WEEK)))
                if begin + length > MINUTES_PER_WEEK:
                    spans.append((0, begin + length - MINUTES_PER_WEEK))
        merged: list[tuple[int, int]] = []
        for begin, finish in sorted(spans):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], finish))
            else:
                merged.append((begin, finish))
        return cls(tuple(bound for span in merged for bound in span))

    def holds(self, minute: int) -> bool:
        """Whether a minute of the week lies in a window."""
        return bisect_right(self.bounds, minute) % 2 == 1

    def next_start(self, wall: datetime) -> datetime:
        """When, at or after ``wall``, the next window begins (aware, same zone)."""
        monday = wall.date() - timedelta(days=wall.weekday())
        minute = minute_of_week(wall)
        begins = [begin for begin, _ in self.spans]
        upcoming = next((b for b in begins if b > minute), begins[0] + MINUTES_PER_WEEK)
        return _on(monday, upcoming, wall)

    def end_of(self, wall: datetime) -> datetime:
        """When the window that holds ``wall`` ends (aware, same zone), following it past the end of the week."""
        monday = wall.date() - timedelta(days=wall.weekday())
        minute = minute_of_week(wall)
        end = next(end for begin, end in self.spans if begin <= minute < end)
        if end == MINUTES_PER_WEEK and self.spans[0][0] == 0 and len(self.spans) > 1:
            end += self.spans[0][1]
        return _on(monday, end, wall)


def _on(monday: date, minute: int, wall: datetime) -> datetime:
    """Minute of the week as an aware time; a time that daylight saving skips becomes the moment of the jump."""
    days, rest = divmod(minute, MINUTES_PER_DAY)
    day = monday + timedelta(days=days)
    return normal(datetime(day.year, day.month, day.day, rest // 60, rest % 60, tzinfo=wall.tzinfo))


def normal(wall: datetime) -> datetime:
    """An aware time as a clock would show it: within a skipped hour, the first time after the jump."""
    zone = wall.tzinfo
    there = wall.astimezone(UTC).astimezone(zone)
    if there.replace(tzinfo=None) == wall.replace(tzinfo=None):
        return wall
    before = wall.replace(fold=0).utcoffset() or timedelta()
    after = wall.replace(fold=1).utcoffset() or timedelta()
    low, high = sorted((wall.replace(tzinfo=UTC) - after, wall.replace(tzinfo=UTC) - before))
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0).astimezone(zone)


def campaign_bound_ms(text: str, zone: ZoneInfo, *, is_end: bool) -> int:
    """The instant that a campaign's ``start`` or ``end`` names; without offset it is on ``zone``'s clock.

    A bare date as end means the end of that day. Raises ValueError for a date that does not exist.
    """
    if len(text) == 10:
        day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
        return instant_ms(normal(datetime(day.year, day.month, day.day, tzinfo=zone)))
    wall = datetime.fromisoformat(text.replace(" ", "T"))
    return instant_ms(wall if wall.tzinfo else normal(wall.replace(tzinfo=zone)))


def midnight_ms(at_ms: int, zone: ZoneInfo) -> int:
    """The instant at which the calendar day of ``at_ms`` began in ``zone``."""
    wall = local(at_ms, zone)
    return instant_ms(normal(wall.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)))
