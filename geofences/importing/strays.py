"""Features whose latitude and longitude have changed places: each alone looks right, its company tells.

A feature a thousand kilometres from all others that lands among them when its axes are swapped was swapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geofences.geodesy import EARTH_RADIUS_M
from geofences.model import LatLng

FAR_M: Final = 1_000_000.0
"""Farther than this from every known place a feature stands alone."""
CLOSE_M: Final = 200_000.0
"""As near as this to a known place it is among its own."""
FEWEST: Final = 3
"""Features that a file must have for its middle to say anything."""

MOST_RATIO: Final = 0.5
"""More than this share of a file must lie about its middle for that to be where the file's features are."""

Floats = NDArray[np.float64]


def strays(places: Mapping[int, LatLng], known: Sequence[LatLng] = ()) -> set[int]:
    """Which of a file's features were swapped, by the places of ``known`` geofences and by the file's own middle."""
    if not places:
        return set()
    at = np.fromiter(places, np.int64)
    lat = np.array([place.lat for place in places.values()])
    lng = np.array([place.lng for place in places.values()])
    found = np.zeros(len(at), dtype=bool)
    if known:
        found |= _astray(lat, lng, np.array([k.lat for k in known]), np.array([k.lng for k in known]))
    if len(places) >= FEWEST:
        middle = np.array([np.sort(lat)[len(lat) // 2]]), np.array([np.sort(lng)[len(lng) // 2]])
        # the middle of a file from all over the world is a place where nothing need be
        if np.mean(_least_m(lat, lng, *middle) <= FAR_M) > MOST_RATIO:
            at_home = np.zeros(len(at), dtype=bool) if not known else _within(lat, lng, known, FAR_M)
            found |= _astray(lat, lng, *middle) & ~at_home
    return set(at[found].tolist())


def least_m(lat: Floats, lng: Floats, known: Sequence[LatLng]) -> Floats:
    """Great-circle metres from each point to the nearest known place."""
    return _least_m(lat, lng, np.array([k.lat for k in known]), np.array([k.lng for k in known]))


def _within(lat: Floats, lng: Floats, known: Sequence[LatLng], reach_m: float) -> NDArray[np.bool_]:
    return least_m(lat, lng, known) <= reach_m


def _astray(lat: Floats, lng: Floats, known_lat: Floats, known_lng: Floats) -> NDArray[np.bool_]:
    may_swap = np.abs(lng) <= 90
    far = _least_m(lat, lng, known_lat, known_lng) > FAR_M
    close = _least_m(np.where(may_swap, lng, 0.0), lat, known_lat, known_lng) < CLOSE_M
    return np.asarray(may_swap & far & close)


def _least_m(lat: Floats, lng: Floats, known_lat: Floats, known_lng: Floats) -> Floats:
    least = np.full(len(lat), np.inf)
    phi = np.radians(lat)
    for one_lat, one_lng in zip(np.radians(known_lat).tolist(), known_lng.tolist(), strict=True):
        half_dlng = np.radians(lng - one_lng) / 2
        a = np.sin((phi - one_lat) / 2) ** 2 + np.cos(phi) * np.cos(one_lat) * np.sin(half_dlng) ** 2
        np.minimum(least, a, out=least)
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(least, 1.0))))
