"""What a place tells: its time zone, and by that its country.

Zones are drawn along borders, and the tz database names one country for each of the zones that tzfpy knows: that spares
a second map of the world (100 MB of memory, 0.2 s to load). Within some kilometres of a border either map may err.

Source: the tz database's ``zone.tab``, as the tzdata package brings it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import tzfpy

from rules.schedule import zone_named

CELLS_PER_DEG: Final = 1000


def zone_at(lat: float, lng: float) -> ZoneInfo:
    """The time zone of a place; UTC at sea. 15 microseconds; near borders 80."""
    return zone_named(tzfpy.get_tz(lng, lat) or "UTC")


def zone_around(lat: float, lng: float) -> ZoneInfo:
    """The time zone of a fix: that of the middle of its cell of 0.001 degrees, which is at most 80 m away.

    A phone knows its place hardly better, and tzfpy's borders are simplified themselves. Where many polygons have to be
    tried an exact answer takes some 80 microseconds, and shoppers come to the same few doors.
    """
    return _zone_of_cell(round(lat * CELLS_PER_DEG), round(lng * CELLS_PER_DEG))


def country_at(lat: float, lng: float) -> str | None:
    """The country of a place (ISO 3166), or None at sea."""
    return _countries().get(tzfpy.get_tz(lng, lat))


@lru_cache(maxsize=16_384)
def _zone_of_cell(row: int, column: int) -> ZoneInfo:
    return zone_at(row / CELLS_PER_DEG, column / CELLS_PER_DEG)


@cache
def _countries() -> Mapping[str, str]:
    """Country by zone. A line is the country, coordinates, the zone, and perhaps a comment, by tabs."""
    lines = files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {zone: country for country, _, zone, *_ in rows}
