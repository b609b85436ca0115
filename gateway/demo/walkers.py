"""Simulated shoppers: each walks the streets from store to store, stays a while, and has a phone with GPS noise.

Pure: positions are a function of the walker's seed and of seconds since its start.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.demo.streets import Plane, Point, Streets
from geofences.model import LatLng

HASTE = 3.0
"""How many times faster than people the demo's shoppers walk, so that a minute shows something."""
PACE_MPS = (1.1, 1.6)
"""Comfortable walking speeds of adults."""
STAY_S = (12.0, 45.0)
"""Seconds in a store: minutes, at the demo's haste."""
FIRST_WALK_M = (10.0, 150.0)
"""Length of the way to a shopper's first store: some arrive within seconds."""
REACH_M = 400.0
"""The next store is chosen within this distance."""
NOISE_M = (1.5, 5.0)
"""Standard deviation of the position error per axis, one value a phone: good phones in streets."""
PERSISTENCE = 0.9
"""Correlation of the error from one second to the next: GPS wanders, it does not jump."""
RADIUS_68_PER_SIGMA = 1.51
"""The 68 % radius of a round normal error, in standard deviations per axis: sqrt(-2 ln 0.32)."""


@dataclass(frozen=True, slots=True)
class Shop:
    """Where a walker can go: a point inside the store and the street node before it."""

    inside: Point
    street: Point


class Fix(NamedTuple):
    """What the phone reports: degrees, 68 % accuracy in metres, speed in m/s, heading in degrees or None at rest."""

    place: LatLng
    accuracy_m: float
    speed_mps: float
    heading_deg: float | None


class Walker:
    """One shopper with one phone."""

    def __init__(self, seed: int, plane: Plane, streets: Streets, shops: Sequence[Shop]) -> None:
        """The same seed walks the same way."""
        self._random = random.Random(seed)
        self._plane = plane
        self._streets = streets
        self._shops = shops
        self._pace_mps = HASTE * self._random.uniform(*PACE_MPS)
        self._sigma_m = self._random.uniform(*NOISE_M)
        self._error = (self._random.gauss(0, self._sigma_m), self._random.gauss(0, self._sigma_m))
        shop = self._random.choice(shops)
        self._stops: deque[tuple[float, Point]] = deque([(0.0, self._start_of(shop))])
        self._go(shop)

    def fix(self, at_s: float) -> Fix:
        """The phone's fix ``at_s`` seconds after the start; ask in rising order, about once a second."""
        (since_s, start), (until_s, end) = self._leg(at_s)
        ratio = (at_s - since_s) / (until_s - since_s)
        speed_mps = math.dist(start, end) / (until_s - since_s)
        east, north = (a + (b - a) * ratio for a, b in zip(start, end, strict=True))
        fresh_m = self._sigma_m * math.sqrt(1 - PERSISTENCE**2)
        self._error = (
            PERSISTENCE * self._error[0] + self._random.gauss(0, fresh_m),
            PERSISTENCE * self._error[1] + self._random.gauss(0, fresh_m),
        )
        heading_deg = math.degrees(math.atan2(end[0] - start[0], end[1] - start[1])) % 360 if speed_mps else None
        place = self._plane.place((east + self._error[0], north + self._error[1]))
        return Fix(place, RADIUS_68_PER_SIGMA * self._sigma_m, speed_mps, heading_deg)

    def _leg(self, at_s: float) -> tuple[tuple[float, Point], tuple[float, Point]]:
        """The two stops that ``at_s`` lies between; goes on to the next store when there is none left."""
        while self._stops[1][0] <= at_s:
            self._stops.popleft()
            if len(self._stops) == 1:
                self._go(self._next_shop(self._stops[0][1]))
        return self._stops[0], self._stops[1]

    def _go(self, shop: Shop) -> None:
        """Queue the way from the last stop to ``shop`` and the stay there."""
        clock_s, here = self._stops[-1]
        for point in [*self._streets.way(self._streets.nearest(here), shop.street), shop.inside]:
            length_m = math.dist(here, point)
            if length_m:
                clock_s, here = clock_s + length_m / self._pace_mps, point
                self._stops.append((clock_s, here))
        self._stops.append((clock_s + self._random.uniform(*STAY_S), here))

    def _next_shop(self, here: Point) -> Shop:
        near = [shop for shop in self._shops if 0 < math.dist(shop.inside, here) <= REACH_M]
        return self._random.choice(near or self._shops)

    def _start_of(self, shop: Shop) -> Point:
        """A point on the way to ``shop``, so far before it as FIRST_WALK_M says."""
        left_m = self._random.uniform(*FIRST_WALK_M)
        way = [shop.inside, *self._streets.way(shop.street, self._random.choice(self._streets.nodes))]
        for here, before in itertools.pairwise(way):
            length_m = math.dist(here, before)
            if length_m >= left_m:
                ratio = left_m / length_m
                return here[0] + (before[0] - here[0]) * ratio, here[1] + (before[1] - here[1]) * ratio
            left_m -= length_m
        return way[-1]
