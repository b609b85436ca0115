"""Geofences of vehicle and phone trackers: OwnTracks waypoints, Traccar geofences, Wialon geozones, all as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.importing.unreadable import Unreadable
from gateway.importing.wkt import geometry_of_wkt
from geofences.importing import FeatureError, Row


def rows_of_owntracks(raw: bytes) -> Iterator[Row]:
    """Waypoints: ``desc``, ``lat``, ``lon``, ``rad`` in metres; one, or an array of them."""
    doc = _decoded(raw)
    found = doc.get("waypoints") if isinstance(doc, dict) and "waypoints" in doc else doc
    for waypoint in found if isinstance(found, list) else [found]:
        if not isinstance(waypoint, dict):
            yield Row(FeatureError("not_a_feature", "a waypoint is an object with lat, lon and rad"))
            continue
        properties = {"name": waypoint.get("desc"), "radius_m": waypoint.get("rad")}
        id_ = waypoint.get("rid") or waypoint.get("tst")
        yield _row(id_, _point(waypoint.get("lon"), waypoint.get("lat")), properties)


def rows_of_traccar(raw: bytes) -> Iterator[Row]:
    """Geofences as its API lists them: ``area`` is text with latitude first; ``attributes`` become properties."""
    doc = _decoded(raw)
    for geofence in doc if isinstance(doc, list) else [doc]:
        if not isinstance(geofence, dict):
            yield Row(FeatureError("not_a_feature", "a geofence is an object with id, name and area"))
            continue
        attributes = geofence.get("attributes")
        properties: dict[str, Any] = dict(attributes) if isinstance(attributes, dict) else {}
        properties |= {"name": geofence.get("name"), "description": geofence.get("description")}
        try:
            geometry, radius_m = geometry_of_wkt(str(geofence.get("area", "")), lat_first=True)
        except ValueError as error:
            yield Row(FeatureError("invalid_row", str(error), "/area"))
            continue
        yield _row(geofence.get("id"), geometry, properties | {"radius_m": radius_m})


def rows_of_wialon(raw: bytes) -> Iterator[Row]:
    """Geozones: ``n`` name, ``t`` 2 for a polygon and 3 for a circle, ``p`` points of x, y and r in metres."""
    doc = _decoded(raw)
    zones = doc if isinstance(doc, list) else [doc] if isinstance(doc, dict) and "p" in doc else []
    for zone in zones:
        points = zone.get("p") if isinstance(zone, dict) else None
        if not isinstance(points, list) or not points or not all(isinstance(point, dict) for point in points):
            yield Row(FeatureError("not_a_feature", "a geozone is an object with points p of x, y and r"))
            continue
        places = [[point.get("x"), point.get("y")] for point in points]
        properties = {"name": zone.get("n"), "description": zone.get("d")}
        if zone.get("t") == 3:
            yield _row(zone.get("id"), _point(*places[0]), properties | {"radius_m": points[0].get("r")})
        elif zone.get("t") == 2:
            ring = places if places[0] == places[-1] else [*places, places[0]]  # Wialon's polygons are never closed
            yield _row(zone.get("id"), {"type": "Polygon", "coordinates": [ring]}, properties)
        else:
            detail = "a geozone that is a line; polygons (t 2) and circles (t 3) are read"
            yield Row(FeatureError("unsupported_geometry", detail, "/t"))


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("invalid_json", f"not JSON: {error}") from None


def _point(lng: object, lat: object) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lng, lat]}


def _row(id_: object, geometry: dict[str, Any], properties: dict[str, Any]) -> Row:
    kept = {name: value for name, value in properties.items() if value is not None and value != ""}
    return Row({"type": "Feature", "id": id_, "geometry": geometry, "properties": kept})
