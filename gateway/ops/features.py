"""Geofences as the documents that are stored and shown, with what is computed once from each: its covering."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import shapely

from gateway.store.catalog import Change, Kind
from geofences.covering import cover_many
from geofences.model import Circle, Geofence


def feature_of(geofence: Geofence) -> bytes:
    """The geofence as a GeoJSON Feature (RFC 7946), as it may be put again."""
    shape = geofence.shape
    if isinstance(shape, Circle):
        geometry: object = {"type": "Point", "coordinates": [shape.center.lng, shape.center.lat]}
    else:
        geometry = orjson.Fragment(shapely.to_geojson(shape))
    return orjson.dumps(
        {"type": "Feature", "id": geofence.id, "geometry": geometry, "properties": dict(geofence.properties)}
    )


def changes_of(geofences: Sequence[Geofence], expected: int | None = None) -> list[Change]:
    """The commit that puts these geofences. Slow (a millisecond each and more): run it in a thread."""
    coverings = cover_many([geofence.shape for geofence in geofences])
    return [
        Change(
            kind=Kind.GEOFENCE,
            id=geofence.id,
            body=feature_of(geofence),
            extra=covering.to_bytes(),
            expected=expected,
        )
        for geofence, covering in zip(geofences, coverings, strict=True)
    ]
