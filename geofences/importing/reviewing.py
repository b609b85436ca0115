"""A file's rows to geofences: each parsed strictly, repaired where that is allowed and sure, and all of them compared.

What only the company of other features tells (swapped axes, metres of a projection, an id given twice) is decided here,
where all of them are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import shapely

from geofences.importing.advice import Advice, advise
from geofences.importing.geojson import STRAY, UnreadableCollection, middle_of, parse_feature
from geofences.importing.limits import FeatureError, Limits, Refused
from geofences.importing.repairs import Repair, geometry_area_m2, repaired, swapped
from geofences.importing.rings import Position
from geofences.importing.screening import suspects
from geofences.importing.strays import strays
from geofences.model import Circle, Geofence, LatLng

Geometry = dict[str, Any]
Unproject = Callable[[Geometry], Geometry]
Guess = Callable[[Sequence[Position], Sequence[LatLng]], tuple[str, Unproject] | str]
"""From positions that are no degrees, and the places of other geofences: the projection's name and the way back where
it is sure, else a sentence on what it may be."""

_BLOCK: Final = 4_096
"""Outlines screened at once."""
_MAX_PLACES: Final = 200
"""Places that metres are compared with."""


class Row(NamedTuple):
    """One feature as a file has it: a GeoJSON Feature, or why there is none, and the point that stands beside it."""

    doc: Any
    line: int | None = None
    point: LatLng | None = None


@dataclass(slots=True)
class Reviewed:
    """What became of a row. ``before`` is its geometry as it was, where it was repaired."""

    index: int
    line: int | None
    found: Geofence | FeatureError
    repairs: list[Repair] = field(default_factory=list)
    before: Geometry | None = None
    point: LatLng | None = None


def review(
    rows: Iterable[Row],
    limits: Limits,
    *,
    repairs: bool = True,
    known: Sequence[LatLng] = (),
    guess: Guess | None = None,
) -> list[Reviewed]:
    """Every row's geofence or error, in the file's order. ``known`` are places of the geofences that are there.

    UnreadableCollection where there are more rows than the limits allow.
    """
    results: list[Reviewed] = []
    projected: list[tuple[Reviewed, dict[str, Any]]] = []
    for index, row in enumerate(rows):
        if index >= limits.max_features:
            detail = f"the file has more than {limits.max_features} features"
            raise UnreadableCollection(FeatureError("too_many_features", detail))
        result = _examine(index, row, limits, repairs=repairs)
        if isinstance(result.found, FeatureError) and _is_projected(result.found, row.doc):
            projected.append((result, row.doc))
        results.append(result)
    if projected and guess is not None:
        _unproject(projected, results, limits, known, guess, repairs=repairs)
    _straighten(results, limits, known, repairs=repairs)
    if repairs:
        _screen(results, limits)
    _refuse_twins(results)
    return results


def advice_on(results: Sequence[Reviewed]) -> list[tuple[Reviewed, Advice]]:
    """What the author should look at, each with its feature."""
    taken = [result for result in results if isinstance(result.found, Geofence)]
    points = {at: result.point for at, result in enumerate(taken) if result.point is not None}
    found = advise([result.found for result in taken if isinstance(result.found, Geofence)], points)
    return [(taken[one.at], one) for one in found]


def geometry_of(geofence: Geofence) -> Geometry:
    """The shape as GeoJSON."""
    shape = geofence.shape
    if isinstance(shape, Circle):
        return {"type": "Point", "coordinates": [shape.center.lng, shape.center.lat]}
    found: Geometry = msgspec.json.decode(shapely.to_geojson(shape))
    return found


def _examine(index: int, row: Row, limits: Limits, *, repairs: bool) -> Reviewed:
    result = Reviewed(index, row.line, FeatureError("", ""), point=row.point)
    if isinstance(row.doc, FeatureError):
        result.found = row.doc
        return result
    result.found = parse_feature(row.doc, limits)
    if isinstance(result.found, Geofence) or not repairs or not result.found.pointer.startswith("/geometry"):
        return result
    geometry = row.doc.get("geometry")
    if result.found.code not in {"too_many_vertices", "out_of_range"} and isinstance(geometry, dict):
        _try(result, row.doc, geometry, limits)
    return result


def _try(result: Reviewed, doc: dict[str, Any], geometry: Geometry, limits: Limits) -> None:
    """Repair a geometry; the row is changed only if it is valid then."""
    try:
        mended, done = repaired(geometry)
    except (Refused, TypeError, KeyError):
        return
    found = parse_feature(doc | {"geometry": mended}, limits) if done else None
    if isinstance(found, Geofence):
        result.before = result.before or geometry
        result.found = found
        result.repairs += done


def _unproject(
    projected: Sequence[tuple[Reviewed, dict[str, Any]]],
    results: Sequence[Reviewed],
    limits: Limits,
    known: Sequence[LatLng],
    guess: Guess,
    *,
    repairs: bool,
) -> None:
    """Bring metres back to degrees where the company of others says from what; else say what they look like."""
    taken = [middle_of(r.found.shape) for r in results if isinstance(r.found, Geofence)]
    places = [*known, *taken[:: max(1, len(taken) // _MAX_PLACES)]]
    firsts = [_first_position(doc["geometry"]["coordinates"]) for _, doc in projected]
    guessed = guess(firsts, places)
    for result, doc in projected:
        if isinstance(guessed, str) or not repairs:
            detail = guessed if isinstance(guessed, str) else f"these are metres of {guessed[0]}; name it with ?crs="
            result.found = FeatureError("projected_coordinates", detail, "/geometry/coordinates")
            continue
        name, unproject = guessed
        try:
            geometry = unproject(doc["geometry"])
        except (TypeError, ValueError, IndexError):
            continue
        area_m2 = geometry_area_m2(geometry)
        changed = Reviewed(result.index, result.line, parse_feature(doc | {"geometry": geometry}, limits))
        if isinstance(changed.found, FeatureError):
            _try(changed, doc, geometry, limits)
        result.found = changed.found
        if isinstance(changed.found, Geofence):
            told = Repair("reprojected", f"from {name}, which puts it among the others", area_m2, area_m2, 0.0)
            result.repairs = [told, *changed.repairs]
            result.before = geometry


def _is_projected(error: FeatureError, doc: Any) -> bool:
    """Whether the very first position is none in degrees: a single number gone wrong is no projection."""
    if error.code != "out_of_range" or not error.pointer.startswith("/geometry"):
        return False
    x, y = _first_position(doc["geometry"]["coordinates"])
    return abs(x) > 180 or abs(y) > 90


def _first_position(raw: Any) -> Position:
    while isinstance(raw, list | tuple) and raw and isinstance(raw[0], list | tuple):
        raw = raw[0]
    return (float(raw[0]), float(raw[1]))


def _straighten(results: Sequence[Reviewed], limits: Limits, known: Sequence[LatLng], *, repairs: bool) -> None:
    """Swap back what only fits its company with swapped axes, or refuse it."""
    taken = {at: r.found for at, r in enumerate(results) if isinstance(r.found, Geofence)}
    places = {at: middle_of(geofence.shape) for at, geofence in taken.items()}
    for at in sorted(strays(places, known)):
        result, found = results[at], taken[at]
        if not repairs:
            result.found = STRAY
            continue
        geometry = geometry_of(found)
        turned, told = swapped(geometry)
        doc = {"type": "Feature", "id": found.id, "geometry": turned, "properties": found.properties}
        result.found = parse_feature(doc, limits)
        if isinstance(result.found, Geofence):
            result.before = result.before or geometry
            result.repairs.append(told)


def _screen(results: Sequence[Reviewed], limits: Limits) -> None:
    """Mend what is valid and yet untidy."""
    for begin in range(0, len(results), _BLOCK):
        block = [(r, r.found) for r in results[begin : begin + _BLOCK] if isinstance(r.found, Geofence)]
        for at in suspects([geofence.shape for _, geofence in block]):
            result, geofence = block[at]
            doc = {"type": "Feature", "id": geofence.id, "properties": geofence.properties}
            _try(result, doc, geometry_of(geofence), limits)


def _refuse_twins(results: Sequence[Reviewed]) -> None:
    first: dict[str, Reviewed] = {}
    for result in results:
        if isinstance(result.found, Geofence):
            earlier = first.setdefault(result.found.id, result)
            if earlier is not result:
                which = f"feature {earlier.index}" if earlier.line is None else f"line {earlier.line}"
                detail = f"{which} already has the id {result.found.id!r}"
                result.found = FeatureError("duplicate_id", detail, "/id")
