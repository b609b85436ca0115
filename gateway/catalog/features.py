"""Geofences as the documents that are stored and shown."""

from __future__ import annotations

import orjson
import shapely

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
