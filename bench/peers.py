"""What a user would pick instead: shapely's STRtree in bulk, and an R*-tree in SQLite with an exact test."""

from __future__ import annotations

import sqlite3

import numpy as np
import shapely

from geofences.index import GeofenceIndex
from geofences.model import Circle


class STRtree:
    """Shapely's packed R-tree over all polygons; prepared, as its documentation advises."""

    def __init__(self, index: GeofenceIndex) -> None:
        """Build over the index's polygons."""
        geofences = [g for g in index if not isinstance(g.shape, Circle)]
        self._ids = [g.id for g in geofences]
        shapes = np.array([g.shape for g in geofences], dtype=object)
        shapely.prepare(shapes)
        self._tree = shapely.STRtree(shapes)

    def pairs(self, lats: np.ndarray, lngs: np.ndarray) -> np.ndarray:
        """Rows and geofences as the tree answers them: pairs of numbers, rows ascending, no answer for a ping yet."""
        return self._tree.query(shapely.points(lngs, lats), predicate="intersects")

    def locate_many(self, lats: np.ndarray, lngs: np.ndarray) -> list[tuple[str, ...]]:
        """The same answers as ``GeofenceIndex.locate_many``, grouped as cheaply as its own are."""
        located: list[tuple[str, ...]] = [()] * len(lats)
        rows, geofences = self.pairs(lats, lngs).tolist()
        ids = self._ids
        for row, name in zip(rows, [ids[i] for i in geofences], strict=True):
            held = located[row]
            located[row] = (name,) if not held else tuple(sorted((*held, name)))
        return located


class SQLiteRTree:
    """The R*-tree module of the SQLite in the standard library, boxes first, then the exact test."""

    def __init__(self, index: GeofenceIndex) -> None:
        """Load all polygons' boxes into memory."""
        geofences = [g for g in index if not isinstance(g.shape, Circle)]
        self._ids = [g.id for g in geofences]
        self._shapes = [g.shape for g in geofences]
        shapely.prepare(self._shapes)
        self._db = sqlite3.connect(":memory:")
        self._db.execute("create virtual table boxes using rtree(id, west, east, south, north)")
        boxes = shapely.bounds(self._shapes)[:, [0, 2, 1, 3]].tolist()
        self._db.executemany("insert into boxes values (?, ?, ?, ?, ?)", [(i, *box) for i, box in enumerate(boxes)])

    def locate(self, lat: float, lng: float) -> list[str]:
        """Ids of the geofences that cover the point."""
        query = "select id from boxes where west <= ? and east >= ? and south <= ? and north >= ?"
        found = [i for (i,) in self._db.execute(query, (lng, lng, lat, lat))]
        return [self._ids[i] for i in found if shapely.intersects_xy(self._shapes[i], lng, lat)]
