"""Metres on the sphere: the one place that knows the Earth's size.

Everything is on the sphere of mean radius, which differs from the ellipsoid by at most 0.6 % in distance:
far below a phone's accuracy, and the same rule for every fence.
"""

from __future__ import annotations

import math

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of WGS 84 (IUGG R1)."""

M_PER_DEG = EARTH_RADIUS_M * math.pi / 180
"""Metres in one degree of latitude, or of longitude at the equator."""


def distance_m(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    """Great-circle distance between two points in degrees (haversine, exact for near and far points)."""
    phi1 = math.radians(lat1)
    phi2 = math.radians(lat2)
    half_dphi = (phi2 - phi1) * 0.5
    half_dlng = math.radians(lng2 - lng1) * 0.5
    a = math.sin(half_dphi) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(half_dlng) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(a)))


def lng_delta_deg(from_lng: float, to_lng: float) -> float:
    """``to_lng - from_lng`` the short way round, in [-180, 180]."""
    delta = to_lng - from_lng
    if delta > 180:
        return delta - 360
    if delta < -180:
        return delta + 360
    return delta


def is_on_earth(lat: float, lng: float) -> bool:
    """Whether the two are a latitude and a longitude; false for NaN."""
    return -90.0 <= lat <= 90.0 and -180.0 <= lng <= 180.0
