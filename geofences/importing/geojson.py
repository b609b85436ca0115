"""GeoJSON (RFC 7946) to geofences: one feature, a FeatureCollection, or a feature a line.

A geofence is a Polygon, a MultiPolygon, or a Point whose ``properties.radius_m`` (or ``radius``) is in metres.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec
import shapely
from shapely import Point

from geofences.geodesy import M_PER_DEG
from geofences.importing.limits import DEFAULT_LIMITS, FeatureError, Limits, Refused
from geofences.importing.rings import count_vertices, read_polygon, read_position, shape_of
from geofences.importing.strays import strays
from geofences.model import Circle, Geofence, LatLng, Shape

_MEMBERS = {"type", "id", "geometry", "properties", "bbox"}
_COORDINATES = "/geometry/coordinates"
_WIDE = {int, list, dict}
"""Types that can hold an integer of any size."""
_LINE_TYPES = ("ndjson", "geojsonl", "geo+json-seq", "jsonlines", "x-jsonl", "jsonl")
STRAY = FeatureError(
    "swapped_axes",
    "far from the other features, but among them with its axes swapped; GeoJSON puts longitude first",
    _COORDINATES,
)

S = TypeVar("S", bound=Shape)
Parsed = tuple[int, Geofence | FeatureError]


class UnreadableCollection(ValueError):
    """The file as a whole cannot be read; ``error`` says why."""

    def __init__(self, error: FeatureError) -> None:
        """``error`` as for a feature, its pointer from the document's root."""
        super().__init__(error.detail)
        self.error = error


def parse_feature(
    doc: object, limits: Limits = DEFAULT_LIMITS, geofence_id: str | None = None
) -> Geofence | FeatureError:
    """Read one GeoJSON Feature. ``geofence_id``, if given, is the id; a different one in the feature is an error."""
    try:
        return _parse(doc, limits, geofence_id)
    except Refused as refused:
        return refused.error


def parse_collection(
    raw: bytes, content_type: str = "application/geo+json", limits: Limits = DEFAULT_LIMITS
) -> list[Parsed]:
    """Read every feature of a file: (index, geofence or error), in the file's order.

    The content type tells newline-delimited features from one FeatureCollection (or a single Feature).
    UnreadableCollection if the file is not that at all.
    """
    if len(raw) > limits.max_bytes:
        raise UnreadableCollection(FeatureError("too_large", f"the file is larger than {limits.max_bytes} bytes"))
    is_lines = any(word in content_type.lower() for word in _LINE_TYPES)
    results: list[Parsed] = []
    first_index: dict[str, int] = {}
    for index, (line, doc) in enumerate(_lines(raw) if is_lines else _members(raw)):
        if index >= limits.max_features:
            detail = f"the file has more than {limits.max_features} features"
            raise UnreadableCollection(FeatureError("too_many_features", detail))
        result = doc if isinstance(doc, FeatureError) else parse_feature(doc, limits)
        if isinstance(result, Geofence):
            earlier = first_index.setdefault(result.id, index)
            if earlier != index:
                result = FeatureError("duplicate_id", f"feature {earlier} already has the id {result.id!r}", "/id")
        if isinstance(result, FeatureError) and line is not None:
            result = msgspec.structs.replace(result, line=line)
        results.append((index, result))
    return _without_strays(results)


def _members(raw: bytes) -> Iterator[tuple[int | None, object]]:
    doc = _decode(raw)
    if isinstance(doc, FeatureError):
        raise UnreadableCollection(doc)
    kind = doc.get("type") if isinstance(doc, dict) else None
    if kind == "Feature":
        yield None, doc
        return
    features = doc.get("features") if isinstance(doc, dict) else None
    if kind != "FeatureCollection" or not isinstance(features, list):
        detail = "expected a FeatureCollection with an array of features, or a Feature"
        raise UnreadableCollection(FeatureError("not_a_feature_collection", detail, "/type"))
    for feature in features:
        yield None, feature


def _lines(raw: bytes) -> Iterator[tuple[int | None, object]]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        text = line.strip(b"\x1e \t\r")
        if text:
            yield number, _decode(text)


def _decode(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return FeatureError("invalid_json", f"not JSON: {error}")


def _parse(doc: object, limits: Limits, geofence_id: str | None) -> Geofence:
    if not isinstance(doc, Mapping) or doc.get("type") != "Feature":
        raise Refused("not_a_feature", 'expected an object with "type": "Feature"', "/type")
    for member in doc:
        if member not in _MEMBERS:
            raise Refused(
                "unknown_field", f"a Feature has no member {member!r}; put it in properties", _pointer(str(member))
            )
    properties = doc.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, Mapping):
        raise Refused("invalid_properties", "properties is an object or null", "/properties")
    _refuse_huge_integers(properties)
    shape = _shape(doc.get("geometry"), properties, limits)
    return Geofence(
        id=_id(doc.get("id"), limits, geofence_id),
        shape=shape,
        properties=properties,
        tags=_tags(properties.get("tags")),
        area_radius_m=_area_radius_m(shape, limits),
        priority=_priority(properties.get("priority")),
    )


def _refuse_huge_integers(properties: Mapping[str, object]) -> None:
    """Raise Refused for an integer of more than 64 bits, which is JSON and which no store can hold."""
    left: list[tuple[object, str]] = [(properties, "/properties")]
    while left:
        value, pointer = left.pop()
        if isinstance(value, Mapping):
            left += [(member, pointer + _pointer(str(name))) for name, member in value.items() if type(member) in _WIDE]
        elif isinstance(value, list):
            left += [(member, f"{pointer}/{place}") for place, member in enumerate(value) if type(member) in _WIDE]
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise Refused("out_of_range", "an integer has at most 64 bits; write it as text", pointer)


