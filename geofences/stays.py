"""Stays: when a walking phone comes to rest, and where its fixes lie while it does.

Pure and causal: one small immutable record a user, one ping at a time, no clock. This module knows nothing of stores;
it answers "at rest since when, around which point, how widely scattered". Plain floats, because this runs for every
ping of every user.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from geofences.geodesy import M_PER_DEG, lng_delta_deg
from geofences.model import UNKNOWN_ACCURACY_M, Ping

SIGMA_PER_ACCURACY = 1 / 1.515
"""One axis' standard deviation of a circular normal error over its 68 % radius, which is what phones report."""


@dataclass(frozen=True, slots=True)
class StaySettings:
    """What counts as coming to rest. Speeds are m/s, spans seconds, distances metres."""

    max_accuracy_m: float = 60.0
    """Fixes worse than this say nothing at the scale of a store."""
    min_sigma_m: float = 3.0
    """No street-level fix is better than this, whatever it claims."""
    outlier_m: float = 50.0
    """A fix further than this, plus walking distance, from the recent track is an outlier…"""
    outlier_mps: float = 3.0
    """…where walking, or running, covers this much a second…"""
    max_outliers: int = 2
    """…unless more than this many agree in a row: then the phone was really carried away."""
    fast_s: float = 8.0
    """Memory of the recent position: short against a visit, long against GPS jitter."""
    slow_s: float = 30.0
    """Memory of the older position; how far the two part tells the speed without a speed field."""
    speed_s: float = 12.0
    """Memory of the speed: bridges a pause at a kerb, and a few steps between shelves."""
    bend_ratio: float = 1.15
    """Length of a walked path over the straight line between two points some 20 s apart."""
    speed_trust_ratio: float = 0.67
    """Share of the reported speed in the speed used; the rest comes from positions, so neither can mislead alone."""
    move_mps: float = 0.85
    """A fix at this speed or more is taken before the stay: walking pace less its usual error."""
    rest_mps: float = 0.60
    """Below this smoothed speed a stay begins…"""
    leave_mps: float = 0.92
    """…and above this it ends; the gap keeps it from flapping."""
    drift_m: float = 32.0
    """A stay also ends when the recent position is further than this and one sigma from its mean: across the street."""
    first_mps: float = 3.0
    """Speed believed of a user first seen without one: it fades over the half minute that positions need to tell."""
    ride_mps: float = 5.0
    """Faster than anyone runs: a vehicle."""
    walk_min_mps: float = 0.5
    walk_max_mps: float = 3.0
    """Walking is between these; a car braking passes through them in a moment."""
    walk_after_ride_s: float = 15.0
    """After a ride, this much walking must come before a stay: no stays at traffic lights."""
    max_gap_s: float = 300.0
    """Silence longer than this ends a stay: nobody can say where the phone was."""
    max_weight_s: float = 10.0
    """No single fix counts for more than this many seconds of a stay."""


_BEST_ACCURACY_M = 1.0
"""Claims below this are placeholders; it also keeps logarithms of accuracy finite."""


