"""Layers of a Mapbox Vector Tile (version 2.1 of its specification) from geometries in the tile's own units.

A tile is the concatenation of its layers. Everything is worked out for a whole layer at once: the geometry's commands
as one array of integers, their varints as one array of bytes, cut at the features' ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

EXTENT: Final = 4096
"""Units along a tile's side; y grows downwards."""

_POINT, _POLYGON = 1, 3
_MOVE_TO_ONE, _LINE_TO, _CLOSE_PATH = 1 | 1 << 3, 2, 7 | 1 << 3


def points_layer(name: str, places: NDArray[np.int64], properties: Sequence[Mapping[str, str | int]]) -> bytes:
    """A layer of points: ``places`` has a row (x, y) for each; ``properties`` are texts and counts."""
    commands = np.column_stack([np.full(len(places), _MOVE_TO_ONE), _zigzag(places)]).astype(np.uint32)
    geometries = _cut(commands.ravel(), np.full(len(places), commands.shape[1]))
    return _layer(name, _POINT, geometries, properties)


def areas_layer(name: str, areas: NDArray[Any], properties: Sequence[Mapping[str, str | int]]) -> bytes:
    """A layer of polygons and multipolygons: valid, not empty, with whole coordinates."""
    parts, feature_of_part = shapely.get_parts(shapely.orient_polygons(areas), return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    corners, ring_of_corner = shapely.get_coordinates(rings, return_index=True)
    is_kept = np.append(ring_of_corner[1:] == ring_of_corner[:-1], False)  # a path is closed by a command
    corners, ring_of_corner = corners[is_kept].astype(np.int64), ring_of_corner[is_kept]
    feature_of_ring = feature_of_part[part_of_ring]
    feature_of_corner = feature_of_ring[ring_of_corner]

    steps = np.diff(corners, axis=0, prepend=0)
    begins_feature = np.append(True, feature_of_corner[1:] != feature_of_corner[:-1])
    steps[begins_feature] = corners[begins_feature]
    sizes = np.bincount(ring_of_corner, minlength=len(rings))
    ends = 2 * np.cumsum(sizes)
    starts = ends - 2 * sizes
    commands = np.insert(
        _zigzag(steps).ravel(),
        np.concatenate([ends, starts, starts + 2]),  # where one ring ends, before the next begins
        np.concatenate(
            [np.full(len(rings), _CLOSE_PATH), np.full(len(rings), _MOVE_TO_ONE), (sizes - 1) << 3 | _LINE_TO]
        ),
    ).astype(np.uint32)
    counts = np.bincount(feature_of_ring, weights=2 * sizes + 3, minlength=len(areas)).astype(np.int64)
    return _layer(name, _POLYGON, _cut(commands, counts), properties)


def _layer(name: str, kind: int, geometries: Iterable[bytes], properties: Sequence[Mapping[str, str | int]]) -> bytes:
    keys: dict[str, int] = {}
    values: dict[str | int, int] = {}
    features = bytearray()
    for geometry, facts in zip(geometries, properties, strict=True):
        tags = b"".join(
            _varint(keys.setdefault(key, len(keys))) + _varint(values.setdefault(value, len(values)))
            for key, value in facts.items()
        )
        features += _field(2, _field(2, tags) + _number(3, kind) + _field(4, geometry))
    words = b"".join(_field(3, key.encode()) for key in keys)
    words += b"".join(_field(4, _value(value)) for value in values)
    return _field(3, _number(15, 2) + _field(1, name.encode()) + bytes(features) + words + _number(5, EXTENT))


def _value(value: str | int) -> bytes:
    return _number(5, value) if isinstance(value, int) else _field(1, value.encode())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _zigzag(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values << 1 ^ values >> 63


def _cut(values: NDArray[np.uint32], counts: NDArray[np.int64]) -> list[bytes]:
    """The varints of ``values``, cut into pieces of ``counts`` values each."""
    shifts = np.arange(0, 35, 7, dtype=np.uint64)
    digits = values.astype(np.uint64)[:, None] >> shifts
    is_written = digits > 0
    is_written[:, 0] = True
    has_more = np.zeros_like(is_written)
    has_more[:, :-1] = is_written[:, 1:]
    octets = (digits & 0x7F | has_more.astype(np.uint64) << 7).astype(np.uint8)
    encoded = octets[is_written].tobytes()
    ends = np.append(0, np.cumsum(is_written.sum(axis=1)))[np.append(0, np.cumsum(counts))].tolist()
    return [encoded[start:end] for start, end in itertools.pairwise(ends)]