def _pointer(member: str) -> str:
    return "/" + member.replace("~", "~0").replace("/", "~1")


def _id(raw: object, limits: Limits, wanted: str | None) -> str:
    if raw is None and wanted is not None:
        raw = wanted
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or not raw:
        raise Refused("missing_id", "every feature needs an id: a non-empty string or an integer", "/id")
    if wanted is not None and raw != wanted:
        raise Refused("other_id", f"the feature's id is {raw!r}, the address says {wanted!r}", "/id")
    if len(raw) > limits.max_id_chars:
        raise Refused("id_too_long", f"an id has at most {limits.max_id_chars} characters", "/id")
    if not raw.isprintable():
        raise Refused("invalid_id", "an id has no control characters", "/id")
    return raw


def _tags(raw: object) -> frozenset[str]:
    if raw is None:
        return frozenset()
    if not isinstance(raw, list) or not all(isinstance(tag, str) for tag in raw):
        raise Refused("invalid_tags", "tags is an array of strings", "/properties/tags")
    return frozenset(raw)


def _priority(raw: object) -> float:
    if raw is None:
        return 0.0
    if not isinstance(raw, int | float) or isinstance(raw, bool) or not math.isfinite(raw):
        raise Refused("invalid_priority", "a priority is a finite number", "/properties/priority")
    return float(raw)


def _shape(geometry: object, properties: Mapping[str, object], limits: Limits) -> Shape:
    if geometry is None:
        raise Refused(
            "missing_geometry", "needs coordinates: give the feature a Polygon, MultiPolygon or Point", "/geometry"
        )
    if not isinstance(geometry, Mapping):
        raise Refused("invalid_geometry", "geometry is an object", "/geometry")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Point", "Polygon", "MultiPolygon"):
        detail = f"a geofence is a Polygon, a MultiPolygon or a Point with radius_m, not {kind!r}"
        raise Refused("unsupported_geometry", detail, "/geometry/type")
    if count_vertices(coordinates, limits.max_vertices) > limits.max_vertices:
        detail = f"more than {limits.max_vertices} vertices; simplify the shape"
        raise Refused("too_many_vertices", detail, _COORDINATES)
    if kind == "Point":
        return _circle(coordinates, properties, limits)
    if kind == "Polygon":
        return _within(shape_of([read_polygon(coordinates, _COORDINATES)], _COORDINATES), limits)
    if not isinstance(coordinates, list | tuple) or not coordinates:
        raise Refused("invalid_polygon", "a MultiPolygon is a non-empty array of polygons", _COORDINATES)
    parts = [read_polygon(part, f"{_COORDINATES}/{i}") for i, part in enumerate(coordinates)]
    return _within(shape_of(parts, _COORDINATES), limits)


def _circle(coordinates: object, properties: Mapping[str, object], limits: Limits) -> Circle:
    lng, lat = read_position(coordinates, _COORDINATES)
    member = "radius_m" if "radius_m" in properties else "radius"
    radius_m = properties.get(member)
    if radius_m is None:
        raise Refused(
            "missing_radius", "a Point is a geofence with properties.radius_m, in metres", "/properties/radius_m"
        )
    pointer = f"/properties/{member}"
    if not isinstance(radius_m, int | float) or isinstance(radius_m, bool) or not math.isfinite(radius_m):
        raise Refused("invalid_radius", "a radius is a number of metres", pointer)
    if not 0 < radius_m <= limits.max_radius_m:
        raise Refused("invalid_radius", f"a radius is above 0 and at most {limits.max_radius_m:g} m", pointer)
    return _within(Circle(LatLng(lat, lng), float(radius_m)), limits)


def middle_of(shape: Shape) -> LatLng:
    """A circle's centre, or the centroid."""
    if isinstance(shape, Circle):
        return shape.center
    middle = shape.centroid
    return LatLng(middle.y, middle.x)


def _within(shape: S, limits: Limits) -> S:
    if limits.region is None:
        return shape
    region, middle = shapely.box(*limits.region), middle_of(shape)
    if region.covers(Point(middle.lng, middle.lat)):
        return shape
    if region.covers(Point(middle.lat, middle.lng)):
        detail = "outside the region, but inside with its axes swapped; GeoJSON puts longitude first"
        raise Refused("swapped_axes", detail, _COORDINATES)
    raise Refused("outside_region", "outside the region that all features must lie in", _COORDINATES)


def _area_radius_m(shape: Shape, limits: Limits) -> float:
    if isinstance(shape, Circle):
        return shape.radius_m
    area_m2 = shape.area * M_PER_DEG**2 * math.cos(math.radians(middle_of(shape).lat))
    if area_m2 > limits.max_area_km2 * 1e6:
        detail = f"{area_m2 / 1e6:,.0f} km² is over the limit of {limits.max_area_km2:,.0f} km²"
        raise Refused("area_too_large", detail, _COORDINATES)
    return math.sqrt(area_m2 / math.pi)


def _without_strays(results: list[Parsed]) -> list[Parsed]:
    """Turn features that only fit their file with swapped axes into errors."""
    places = {index: middle_of(result.shape) for index, result in results if isinstance(result, Geofence)}
    astray = strays(places)
    return [(index, STRAY if index in astray else result) for index, result in results]
