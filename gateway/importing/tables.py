"""Geofences in CSV as retail operations have them, brought to GeoJSON Features. Pure.

Three shapes are told apart by their header: ours (``id, lat, lng, radius_m`` or ``wkt``, and anything else as
properties), Radar's export (``externalId``, ``coordinates`` as JSON, ``metadata.*``), and Google Business Profile
(``Store code``, latitude and longitude). A row without a radius gets the one that the import names.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import shapely
from shapely.errors import ShapelyError

from geofences.importing import FeatureError

_LAT = ("lat", "latitude")
_LNG = ("lng", "lon", "longitude")
_RADIUS = ("radius_m", "radius")
_ID = ("id", "externalid", "external_id", "store code", "store_code", "ref")
_NAME = ("name", "business name", "description")
_RADAR_OWN = {"description", "tag", "externalid", "type", "radius", "mode", "coordinates", "enabled", "metadata"}
MAX_FIELD_BYTES = 10_000_000
"""One field: the WKT of a country."""

Row = Mapping[str, str]


def features_of_csv(raw: bytes, radius_m: float | None) -> Iterator[tuple[int, dict[str, Any] | FeatureError]]:
    """Line number (from 1, the header being the first) and Feature, or what is wrong with the row."""
    csv.field_size_limit(MAX_FIELD_BYTES)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield 1, FeatureError("not_unicode", f"the file is not UTF-8: byte {error.start}; save it as UTF-8")
        return
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = [name.strip().lower() for name in next(reader, [])]
    for cells in reader:
        if any(cells):
            yield reader.line_num, _feature(dict(zip(header, (cell.strip() for cell in cells), strict=False)), radius_m)


def _feature(row: Row, radius_m: float | None) -> dict[str, Any] | FeatureError:
    properties: dict[str, Any] = {}
    if name := _first(row, _NAME):
        properties["name"] = name
    tags = [tag for tag in (row.get("tags") or row.get("tag") or "").replace("|", ";").split(";") if tag]
    if tags:
        properties["tags"] = tags
    try:
        geometry = _geometry(row)
        if geometry["type"] == "Point":
            radius = _first(row, _RADIUS)
            properties["radius_m"] = float(radius) if radius else radius_m
    except (ValueError, TypeError, ShapelyError) as error:
        return FeatureError("invalid_row", str(error))
    for member, value in row.items():
        if value and member not in _own(row):
            properties[member.removeprefix("metadata.")] = value
    return {"type": "Feature", "id": _first(row, _ID), "geometry": geometry, "properties": properties}


def _geometry(row: Row) -> dict[str, Any]:
    """The row's shape. Raises ValueError that says what is missing or cannot be read."""
    if row.get("wkt"):
        try:
            shape = shapely.from_wkt(row["wkt"])
        except ShapelyError as error:
            raise ValueError(f"wkt cannot be read: {error}") from None
        found: dict[str, Any] = json.loads(shapely.to_geojson(shape))
        return found
    if row.get("coordinates"):
        try:
            coordinates = json.loads(row["coordinates"])
        except ValueError:
            raise ValueError("coordinates is not JSON like [24.94, 60.17]") from None
        is_point = isinstance(coordinates, list) and coordinates and isinstance(coordinates[0], int | float)
        return {"type": "Point" if is_point else "Polygon", "coordinates": coordinates if is_point else [coordinates]}
    lat, lng = _first(row, _LAT), _first(row, _LNG)
    if not lat or not lng:
        raise ValueError("the row has no place; give lat and lng, wkt, or coordinates")
    try:
        return {"type": "Point", "coordinates": [float(lng), float(lat)]}
    except ValueError:
        raise ValueError(f"lat {lat[:20]!r} and lng {lng[:20]!r} must be numbers with a decimal point") from None


def _own(row: Row) -> set[str]:
    """Columns that are not properties."""
    own = {*_LAT, *_LNG, *_RADIUS, *_ID, *_NAME, "tags", "tag", "wkt", "coordinates"}
    return own | _RADAR_OWN if "externalid" in row else own


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((row[name] for name in names if row.get(name)), "")