class Stay(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of one user's movement: metres east (x) and north (y) of the anchor, m/s, m².

    ``since_ms`` is when the user came to rest, None while moving. ``fast_*`` and ``slow_*`` are moving averages of the
    position. ``entry_*`` is where the user was last seen walking; ``mean_*``, ``xx``, ``xy``, ``yy`` and ``noise``
    are the weighted mean, scatter and mean GPS variance of the fixes since ``began_ms``, of total ``weight_s``.
    ``accuracy_m`` is a moving average of the reported accuracy, ``street_accuracy_m`` the same while walking.
    The anchor is where the user was first seen, or set down by a vehicle: metres about it are true to 3 % for 100 km.
    """

    anchor_lat: float
    anchor_lng: float
    at_ms: int
    fast_x: float
    fast_y: float
    slow_x: float
    slow_y: float
    speed_mps: float
    walked_s: float
    outliers: int
    accuracy_m: float
    street_accuracy_m: float
    began_ms: int
    since_ms: int | None
    entry_x: float
    entry_y: float
    weight_s: float
    mean_x: float
    mean_y: float
    xx: float
    xy: float
    yy: float
    noise: float

    @property
    def mean_lat(self) -> float:
        """Latitude of the mean of the stay's fixes."""
        return self.anchor_lat + self.mean_y / M_PER_DEG

    @property
    def mean_lng(self) -> float:
        """Longitude of the mean of the stay's fixes; may lie beyond ±180 by the width of a store."""
        return self.anchor_lng + self.mean_x / (M_PER_DEG * max(0.01, math.cos(math.radians(self.anchor_lat))))


def _accuracy_m(ping: Ping) -> float:
    # In this order, for max() answers its first argument where that is NaN.
    return UNKNOWN_ACCURACY_M if ping.accuracy_m is None else max(ping.accuracy_m, _BEST_ACCURACY_M)


def is_usable(ping: Ping, settings: StaySettings) -> bool:
    """Whether the fix is accurate enough to say anything; false for NaN."""
    return _accuracy_m(ping) <= settings.max_accuracy_m


def begun(ping: Ping, settings: StaySettings) -> Stay:
    """The record of a user seen for the first time, or again after a long silence: taken to be moving."""
    accuracy = _accuracy_m(ping)
    speed = settings.first_mps if ping.speed_mps is None else ping.speed_mps
    noise = max(settings.min_sigma_m, accuracy * SIGMA_PER_ACCURACY) ** 2
    return Stay(
        ping.lat, ping.lng, ping.at_ms, 0.0, 0.0, 0.0, 0.0, speed, settings.walk_after_ride_s, 0, accuracy, accuracy,
        ping.at_ms, None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, noise,
    )  # fmt: skip


def advanced(stay: Stay, ping: Ping, settings: StaySettings) -> Stay:
    """The record after one more ping; the same object where the ping does not count (late, twice, too inaccurate)."""
    accuracy = _accuracy_m(ping)
    dt = (ping.at_ms - stay.at_ms) / 1000.0
    if dt <= 0.0 or not accuracy <= settings.max_accuracy_m:
        return stay
    if dt > settings.max_gap_s:
        return begun(ping, settings)
    anchor_lat = stay.anchor_lat
    x = lng_delta_deg(stay.anchor_lng, ping.lng) * M_PER_DEG * math.cos(math.radians(anchor_lat))
    y = (ping.lat - anchor_lat) * M_PER_DEG
    fast_x, fast_y = stay.fast_x, stay.fast_y
    if math.hypot(x - fast_x, y - fast_y) > settings.outlier_m + settings.outlier_mps * dt:
        if stay.outliers >= settings.max_outliers:
            return msgspec.structs.replace(begun(ping, settings), walked_s=0.0)
        return msgspec.structs.replace(stay, outliers=stay.outliers + 1)
    # Implicit steps of first-order filters: stable for any gap, and free of exp().
    gain = dt / (settings.fast_s + dt)
    fast_x += gain * (x - fast_x)
    fast_y += gain * (y - fast_y)
    gain = dt / (settings.slow_s + dt)
    slow_x = stay.slow_x + gain * (x - stay.slow_x)
    slow_y = stay.slow_y + gain * (y - stay.slow_y)
    pace = settings.bend_ratio * math.hypot(fast_x - slow_x, fast_y - slow_y) / (settings.slow_s - settings.fast_s)
    if ping.speed_mps is None:
        stride = math.hypot(fast_x - stay.fast_x, fast_y - stay.fast_y) / dt
    else:
        stride = ping.speed_mps
        pace += settings.speed_trust_ratio * (stride - pace)
    walked_s = stay.walked_s
    if stride > settings.ride_mps:
        walked_s = 0.0
    elif settings.walk_min_mps < stride < settings.walk_max_mps:
        walked_s += dt
    gain = dt / (settings.speed_s + dt)
    speed = stay.speed_mps + gain * (pace - stay.speed_mps)
    accuracy_m = stay.accuracy_m + gain * (accuracy - stay.accuracy_m)
    street_accuracy_m = stay.street_accuracy_m
    sigma = max(settings.min_sigma_m, accuracy_m * SIGMA_PER_ACCURACY)
    since_ms = stay.since_ms
    is_over = since_ms is not None and (
        speed > settings.leave_mps or math.hypot(fast_x - stay.mean_x, fast_y - stay.mean_y) > settings.drift_m + sigma
    )
    is_moving = since_ms is None and pace > settings.move_mps
    if is_moving:
        street_accuracy_m += dt / (60.0 + dt) * (accuracy - street_accuracy_m)
    if is_over or is_moving:
        return Stay(
            stay.anchor_lat, stay.anchor_lng, ping.at_ms, fast_x, fast_y, slow_x, slow_y, speed, walked_s, 0,
            accuracy_m, street_accuracy_m, ping.at_ms, None, fast_x, fast_y, 0.0, x, y, 0.0, 0.0, 0.0, sigma * sigma,
        )  # fmt: skip
    weight = min(dt, settings.max_weight_s)
    total = stay.weight_s + weight
    share = weight / total
    dx, dy = x - stay.mean_x, y - stay.mean_y
    kept = 1.0 - share
    if since_ms is None and speed < settings.rest_mps and walked_s >= settings.walk_after_ride_s:
        since_ms = stay.began_ms
    return Stay(
        stay.anchor_lat, stay.anchor_lng, ping.at_ms, fast_x, fast_y, slow_x, slow_y, speed, walked_s, 0,
        accuracy_m, street_accuracy_m, stay.began_ms, since_ms, stay.entry_x, stay.entry_y, total,
        stay.mean_x + share * dx, stay.mean_y + share * dy,
        kept * (stay.xx + share * dx * dx), kept * (stay.xy + share * dx * dy), kept * (stay.yy + share * dy * dy),
        stay.noise + share * (sigma * sigma - stay.noise),
    )  # fmt: skip
