"""Geofences in CSV as retail operations have them, brought to GeoJSON Features.

Four shapes are told apart by their header: ours (``id, lat, lng, radius_m`` or ``wkt``, and anything else as
properties), Radar's export (``externalId``, ``coordinates`` as JSON, ``metadata.*``), Google Business Profile (store
code, latitude and longitude, in any of its languages), and Traccar's (``area``, latitude first).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.importing.headers import google_columns
from gateway.importing.unreadable import Unreadable
from gateway.importing.wkt import geometry_of_wkt
from geofences.importing import FeatureError, Row
from geofences.model import LatLng

_LAT: Final = ("lat", "latitude", "y")
_LNG: Final = ("lng", "lon", "long", "longitude", "x")
_RADIUS: Final = ("radius_m", "radius")
_NAME: Final = ("name", "business name", "description")
_WKT: Final = ("wkt", "geometry", "geom", "the_geom")
_PLAIN: Final = {*_LAT, *_LNG, *_RADIUS, *_NAME, *_WKT, "tags", "tag", "coordinates", "area", "id"}
_RADAR_OWN: Final = {"description", "tag", "externalid", "type", "radius", "mode", "coordinates", "metadata"}
MAX_FIELD_BYTES: Final = 10_000_000
"""One field: the WKT of a country."""


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV's rows, which kind of export it is, and what its author should know of it as a whole."""

    format: str
    rows: Iterator[Row]
    notes: list[str]


def read_table(raw: bytes, *, lat_first: bool = False) -> Table:
    """Read the header and then, as they are asked for, the rows. Raises Unreadable."""
    csv.field_size_limit(MAX_FIELD_BYTES)
    text = _text(raw)
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first_line.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise Unreadable("invalid_csv", f"line 1 cannot be read: {error}") from None
    google = google_columns(header)
    names = [google.get(name, name) if google else name for name in header]
    kind = "google_business_csv" if google else "radar_csv" if "externalid" in map(str.lower, header) else "csv"
    if "area" in map(str.lower, header) and kind == "csv":
        kind = "traccar"
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable("invalid_csv", f"two columns have the name {twice[:60]!r}")
    notes = _empty_columns(text, delimiter, header) if google else []
    parse = _Parser(kind, names, has_decimal_comma=delimiter != ",", lat_first=lat_first)
    return Table(kind, _rows(reader, parse), notes)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Unreadable("not_unicode", f"line {line} is not UTF-8: save the file as CSV UTF-8") from None


def _empty_columns(text: str, delimiter: str, header: list[str]) -> list[str]:
    """Google reads an empty cell as "delete what is there"; here it is left out."""
    filled: set[str] = set()
    for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter):
        filled |= {name.strip() for name, cell in row.items() if isinstance(name, str) and cell and cell.strip()}
    empty = [name for name in header if name and name not in filled]
    return [f"columns without any value, left out here: {', '.join(empty)[:300]}"] if empty else []


def _rows(reader: Any, parse: _Parser) -> Iterator[Row]:
    """Every row with the line that it begins at; a row may go over several."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(FeatureError("invalid_row", f"the row cannot be read: {error}"), line)
            continue
        if any(cell.strip() for cell in cells):
            yield parse.row(line, [cell.strip() for cell in cells])


class _Parser:
    """Rows of one table to Features."""

    def __init__(self, kind: str, names: list[str], *, has_decimal_comma: bool, lat_first: bool) -> None:
        self._kind = kind
        self._names = names
        self._lower = [name.lower() for name in names]
        self._has_decimal_comma = has_decimal_comma
        self._lat_first = lat_first
        own = _PLAIN | _RADAR_OWN if kind == "radar_csv" else _PLAIN
        self._is_own = [name in own for name in self._lower]

    def row(self, line: int, cells: list[str]) -> Row:
        if len(cells) > len(self._names):
            detail = f"the row has {len(cells)} cells, the header {len(self._names)}; is a comma not quoted?"
            return Row(FeatureError("invalid_row", detail), line)
        row = dict(zip(self._lower, cells, strict=False))
        properties = self._properties(row, cells)
        try:
            geometry, radius_m, point = self._geometry(row)
            radius = _first(row, _RADIUS)
            radius_m = self._number(radius, "radius") if radius else radius_m
        except ValueError as error:
            return Row(FeatureError("invalid_row", str(error)), line)
        if radius_m is not None:
            properties["radius_m"] = radius_m
        doc: dict[str, Any] = {"type": "Feature", "geometry": geometry, "properties": properties}
        if id_ := row.get("id") or (row.get("externalid") if self._kind == "radar_csv" else None):
            doc["id"] = id_
        return Row(doc, line, point)

    def _properties(self, row: Mapping[str, str], cells: list[str]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        if name := _first(row, _NAME):
            properties["name"] = name
        tags = [tag.strip() for tag in (row.get("tags") or row.get("tag") or "").replace("|", ";").split(";")]
        if any(tags):
            properties["tags"] = [tag for tag in tags if tag]
        if self._kind == "radar_csv":
            properties |= _metadata(row.get("metadata", ""))
        for name, cell, is_own in zip(self._names, cells, self._is_own, strict=False):
            if cell and name and not is_own and (name.lower(), cell.lower()) != ("enabled", "true"):
                properties[name.removeprefix("metadata.")] = cell
        return properties

    def _geometry(self, row: Mapping[str, str]) -> tuple[dict[str, Any] | None, float | None, LatLng | None]:
        """The row's shape, its circle's radius, and the point beside an outline. Raises ValueError."""
        if self._kind == "traccar" and row.get("area"):
            return *geometry_of_wkt(row["area"], lat_first=True), None
        if text := _first(row, _WKT):
            return *geometry_of_wkt(text, lat_first=self._lat_first), self._point(row)
        if row.get("coordinates"):
            return self._coordinates(row["coordinates"]), None, None
        point = self._point(row)
        if point is None:
            return None, None, None
        return {"type": "Point", "coordinates": [point.lng, point.lat]}, None, None

    def _coordinates(self, text: str) -> dict[str, Any]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("coordinates is not JSON like [24.94, 60.17]") from None
        if self._lat_first:
            found = _turned(found)
        is_point = isinstance(found, list) and bool(found) and isinstance(found[0], int | float)
        return {"type": "Point" if is_point else "Polygon", "coordinates": found if is_point else [found]}

    def _point(self, row: Mapping[str, str]) -> LatLng | None:
        lat, lng = _first(row, _LAT), _first(row, _LNG)
        if not lat or not lng:
            return None
        return LatLng(self._number(lat, "lat"), self._number(lng, "lng"))

    def _number(self, text: str, name: str) -> float:
        try:
            number = float(text.replace(",", ".") if self._has_decimal_comma else text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{name} {text[:20]!r} must be a number with a decimal point")
        return number


def _metadata(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _turned(raw: Any) -> Any:
    if isinstance(raw, list) and len(raw) >= 2 and isinstance(raw[0], int | float):
        return [raw[1], raw[0], *raw[2:]]
    return [_turned(part) for part in raw] if isinstance(raw, list) else raw


def _first(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((row[name] for name in names if row.get(name)), "")
