"""The streets of the demo's city as a graph, and the shortest way between two places on it.

Plane coordinates in metres east and north of the first vertex: a city centre is small enough for that.
"""

from __future__ import annotations

import gzip
import heapq
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geofences.model import LatLng

DEGREE_M = 111_195.0
"""Metres along one degree of a great circle of the mean Earth radius, 6,371,009 m."""

JOIN_M = 12.0
"""Street ends this close meet: the ground's lines are simplified and miss some of their crossings."""

Point = tuple[float, float]


class Plane:
    """Metres around one place, and back to degrees."""

    def __init__(self, origin: LatLng) -> None:
        """``origin`` becomes (0, 0)."""
        self._origin = origin
        self._east_m = DEGREE_M * math.cos(math.radians(origin.lat))

    def point(self, lat: float, lng: float) -> Point:
        """Metres east and north of the origin."""
        return (lng - self._origin.lng) * self._east_m, (lat - self._origin.lat) * DEGREE_M

    def place(self, point: Point) -> LatLng:
        """The degrees of a point."""
        return LatLng(self._origin.lat + point[1] / DEGREE_M, self._origin.lng + point[0] / self._east_m)


class Streets:
    """An undirected graph whose nodes are points in metres; only its largest connected part is kept."""

    def __init__(self, lines: Iterable[list[Point]]) -> None:
        """``lines`` are polylines; equal points, and points within JOIN_M, are connected."""
        self._near: dict[Point, dict[Point, float]] = defaultdict(dict)
        for line in lines:
            for one, other in itertools.pairwise(line):
                self._connect(one, other)
        self._cells: dict[tuple[int, int], list[Point]] = defaultdict(list)
        for node in self._near:
            self._cells[_cell(node)].append(node)
        for node in list(self._near):
            for other in self._around(node):
                if other != node and math.dist(node, other) <= JOIN_M:
                    self._connect(node, other)
        self._keep_largest()

    @property
    def nodes(self) -> list[Point]:
        """Every node, in the order of the lines."""
        return list(self._near)

    def nearest(self, point: Point) -> Point:
        """The node closest to ``point``."""
        return min(self._near, key=lambda node: math.dist(node, point))

    def way(self, start: Point, goal: Point) -> list[Point]:
        """The shortest way from node to node, both ends included (A*, straight distance as the bound)."""
        came: dict[Point, Point | None] = {start: None}
        walked = {start: 0.0}
        frontier = [(math.dist(start, goal), start)]
        while frontier:
            _, node = heapq.heappop(frontier)
            if node == goal:
                break
            for other, length in self._near[node].items():
                total = walked[node] + length
                if total < walked.get(other, math.inf):
                    walked[other], came[other] = total, node
                    heapq.heappush(frontier, (total + math.dist(other, goal), other))
        way: list[Point] = []
        step: Point | None = goal
        while step is not None:
            way.append(step)
            step = came[step]
        return way[::-1]

    def _connect(self, one: Point, other: Point) -> None:
        self._near[one][other] = self._near[other][one] = math.dist(one, other)

    def _around(self, node: Point) -> list[Point]:
        column, row = _cell(node)
        return [p for i in (-1, 0, 1) for j in (-1, 0, 1) for p in self._cells.get((column + i, row + j), ())]

    def _keep_largest(self) -> None:
        left = set(self._near)
        largest: set[Point] = set()
        while left:
            part, frontier = set(), [left.pop()]
            while frontier:
                node = frontier.pop()
                part.add(node)
                fresh = self._near[node].keys() & left
                left -= fresh
                frontier.extend(fresh)
            largest = max(largest, part, key=len)
        self._near = {node: self._near[node] for node in self._near if node in largest}


def _cell(point: Point) -> tuple[int, int]:
    return math.floor(point[0] / JOIN_M), math.floor(point[1] / JOIN_M)


def read_features(file: Path) -> list[dict[str, Any]]:
    """The features of a gzipped FeatureCollection."""
    features: list[dict[str, Any]] = json.loads(gzip.decompress(file.read_bytes()))["features"]
    return features


def city(ground: list[dict[str, Any]]) -> tuple[Plane, Streets]:
    """The plane and the streets of a ground's LineString features."""
    lines = [f["geometry"]["coordinates"] for f in ground if f["geometry"]["type"] == "LineString"]
    plane = Plane(LatLng(lat=lines[0][0][1], lng=lines[0][0][0]))
    return plane, Streets([[plane.point(lat, lng) for lng, lat in line] for line in lines])
