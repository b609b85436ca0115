"""Coordinate systems: from what a file names to WGS 84, and a guess at what it does not name, where that is sure.

Whoever gives metres without a name means Web Mercator, UTM or the grid of his country. Which of them puts the shops
among his others tells, if exactly one does. PROJ never goes to the network here: it works with what it brings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyproj
from numpy.typing import NDArray

from gateway.importing.unreadable import Unreadable
from geofences.importing.strays import CLOSE_M, least_m
from geofences.model import LatLng

pyproj.network.set_network_enabled(False)  # type: ignore[attr-defined]  # a wrapped C function

Floats = NDArray[np.float64]
Unproject = Callable[[Floats], Floats]
"""From rows of x and y to rows of longitude and latitude, in degrees."""

WGS84: Final = "EPSG:4326"
SAME_M: Final = 5.0
"""Systems that differ by less are one for a store: ETRS89, GRS 80 and WGS 84 give 3067, 25835 and 32635."""
_GRIDS: Final = (
    2154, 3035, 25832, 25833, 27700, 29903, 2157, 28992, 31370, 2056, 31287, 5514, 2180, 3006, 3067, 3301, 3059, 3346,
    23700, 3763, 2100, 3794, 3765, 3844, 7801,
)  # fmt: skip
"""National grids of Europe, by EPSG number."""


def projection_of(crs: str) -> tuple[str, Unproject | None]:
    """The system's short name, and the way to WGS 84; None where it is that already. Raises Unreadable."""
    try:
        system = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError:
        detail = f"the coordinate system {crs[:60]!r} is not known; name it like EPSG:3067"
        raise Unreadable("unknown_crs", detail) from None
    code = system.to_authority(min_confidence=25)
    name = ":".join(code) if code else system.name
    if system.is_geographic and name in {WGS84, "OGC:CRS84", "EPSG:4979"}:
        return name, None
    return name, _unproject(system)


def guess(positions: Sequence[tuple[float, float]], places: Sequence[LatLng]) -> tuple[str, Unproject] | str:
    """The system that puts all positions near ``places``, if one alone does; else a sentence on what it may be."""
    xy = np.array(positions, dtype=np.float64)
    if not places:
        return f"{_looks(xy)}; name it with ?crs=EPSG:…"
    found: list[tuple[str, Unproject, Floats]] = []
    for name in _candidates(places):
        system = pyproj.CRS.from_user_input(name)
        unproject = _unproject(system)
        landed = unproject(xy)
        if not _is_in_use(system, landed):
            continue
        if least_m(landed[:, 1], landed[:, 0], places).max() < CLOSE_M and not _is_known(landed, found):
            found.append((name, unproject, landed))
    if len(found) == 1:
        return found[0][0], found[0][1]
    names = " or ".join(name for name, _, _ in found)
    which = f"it may be {names}" if found else "no usual system puts it near your others"
    return f"{_looks(xy)}; {which}; name it with ?crs=EPSG:…"


def _unproject(system: pyproj.CRS) -> Unproject:
    transformer = pyproj.Transformer.from_crs(system, WGS84, always_xy=True)

    def unproject(xy: Floats) -> Floats:
        lng, lat = transformer.transform(xy[:, 0], xy[:, 1])
        return np.stack([lng, lat], axis=1)

    return unproject


def _is_in_use(system: pyproj.CRS, landed: Floats) -> bool:
    """Whether all places are where the system is meant for."""
    area = system.area_of_use
    if area is None or not np.all(np.isfinite(landed)):
        return False
    (west, south), (east, north) = landed.min(axis=0).tolist(), landed.max(axis=0).tolist()
    return bool(area.west <= west and east <= area.east and area.south <= south and north <= area.north)


def _candidates(places: Sequence[LatLng]) -> Iterator[str]:
    yield "EPSG:3857"
    zones = {int((place.lng + 180) // 6) % 60 + step for place in places for step in (0, 1, 2)}
    north = {place.lat >= 0 for place in places}
    for zone in sorted({(zone - 1) % 60 + 1 for zone in zones}):
        for is_north in sorted(north, reverse=True):
            yield f"EPSG:{(32600 if is_north else 32700) + zone}"
    yield from (f"EPSG:{number}" for number in _GRIDS)


def _is_known(landed: Floats, found: Sequence[tuple[str, Unproject, Floats]]) -> bool:
    reach_deg = SAME_M / 111_000
    return any(np.abs(landed - other).max() < reach_deg * 2 for _, _, other in found)


def _looks(xy: Floats) -> str:
    x, y = np.median(xy, axis=0).tolist()
    if 100_000 <= x <= 900_000 and 0 <= y <= 10_000_000:
        return f"[{x:.0f}, {y:.0f}] looks like metres of UTM or of a national grid"
    if max(abs(x), abs(y)) <= 20_037_509:
        return f"[{x:.0f}, {y:.0f}] looks like metres of Web Mercator (EPSG:3857) or of a national grid"
    return f"[{x:.0f}, {y:.0f}] is not on Earth in any usual system"


def unprojected(geometry: dict[str, Any], unproject: Unproject) -> dict[str, Any]:
    """A GeoJSON geometry in WGS 84. Raises ValueError, TypeError where its positions are no numbers."""
    return geometry | {"coordinates": _turned(geometry.get("coordinates"), unproject)}


def _turned(raw: Any, unproject: Unproject) -> Any:
    if not isinstance(raw, list | tuple) or not raw:
        return raw
    if not isinstance(raw[0], list | tuple):
        return unproject(np.array([raw[:2]], dtype=np.float64))[0].tolist()
    if raw[0] and not isinstance(raw[0][0], list | tuple):
        return unproject(np.array([position[:2] for position in raw], dtype=np.float64)).tolist()
    return [_turned(part, unproject) for part in raw]


_URN = re.compile(r"^urn:ogc:def:crs:(?P<authority>\w+):[^:]*:(?P<code>\w+)$")


def named_crs(member: object) -> str | None:
    """The system that a GeoJSON of 2008 names in its ``crs`` member; None where there is none."""
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str):
        return None
    found = _URN.match(name)
    return f"{found['authority']}:{found['code']}" if found else name
