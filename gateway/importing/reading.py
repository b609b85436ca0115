"""A file of any format to rows: sniffed, decoded, with ids and radii filled in from where each format keeps them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from gateway.importing.kml import kml_of_kmz, rows_of_kml
from gateway.importing.projections import named_crs, projection_of, unprojected
from gateway.importing.sniffing import format_of
from gateway.importing.tables import read_table
from gateway.importing.trackers import rows_of_owntracks, rows_of_traccar, rows_of_wialon
from gateway.importing.unreadable import Unreadable
from geofences.importing import FeatureError, Limits, Row
from geofences.importing.repairs import turned

IDS: Final = (
    "id", "external_id", "externalId", "store_code", "store_id", "ref", "code", "gml_id", "osm_id", "@id",
)  # fmt: skip
"""Properties that name a store, in the order in which they are believed."""
_NAMED: Final = frozenset({"kml", "kmz", "shapefile", "geopackage", "flatgeobuf"})
"""Formats that often have no other id than the name."""
_TRACKERS: Final = {"owntracks": rows_of_owntracks, "traccar": rows_of_traccar, "wialon": rows_of_wialon}


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the author of the file says of it."""

    radius_m: float | None = None
    id_property: str | None = None
    crs: str | None = None
    layer: str | None = None
    lat_first: bool = False


@dataclass(slots=True)
class Source:
    """A file that is being read."""

    format: str
    rows: Iterator[Row]
    crs: str = ""
    notes: list[str] = field(default_factory=list)


def read(raw: bytes, content_type: str, choices: Choices, limits: Limits) -> Source:
    """The file's rows, read as they are asked for. Raises Unreadable, also while they are."""
    source = _read(raw, format_of(raw, content_type), choices, limits)
    source.rows = (_completed(row, source.format, choices) for row in source.rows)
    return source


def _read(raw: bytes, format_: str, choices: Choices, limits: Limits) -> Source:
    if format_ in {"shapefile", "geopackage", "flatgeobuf"}:
        from gateway.importing.layers import read_layer

        layer = read_layer(raw, format_, limits, layer=choices.layer, crs=choices.crs)
        source = Source(format_, layer.rows, layer.crs)
    elif format_ in {"kml", "kmz"}:
        return Source(format_, rows_of_kml(kml_of_kmz(raw, limits.max_bytes) if format_ == "kmz" else raw))
    elif format_ in _TRACKERS:
        return Source(format_, _TRACKERS[format_](raw))
    elif format_ == "csv":
        table = read_table(raw, lat_first=choices.lat_first)
        source = _projected(Source(table.format, table.rows, notes=table.notes), choices.crs)
    elif format_ == "geojson_lines":
        source = _projected(Source(format_, _turned(_lines(raw), choices)), choices.crs)
    else:
        rows, crs = _collection(raw)
        source = _projected(Source(format_, _turned(rows, choices)), choices.crs or crs)
    if source.crs and not source.crs.endswith((":4326", ":CRS84", ":4979")):
        source.notes.append(f"reprojected from {source.crs}")
    elif not source.crs and format_ not in {"csv", "geojson", "geojson_lines"}:
        source.notes.append("the file names no coordinate system; its numbers are read as degrees of WGS 84")
    return source


