"""All geofences of one snapshot in order of id, with their boxes beside: for lists, and for the nearest to a place.

Built in a thread the first time it is asked of a new snapshot, and kept until the next.
"""

from __future__ import annotations

import asyncio
import bisect
import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from gateway.catalog.snapshot import Snapshot
from geofences.geodesy import M_PER_DEG
from geofences.index import GeofenceIndex
from geofences.model import Circle, Geofence

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


class Shelf:
    """Geofences in order of id."""

    def __init__(self, index: GeofenceIndex) -> None:
        """Sort and measure: 0.3 s for 100,000."""
        self.geofences = sorted(index, key=lambda geofence: geofence.id)
        self._ids = [geofence.id for geofence in self.geofences]
        self.boxes = _boxes_of(self.geofences)

    def page(
        self, after: str | None, limit: int, *, bbox: Box | None = None, tag: str | None = None, text: str | None = None
    ) -> tuple[list[Geofence], bool]:
        """Up to ``limit`` geofences after the id ``after`` that meet every filter, and whether there are more."""
        start = bisect.bisect_right(self._ids, after) if after is not None else 0
        places = self._inside(bbox, start) if bbox is not None else range(start, len(self.geofences))
        wanted = text.casefold() if text else None
        found: list[Geofence] = []
        for place in places:
            geofence = self.geofences[place]
            if (tag is None or tag in geofence.tags) and (wanted is None or wanted in _words(geofence)):
                if len(found) == limit:
                    return found, True
                found.append(geofence)
        return found, False

    def nearest(self, lat: float, lng: float, count: int) -> list[Geofence]:
        """The ``count`` geofences whose boxes' middles are nearest, nearest first."""
        if not self.geofences:
            return []
        west, south, east, north = self.boxes.T
        x = ((west + east) / 2 - lng + 180) % 360 - 180
        away = ((south + north) / 2 - lat) ** 2 + (x * math.cos(math.radians(lat))) ** 2
        chosen = np.argpartition(away, min(count, len(away)) - 1)[:count]
        return [self.geofences[place] for place in chosen[np.argsort(away[chosen])]]

    def _inside(self, bbox: Box, start: int) -> list[int]:
        west, south, east, north = bbox
        boxes = self.boxes[start:]
        is_met = (boxes[:, 1] <= north) & (boxes[:, 3] >= south)
        if west <= east:
            is_met &= (boxes[:, 0] <= east) & (boxes[:, 2] >= west)
        else:
            is_met &= (boxes[:, 0] <= east) | (boxes[:, 2] >= west)
        return [start + int(place) for place in np.flatnonzero(is_met)]


class Shelves:
    """The shelf of the newest snapshot that a list was asked of."""

    def __init__(self) -> None:
        self._index: GeofenceIndex | None = None
        self._shelf: asyncio.Task[Shelf] | None = None

    async def of(self, snapshot: Snapshot) -> Shelf:
        """The shelf of a snapshot; whoever asks while it is being built waits for the same one."""
        if self._shelf is None or self._index is not snapshot.index:
            self._index = snapshot.index
            self._shelf = asyncio.create_task(asyncio.to_thread(Shelf, snapshot.index))
        return await asyncio.shield(self._shelf)


def box_of(geofence: Geofence) -> Box:
    """The box around a geofence; a circle's is a little wide, never narrow."""
    shape = geofence.shape
    if isinstance(shape, Circle):
        reach_deg = shape.radius_m / M_PER_DEG
        widened_deg = reach_deg / max(math.cos(math.radians(min(abs(shape.center.lat) + reach_deg, 89.9))), 1e-3)
        lat, lng = shape.center.lat, shape.center.lng
        return lng - widened_deg, lat - reach_deg, lng + widened_deg, lat + reach_deg
    west, south, east, north = shapely.bounds(shape)
    return float(west), float(south), float(east), float(north)


def _boxes_of(geofences: Sequence[Geofence]) -> NDArray[np.float64]:
    """``box_of`` of each, shape (n, 4); all polygons are measured by one call."""
    shapes = [None if isinstance(geofence.shape, Circle) else geofence.shape for geofence in geofences]
    boxes: NDArray[np.float64] = shapely.bounds(np.array(shapes, object)).reshape(-1, 4)
    for place, shape in enumerate(shapes):
        if shape is None:
            boxes[place] = box_of(geofences[place])
    return boxes


def _words(geofence: Geofence) -> str:
    return f"{geofence.id} {geofence.properties.get('name', '')}".casefold()
