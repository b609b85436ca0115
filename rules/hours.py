"""The one door to OpenStreetMap opening hours: is a store open at an instant, and when does that change.

Expressions follow the OSM grammar; public holidays are those of some 120 countries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from opening_hours import OpeningHours as OsmHours
from opening_hours import State, UnknownCountryError  # type: ignore[attr-defined] # its stub forgets the errors

from geofences.model import LatLng
from rules.schedule import WeeklyWindows, local, minute_of_week

_KEEP_DAYS_OF: Final = {
    **dict.fromkeys(("BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "WF", "YT"), "FR"),
    **dict.fromkeys(("AS", "GU", "MP", "UM", "VI"), "US"),
}
"""Territories with a code of their own that keep the days of another country."""

_SUN: Final = re.compile("sunrise|sunset|dawn|dusk")

HORIZON_DAYS = 366
"""How far the next change is looked for; farther is "never"."""


class Hours:
    """A compiled expression in a zone. Unknown ("by appointment") counts as open: the shop decides at the door."""

    __slots__ = ("_osm", "source", "zone")

    def __init__(self, osm: OsmHours, source: str, zone: ZoneInfo) -> None:
        """Use ``opening_hours``, which caches."""
        self._osm = osm
        self.source = source
        self.zone = zone

    def is_open(self, at_ms: int) -> bool:
        """Whether the store is open at the instant."""
        return self._osm.state(local(at_ms, self.zone))[0] != State.CLOSED

    def next_open(self, at_ms: int) -> datetime | None:
        """When a store that is closed at the instant opens (aware), or None within the horizon."""
        change = self._osm.next_change(local(at_ms, self.zone))
        return change if change is not None and self.is_open(round(change.timestamp() * 1000)) else None

    def closes_ms(self, at_ms: int) -> int | None:
        """When a store that is open at the instant closes; None if it is not open, or never closes."""
        if not self.is_open(at_ms):
            return None
        change = self._osm.next_change(local(at_ms, self.zone))
        while change is not None:  # from one open state to another: a comment, "by appointment"
            change_ms = round(change.timestamp() * 1000)
            if not self.is_open(change_ms):
                return change_ms
            change = self._osm.next_change(change)
        return None


@lru_cache(maxsize=1024)
def holidays_of(country: str) -> str | None:
    """The code under which the library keeps the public holidays of a country (ISO 3166); None of those it lacks."""
    code = _KEEP_DAYS_OF.get(country, country)
    try:
        OsmHours("24/7", country=code)
    except UnknownCountryError:
        return None
    return code


def opening_hours(source: str, zone: ZoneInfo, country: str | None = None, place: LatLng | None = None) -> Hours:
    """The compiled expression. ``country`` (ISO 3166) tells which days are holidays, where they are known.

    ``place`` tells when the sun rises and sets, to a minute; without one that is at 7 and at 19 o'clock. Raises
    ValueError, with the column, for an expression outside the grammar.
    """
    sun_at = (round(place.lat, 1), round(place.lng, 1)) if place is not None and _SUN.search(source) else None
    return _compiled(source, zone, country, sun_at)


@lru_cache(maxsize=8192)
def _compiled(source: str, zone: ZoneInfo, country: str | None, place: tuple[float, float] | None) -> Hours:
    try:
        osm = OsmHours(
            source,
            timezone=zone,
            country=country and holidays_of(country),
            coords=place,
            auto_country=False,
            auto_timezone=place is not None,  # the library follows the sun only then; the zone stays the one given
            max_interval_days=HORIZON_DAYS,
        )
    except Exception as error:  # noqa: BLE001 - the library's ParserError is not exported
        raise ValueError(_first_fault(str(error))) from None
    return Hours(osm, source, zone)


def _first_fault(text: str) -> str:
    """The library's drawing of a syntax error as one sentence."""
    lines = [line.strip() for line in text.splitlines()]
    place = next((line.removeprefix("-->").strip() for line in lines if "-->" in line), "")
    column = place.rpartition(":")[2]
    expected = next((line for line in lines if "expected" in line), "").lstrip("= ")
    return f"not OpenStreetMap opening hours: column {column or '?'}: {expected or text.strip()}"


class Exceptions(msgspec.Struct, frozen=True):
    """Dates on which other hours hold; spans are minutes of that day."""

    days: dict[date, WeeklyWindows | None]

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str]]) -> Exceptions:
        """From (ISO date, "closed" or "10:00-13:00,14:00-16:00"). Raises ValueError."""
        days: dict[date, WeeklyWindows | None] = {}
        for text, hours in entries:
            day = date.fromisoformat(text)
            if hours == "closed":
                days[day] = None
                continue
            name = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day.weekday()]
            spans = [part.split("-") for part in hours.split(",")]
            if any(end <= start or end > "24:00" for start, end in spans):
                raise ValueError("hours of one date run forward within it, like 10:00-18:00")
            days[day] = WeeklyWindows.of([([name], start, end) for start, end in spans])
        return cls(days)

    def on(self, wall: datetime) -> bool | None:
        """Open or closed by an exception of that date, or None where there is none."""
        day = wall.date()
        if day not in self.days:
            return None
        windows = self.days[day]
        return windows is not None and windows.holds(minute_of_week(wall))
