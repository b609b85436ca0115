"""Random shapes and the points where containment is decided: vertices, edges, and a hair beside them."""

from __future__ import annotations

import math
import random

import shapely
from shapely import MultiPolygon, Polygon

from geofences.geodesy import M_PER_DEG, distance_m
from geofences.model import Circle, LatLng, Shape


def star(rng: random.Random, lat: float, lng: float, size_m: float, *, has_hole: bool = False) -> Polygon:
    """A star-shaped polygon, often concave, its vertices rounded to 7 decimals as files have them."""
    stretch = 1 / max(0.02, math.cos(math.radians(lat)))

    def ring(scale: float) -> list[tuple[float, float]]:
        count = rng.randint(3, 14)
        turns = sorted(rng.uniform(0, 2 * math.pi) for _ in range(count))
        radii = [rng.uniform(0.3, 1.0) * size_m * scale / M_PER_DEG for _ in turns]
        return [
            (
                min(180.0, max(-180.0, round(lng + r * math.cos(t) * stretch, 7))),
                min(90.0, max(-90.0, round(lat + r * math.sin(t), 7))),
            )
            for t, r in zip(turns, radii, strict=True)
        ]

    while True:
        polygon = Polygon(ring(1.0))
        if polygon.is_valid and polygon.area > 0:
            break
    if has_hole:
        cut = polygon.difference(Polygon(ring(0.25)).buffer(0))
        if isinstance(cut, Polygon) and cut.is_valid and not cut.is_empty:
            polygon = cut
    return polygon


def any_shape(rng: random.Random) -> Shape:
    """A polygon, one with holes, a multipolygon, a rectangle on grid lines, a sliver, or a circle; metres to 300 km."""
    lat, lng = rng.uniform(-88, 88), rng.uniform(-179.9, 179.9)
    size_m = 10 ** rng.uniform(0.3, 5.5)
    if abs(lat) > 80:
        size_m = min(size_m, 20_000)
    kind = rng.randrange(6)
    if kind == 0:
        return Circle(LatLng(lat, lng), size_m)
    if kind == 1:
        parts = [star(rng, lat + d * 3 * size_m / M_PER_DEG, lng, size_m) for d in (-1, 0, 1)]
        return MultiPolygon(parts) if MultiPolygon(parts).is_valid else parts[0]
    if kind == 2:
        deg = size_m / M_PER_DEG
        return shapely.box(lng, lat, min(180.0, lng + deg), min(90.0, lat + deg))
    if kind == 3:
        deg = size_m / M_PER_DEG
        return Polygon([(lng, lat), (min(180.0, lng + deg), lat + deg), (min(180.0, lng + deg), lat + deg + 1e-5)])
    return star(rng, lat, lng, size_m, has_hole=kind == 4)


def telling_points(rng: random.Random, shape: Shape, count: int = 40) -> list[tuple[float, float]]:
    """Points in and around a shape as (lat, lng): its vertices, points on its edges, and some beside them."""
    if isinstance(shape, Circle):
        reach_deg = shape.radius_m / M_PER_DEG * 1.5
        stretch = 1 / max(0.02, math.cos(math.radians(shape.center.lat)))
        return [
            (
                min(90.0, max(-90.0, shape.center.lat + rng.uniform(-reach_deg, reach_deg))),
                _wrapped(shape.center.lng + rng.uniform(-reach_deg, reach_deg) * stretch),
            )
            for _ in range(count)
        ]
    west, south, east, north = shape.bounds
    vertices = shapely.get_coordinates(shape).tolist()
    points: list[tuple[float, float]] = []
    for _ in range(count):
        at = rng.randrange(len(vertices) - 1)
        (x1, y1), (x2, y2) = vertices[at], vertices[at + 1]
        t = rng.random()
        hair = rng.choice([0.0, 1e-15, -1e-15, 1e-12, -1e-9, 1e-7])
        points += [
            (y1, x1),
            (y1 + t * (y2 - y1) + hair, x1 + t * (x2 - x1)),
            (rng.uniform(south, north), rng.uniform(west, east)),
            (y1, rng.uniform(west - 1e-4, east + 1e-4)),
            (rng.uniform(2 * south - north, 2 * north - south), rng.uniform(2 * west - east, 2 * east - west)),
        ]
    return [(lat, lng) for lat, lng in points if -90 <= lat <= 90 and -180 <= lng <= 180]


def truth(shape: Shape, lat: float, lng: float) -> bool:
    """Brute force: GEOS for polygons, great-circle distance for circles."""
    if isinstance(shape, Circle):
        return distance_m(shape.center.lat, shape.center.lng, lat, lng) <= shape.radius_m
    return bool(shape.covers(shapely.Point(lng, lat)))


def _wrapped(lng: float) -> float:
    return (lng + 180) % 360 - 180
