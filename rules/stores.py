"""What a rule may know of a store: its place, its zone, its hours. Worked out once per version of a geofence.

Recognised members of a geofence's properties: ``time_zone`` (IANA), ``country`` (ISO 3166), ``opening_hours``
(OpenStreetMap) and ``exceptions`` ([{"date": "2026-12-24", "hours": "10:00-13:00" or "closed"}]).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import tzfpy

from geofences.model import Circle, Geofence, LatLng
from rules.countries import country_of
from rules.hours import Exceptions, Hours, opening_hours
from rules.schedule import zone_named

CELLS_PER_DEG: Final = 1000


class Geofences(Protocol):
    """Anything that finds a geofence by id: a dict, or the engine's index."""

    def get(self, geofence_id: str, /) -> Geofence | None:
        """The geofence, or None."""
        ...


class Store:
    """A geofence as rules see it. ``hours`` is None where the store has none, or none that can be read."""

    __slots__ = ("exceptions", "geofence", "hours", "hours_fault", "point", "properties", "radius_m", "zone")

    def __init__(self, geofence: Geofence) -> None:
        """Looks up the zone (15 microseconds) and compiles the hours."""
        properties = geofence.properties
        self.geofence = geofence
        self.point = _point(geofence)
        self.zone = _zone(properties, self.point)
        self.radius_m = geofence.area_radius_m
        self.hours: Hours | None = None
        self.hours_fault = ""
        source = properties.get("opening_hours")
        if isinstance(source, str) and source:
            try:
                self.hours = opening_hours(source, self.zone, self.country(source))
            except ValueError as error:
                self.hours_fault = str(error)
        self.exceptions = _exceptions(properties)
        known = {name: value for name, value in properties.items() if value is not None}
        self.properties = {**known, "id": geofence.id, "tags": sorted(geofence.tags)}

    def country(self, hours: str) -> str | None:
        """Whose public holidays the store keeps, if ``hours`` name any: by its property, else by its place.

        Looking a place up costs as much as the expression, so it is left out where no holiday is named.
        """
        if "PH" not in hours and "SH" not in hours:
            return None
        return _country(self.geofence) or country_at(self.point)


def zone_at(lat: float, lng: float) -> ZoneInfo:
    """The time zone of a place; UTC at sea."""
    return zone_named(tzfpy.get_tz(lng, lat) or "UTC")


def country_at(point: LatLng) -> str | None:
    """The country of a place (ISO 3166), by its time zone; None at sea."""
    return country_of(tzfpy.get_tz(point.lng, point.lat))


def zone_around(lat: float, lng: float) -> ZoneInfo:
    """The time zone of a fix: that of the middle of its cell of 0.001 degrees, which is at most 80 m away.

    A phone knows its place hardly better, and tzfpy's borders are simplified themselves. Where many polygons have to be
    tried an exact answer takes some 80 microseconds, and shoppers come to the same few doors.
    """
    return _zone_of_cell(round(lat * CELLS_PER_DEG), round(lng * CELLS_PER_DEG))


@lru_cache(maxsize=16_384)
def _zone_of_cell(row: int, column: int) -> ZoneInfo:
    return zone_at(row / CELLS_PER_DEG, column / CELLS_PER_DEG)


def _country(geofence: Geofence) -> str | None:
    code = geofence.properties.get("country")
    return code.upper() if isinstance(code, str) and len(code) == 2 else None


def _point(geofence: Geofence) -> LatLng:
    if isinstance(geofence.shape, Circle):
        return geofence.shape.center
    point = geofence.shape.representative_point()
    return LatLng(point.y, point.x)


def _zone(properties: Mapping[str, object], point: LatLng) -> ZoneInfo:
    name = properties.get("time_zone")
    if isinstance(name, str):
        try:
            return zone_named(name)
        except ValueError:
            pass
    return zone_at(point.lat, point.lng)


def _exceptions(properties: Mapping[str, Any]) -> Exceptions | None:
    try:
        entries = [(entry["date"], entry["hours"]) for entry in properties.get("exceptions") or ()]
        return Exceptions.of(entries) if entries else None
    except (KeyError, TypeError, ValueError):
        return None
