"""What a rule may know of a store: its place, its zone, its hours. Worked out once per version of a geofence.

Recognised members of a geofence's properties: ``time_zone`` (IANA), ``country`` (ISO 3166), ``opening_hours``
(OpenStreetMap) and ``exceptions`` ([{"date": "2026-12-24", "hours": "10:00-13:00" or "closed"}]).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from geofences.model import Circle, Geofence, LatLng
from rules.hours import Exceptions, Hours, holidays_of, opening_hours
from rules.lint import Advice
from rules.places import country_at, zone_at
from rules.schedule import zone_named

_READ: Final = frozenset({"time_zone", "country", "opening_hours", "exceptions"})


class Geofences(Protocol):
    """Anything that finds a geofence by id: a dict, or the engine's index."""

    def get(self, geofence_id: str, /) -> Geofence | None:
        """The geofence, or None."""
        ...


class Store:
    """A geofence as rules see it. Open data is dirty: a member that cannot be read counts as absent, and is doubted.

    ``hours`` is None where the store has none, or none that can be read.
    """

    __slots__ = ("country", "doubts", "exceptions", "geofence", "hours", "point", "properties", "radius_m", "zone")

    def __init__(self, geofence: Geofence) -> None:
        """Looks up zone and country (15 microseconds each) and compiles the hours."""
        self.doubts: list[Advice] = []
        self.geofence = geofence
        self.point = _point(geofence)
        self.zone = self._zone(geofence.properties.get("time_zone"))
        self.country = self._country(geofence.properties.get("country"))
        self.radius_m = geofence.area_radius_m
        self.hours = self._hours(geofence.properties.get("opening_hours"))
        self.exceptions = self._exceptions(geofence.properties.get("exceptions"))
        known = {name: value for name, value in geofence.properties.items() if value is not None}
        self.properties: Mapping[str, Any] = {**known, "id": geofence.id, "tags": sorted(geofence.tags)}

    def _zone(self, name: object) -> ZoneInfo:
        if name is not None:
            try:
                return zone_named(str(name))
            except ValueError as error:
                self._doubt("time_zone", f"{error}. The place's own is used.")
        return zone_at(self.point.lat, self.point.lng)

    def _country(self, code: object) -> str | None:
        if isinstance(code, str) and len(code) == 2 and code.isascii():
            return code.upper()
        if code is not None:
            self._doubt("country", "It is no ISO 3166 code of two letters. The place's own is used.")
        return country_at(self.point.lat, self.point.lng)

    def _hours(self, source: object) -> Hours | None:
        if not source:
            return None
        try:
            hours = opening_hours(str(source), self.zone, self.country, self.point)
        except ValueError as error:
            self._doubt("opening_hours", f"{error}. The store counts as one without hours.")
            return None
        if "PH" in hours.source and (self.country is None or holidays_of(self.country) is None):
            where = self.country or "a place at sea"
            self._doubt("opening_hours", f"No public holidays are known of {where}; name the days in exceptions.")
        return hours

    def _exceptions(self, entries: Any) -> Exceptions | None:
        try:
            return Exceptions.of([(entry["date"], entry["hours"]) for entry in entries]) if entries else None
        except (AttributeError, KeyError, TypeError, ValueError):
            shape = '{"date": "2026-12-24", "hours": "10:00-13:00" or "closed"}'
            self._doubt("exceptions", f"They are no list of {shape}. None of them holds.")
            return None

    def _doubt(self, name: str, detail: str) -> None:
        self.doubts.append(Advice(f"/properties/{name}", name, detail))


def load_maps() -> None:
    """Let the libraries read what places tell, once in a process: 65 ms under the interpreter's lock, and 35 MB."""
    country_at(0.0, 0.0)
    holidays_of("FI")


def lint_store(geofence: Geofence) -> list[Advice]:
    """Every warning about a geofence that was accepted: what rules would read of it, and cannot."""
    return Store(geofence).doubts if _READ & geofence.properties.keys() else []


def _point(geofence: Geofence) -> LatLng:
    if isinstance(geofence.shape, Circle):
        return geofence.shape.center
    point = geofence.shape.representative_point()
    return LatLng(point.y, point.x)