def _collection(raw: bytes) -> tuple[Iterator[Row], str | None]:
    """A FeatureCollection's features, decoded one by one, and the ``crs`` that it names."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        kind = msgspec.json.decode(members.get("type", msgspec.Raw(b"null")))
        crs = named_crs(msgspec.json.decode(members.get("crs", msgspec.Raw(b"null"))))
        if kind == "Feature":
            return iter([Row(msgspec.json.decode(raw))]), crs
        features = msgspec.json.decode(members.get("features", msgspec.Raw(b"null")), type=list[msgspec.Raw] | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("invalid_json", f"neither GeoJSON nor any JSON known here: {error}") from None
    if kind != "FeatureCollection" or features is None:
        detail = "expected a FeatureCollection with an array of features, or a Feature"
        raise Unreadable("not_a_feature_collection", detail)
    return (Row(_decoded(bytes(feature))) for feature in features), crs


def _lines(raw: bytes) -> Iterator[Row]:
    start, number = 0, 0
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    while start < len(raw):
        end = raw.find(b"\n", start)
        end = len(raw) if end < 0 else end
        number += 1
        if line := raw[start:end].strip(b"\x1e \t\r"):
            yield Row(_decoded(line), number)
        start = end + 1


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return FeatureError("invalid_json", f"not JSON: {error}")


def _projected(source: Source, crs: str | None) -> Source:
    """The source with its rows brought to WGS 84, where it has another system."""
    if crs is None:
        return source
    source.crs, unproject = projection_of(crs)
    if unproject is not None:
        source.rows = _changed(source.rows, lambda geometry: unprojected(geometry, unproject))
    return source


def _turned(rows: Iterator[Row], choices: Choices) -> Iterator[Row]:
    if not choices.lat_first:
        return rows
    return _changed(rows, lambda geometry: geometry | {"coordinates": turned(geometry["coordinates"])})


def _changed(rows: Iterator[Row], change: Any) -> Iterator[Row]:
    """Rows with another geometry; one that cannot be changed stays, and is refused for what it is."""
    for row in rows:
        geometry = row.doc.get("geometry") if isinstance(row.doc, dict) else None
        changed = geometry
        if isinstance(geometry, dict):
            with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
                changed = change(geometry)
        yield row if changed is geometry else row._replace(doc=row.doc | {"geometry": changed})


def _completed(row: Row, format_: str, choices: Choices) -> Row:
    """The row with an id and, for a point, a radius, if it has them anywhere."""
    doc = row.doc
    if not isinstance(doc, dict) or doc.get("type") != "Feature":
        return row
    properties = doc.get("properties")
    properties = {} if properties is None else properties
    if not isinstance(properties, dict):
        return row
    changed: dict[str, Any] = {}
    if choices.id_property is not None or doc.get("id") is None or doc["id"] == "":
        found = _id(properties, format_, choices.id_property)
        if found is None:
            return row._replace(doc=_missing_id(properties, choices.id_property))
        changed["id"] = found
    geometry = doc.get("geometry")
    is_point = isinstance(geometry, dict) and geometry.get("type") == "Point"
    if is_point and properties.get("radius_m", properties.get("radius")) is None and choices.radius_m is not None:
        changed["properties"] = properties | {"radius_m": choices.radius_m}
    elif is_point and isinstance(radius := properties.get("radius_m", properties.get("radius")), str):
        changed["properties"] = properties | {"radius_m": _number(radius)}
    if unknown := doc.keys() - {"type", "id", "geometry", "properties", "bbox"}:
        # a file may carry more than a document that is put by hand: members that RFC 7946 calls foreign
        doc = {name: value for name, value in doc.items() if name not in unknown}
    return row._replace(doc=doc | changed) if changed or unknown else row


def _id(properties: dict[str, Any], format_: str, wanted: str | None) -> str | int | None:
    names: Sequence[str] = (wanted,) if wanted is not None else (*IDS, "name") if format_ in _NAMED else IDS
    lower = {name.lower(): value for name, value in properties.items()}
    for name in names:
        value = properties.get(name, lower.get(name.lower()))
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return value
    return None


def _missing_id(properties: dict[str, Any], wanted: str | None) -> FeatureError:
    names = ", ".join(list(properties)[:12])[:200] or "none"
    if wanted is not None:
        return FeatureError("missing_id", f"the feature has no {wanted!r}; its properties are: {names}", "/id")
    detail = f"no id; name the property that is one with ?id_property=…; its properties are: {names}"
    return FeatureError("missing_id", detail, "/id")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
