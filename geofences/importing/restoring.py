"""Geofences back from the documents they were stored as: no checks, many at once, and lean in memory.

Every document here passed ``parse_feature`` before it was stored, cut at the antimeridian where that was needed, so
its coordinates go straight into arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import shapely

from geofences.geodesy import M_PER_DEG
from geofences.model import Circle, Geofence, LatLng, Shape


class Properties(Mapping[str, Any]):
    """A feature's properties, kept as the JSON they came as: a third of a dict's memory, decoded when asked.

    A rule looks at the properties of the one store it is about to push for; a catalog holds all stores.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        """``raw`` is a JSON object."""
        self._raw = raw

    def _decoded(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self._raw)
        return decoded

    def __getitem__(self, name: str) -> Any:
        return self._decoded()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._decoded()

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def __repr__(self) -> str:
        return f"Properties({self._decoded()!r})"


class _Geometry(msgspec.Struct):
    type: str
    coordinates: msgspec.Raw


class _Feature(msgspec.Struct):
    id: str | int
    geometry: _Geometry
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _Known(msgspec.Struct):
    """The properties that a geofence is made of."""

    tags: list[str] | None = None
    radius_m: float | None = None
    radius: Any = None
    priority: float | None = None


_feature = msgspec.json.Decoder(_Feature).decode
_known = msgspec.json.Decoder(_Known | None).decode
_position = msgspec.json.Decoder(list[float]).decode
_polygon = msgspec.json.Decoder(list[list[tuple[float, float]]]).decode
_multipolygon = msgspec.json.Decoder(list[list[list[tuple[float, float]]]]).decode


_NO_TAGS: frozenset[str] = frozenset()
"""Shared: an empty set of its own would be 216 bytes for every store."""

_BLOCK = 4096
"""Documents restored together: what is only needed on the way is freed before it can scatter the heap."""


def restore_features(stored: Sequence[tuple[bytes, int]]) -> list[Geofence]:
    """The geofences of (document, version) pairs, in their order. msgspec.DecodeError for what is no geofence."""
    restored: list[Geofence] = []
    for begin in range(0, len(stored), _BLOCK):
        restored += _restore_block(stored[begin : begin + _BLOCK])
    return restored


def _restore_block(stored: Sequence[tuple[bytes, int]]) -> list[Geofence]:
    features = [_feature(body) for body, _ in stored]
    known = [_known(feature.properties) or _Known() for feature in features]
    polygons, radii_m = _polygons([(f.geometry.type, f.geometry.coordinates) for f in features])
    restored = []
    for at, (feature, extra, (_, version)) in enumerate(zip(features, known, stored, strict=True)):
        shape: Shape
        if feature.geometry.type == "Point":
            shape = _circle(feature, extra)
            radius_m = shape.radius_m
        else:
            shape, radius_m = polygons[at], radii_m[at]
        raw = bytes(feature.properties)
        properties = {} if raw in (b"{}", b"null") else Properties(raw)
        id_ = feature.id if isinstance(feature.id, str) else str(feature.id)
        tags = frozenset(extra.tags) if extra.tags else _NO_TAGS
        restored.append(Geofence(id_, shape, version, properties, tags, radius_m, extra.priority or 0.0))
    return restored


def _circle(feature: _Feature, known: _Known) -> Circle:
    lng, lat = _position(feature.geometry.coordinates)[:2]
    return Circle(LatLng(lat, lng), float(known.radius if known.radius_m is None else known.radius_m))


def _polygons(geometries: Sequence[tuple[str, msgspec.Raw]]) -> tuple[list[Any], list[float]]:
    """Polygons and multipolygons (None for a point), and the radius of the circle of equal area of each."""
    positions: list[tuple[float, float]] = []
    of_ring: list[int] = []
    of_polygon: list[int] = []
    of_feature: list[int] = []
    for at, (kind, raw) in enumerate(geometries):
        for polygon in () if kind == "Point" else [_polygon(raw)] if kind == "Polygon" else _multipolygon(raw):
            for ring in polygon:
                of_ring += [len(of_polygon)] * len(ring)
                of_polygon.append(len(of_feature))
                positions += ring
            of_feature.append(at)
    shapes = np.full(len(geometries), None, dtype=object)
    if positions:
        rings: Any = shapely.linearrings(np.array(positions), indices=np.array(of_ring))
        parts: Any = shapely.polygons(rings, indices=np.array(of_polygon))
        owner, first, count = np.unique(np.array(of_feature), return_index=True, return_counts=True)
        shapes[owner] = parts[first]
        for at, begin, size in zip(owner[count > 1], first[count > 1], count[count > 1], strict=True):
            shapes[at] = shapely.multipolygons(parts[begin : begin + size])
    lat = np.nan_to_num(shapely.get_y(shapely.centroid(shapes)))
    area_m2 = np.nan_to_num(shapely.area(shapes)) * M_PER_DEG**2 * np.cos(np.radians(lat))
    return shapes.tolist(), np.sqrt(area_m2 / np.pi).tolist()
