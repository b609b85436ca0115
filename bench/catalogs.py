"""Catalogs to measure with: store-like shapes at one density, as many as asked, or a file of features; and shoppers.

Stores stand in towns of a thousand, in clusters along streets, at latitudes up to 60 degrees; sizes are log-normal
around 45 m. More fences mean more towns, so density is the same at every size.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from geofences.geodesy import M_PER_DEG
from geofences.importing.geojson import middle_of
from geofences.model import Geofence

TOWN = 1000
SHOPPERS = 2000
PINGS_EACH = 100
STRAY_M = 500
KINDS = ("supermarket", "bakery", "shoes", "pharmacy", "bookshop", "electronics")


def documents(source: int | Path) -> Iterator[bytes]:
    """Features as JSON: so many synthetic ones, or the lines of a file of one feature a line, gzipped or not."""
    if isinstance(source, int):
        yield from map(msgspec.json.encode, stream(source))
        return
    with gzip.open(source) if source.suffix == ".gz" else source.open("rb") as file:
        yield from (line for line in file if line.strip())


def features(count: int, seed: int = 1) -> list[dict[str, object]]:
    """GeoJSON Features: rotated rectangles, L-shapes and rounded halls, 20 to 300 m long."""
    return list(stream(count, seed))


def stream(count: int, seed: int = 1) -> Iterator[dict[str, object]]:
    """``features``, one by one."""
    rng = np.random.default_rng(seed)
    made = 0
    towns = math.ceil(count / TOWN)
    for town in range(towns):
        lat0 = math.degrees(math.asin((2 * (town + 0.5) / towns - 1) * 0.86))
        lng0 = (town * 137.50776405) % 360 - 180
        lng0 = min(max(lng0, -179.5), 179.5)
        clusters = rng.normal(0, 900, (40, 2))
        for _ in range(min(TOWN, count - made)):
            x, y = clusters[rng.integers(40)] + rng.normal(0, (160, 45))
            size = float(np.clip(rng.lognormal(math.log(45), 0.6), 20, 300))
            ring = _outline(rng, size) @ _turn(rng.uniform(0, math.pi)) + (x, y)
            ring = ring / (M_PER_DEG * math.cos(math.radians(lat0)), M_PER_DEG) + (lng0, lat0)
            positions = np.round(np.vstack([ring, ring[:1]]), 7).tolist()
            yield {
                "type": "Feature",
                "id": f"store/{made}",
                "properties": {
                    "name": f"Store {made}",
                    "shop": KINDS[made % len(KINDS)],
                    "city": f"Town {town}",
                    "size_m": round(size, 1),
                },
                "geometry": {"type": "Polygon", "coordinates": [positions]},
            }
            made += 1


def _outline(rng: np.random.Generator, size: float) -> np.ndarray:
    a, b = size / 2, size / 2 * rng.uniform(0.35, 1.0)
    kind = rng.random()
    if kind < 0.55:
        return np.array([(-a, -b), (a, -b), (a, b), (-a, b)])
    if kind < 0.8:
        bite = rng.uniform(-0.4, 0.5)
        return np.array([(-a, -b), (a, -b), (a, b * bite), (a * bite, b * bite), (a * bite, b), (-a, b)])
    turns = np.linspace(0, 2 * math.pi, int(rng.integers(8, 21)), endpoint=False)
    return np.stack([a * np.cos(turns), b * np.sin(turns)], 1)


def _turn(angle: float) -> np.ndarray:
    return np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])


def walks(geofences: Sequence[Geofence], seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of shoppers who stroll around stores and report in turn."""
    rng = np.random.default_rng(seed)
    lats, lngs = _middles(geofences, rng, SHOPPERS)
    steps = rng.normal(0, 7 / M_PER_DEG, (PINGS_EACH, SHOPPERS, 2))
    steps[0] += rng.normal(0, 80 / M_PER_DEG, (SHOPPERS, 2))
    ways = np.cumsum(steps, axis=0)
    lats = lats + ways[:, :, 1]
    lngs = lngs + ways[:, :, 0] / np.cos(np.radians(lats))
    return lats.ravel(), lngs.ravel()


def strangers(geofences: Sequence[Geofence], seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """As many pings that have nothing in common: each uniformly at random about a store chosen at random."""
    rng = np.random.default_rng(seed)
    lats, lngs = _middles(geofences, rng, SHOPPERS * PINGS_EACH)
    north, east = rng.uniform(-STRAY_M, STRAY_M, (2, len(lats))) / M_PER_DEG
    return lats + north, lngs + east / np.cos(np.radians(lats))


def _middles(geofences: Sequence[Geofence], rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    middles = [middle_of(geofence.shape) for geofence in geofences]
    places = np.array([(middle.lat, middle.lng) for middle in middles])
    lats, lngs = places[rng.integers(0, len(places), count)].T
    return lats, lngs
