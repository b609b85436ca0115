"""A street of shops and people who stroll along it: true visits, and the pings of phones that err as phones do."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from shapely import box

from geofences.geodesy import M_PER_DEG
from geofences.model import Geofence, Ping

LAT, LNG = 60.17, 24.94
START_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Town:
    """Local metres about a place, so that one stroll can be walked anywhere on Earth."""

    lat: float = LAT
    lng: float = LNG

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Latitude and longitude of a point in metres east and north."""
        lng = self.lng + x / (M_PER_DEG * math.cos(math.radians(self.lat)))
        return self.lat + y / M_PER_DEG, (lng + 180) % 360 - 180

    def shop(self, name: str, x: float, y: float, width: float, depth: float, **properties: object) -> Geofence:
        """A rectangular shop whose lower left corner is at x, y."""
        south, west = self.place(x, y)
        north, east = self.place(x + width, y + depth)
        return Geofence(id=name, shape=box(west, south, east, north), properties=properties)

    def street(self, count: int, width: float = 24.0, depth: float = 16.0) -> list[Geofence]:
        """Shops side by side on the north side of a street that runs east."""
        return [self.shop(f"shop-{i}", i * width, 4.0, width, depth) for i in range(count)]


@dataclass(frozen=True)
class Phone:
    """How a phone errs: ``sigma_m`` of each axis, correlated over ``memory_s``; what it says of itself."""

    sigma_m: float = 5.0
    memory_s: float = 20.0
    period_s: int = 3
    has_speed: bool = True
    is_worse_indoors: bool = True


PHONE = Phone()

Leg = tuple[float, float, float, float, bool]
"""Seconds, from x to x, y, indoors."""


def stroll(
    town: Town,
    rng: random.Random,
    legs: list[Leg],
    phone: Phone = PHONE,
    user_id: str = "u",
    speed_noise: float = 0.0,
) -> list[Ping]:
    """Pings of a walk along straight legs; a leg that goes nowhere is a rest, drifting within two metres."""
    pings, at_s = [], 0.0
    error_x, error_y = rng.gauss(0, phone.sigma_m), rng.gauss(0, phone.sigma_m)
    kept = math.exp(-phone.period_s / phone.memory_s)
    for seconds, from_x, to_x, y, is_indoors in legs:
        for step in range(int(seconds / phone.period_s)):
            factor = 1.6 if is_indoors and phone.is_worse_indoors else 1.0
            sigma = phone.sigma_m * factor * math.sqrt(1 - kept * kept)
            error_x = kept * error_x + rng.gauss(0, sigma)
            error_y = kept * error_y + rng.gauss(0, sigma)
            share = step * phone.period_s / seconds
            lat, lng = town.place(from_x + (to_x - from_x) * share + error_x, y + error_y)
            speed = max(0.0, abs(to_x - from_x) / seconds + rng.gauss(0, speed_noise))
            accuracy = phone.sigma_m * factor * 1.515 * math.exp(rng.gauss(0, 0.1))
            pings.append(
                Ping(user_id, START_MS + int(at_s * 1000), lat, lng, accuracy, speed if phone.has_speed else None)
            )
            at_s += phone.period_s
    return pings


def visit_legs(x: float, seconds: float = 300.0) -> list[Leg]:
    """Walk up from 120 m west, rest in the middle of a shop at x, walk on east."""
    return [(90, x - 120, x, 0.0, False), (seconds, x, x, 12.0, True), (90, x, x + 120, 0.0, False)]
