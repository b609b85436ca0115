"""Which geofences hold a point: an immutable index, for one point or many at once, to the last vertex."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from geofences import h3grid
from geofences.covering import Covering, cover_many
from geofences.layer import Layer, Ordinals
from geofences.layers import Layers
from geofences.model import Geofence
from geofences.outline import Floats, boundary_distance_m

NOWHERE: Final[tuple[str, ...]] = ()
"""The shared answer for a point in no geofence."""

_BLOCK: Final = 8192
"""Points located together: enough to hide what a numpy call costs, few enough to stay in the cache."""

_OFF_EARTH: Final = "not a latitude and longitude in degrees"


class GeofenceIndex:
    """All geofences at one version of the catalog. Safe to share between threads."""

    __slots__ = ("_halo", "_halo_m", "_layers", "find", "has_priorities", "is_watching")

    find: Callable[[str], tuple[Layer | None, int]]
    """The layer that holds a geofence, and its ordinal there; None and -1 for an unknown id."""

    has_priorities: bool
    """Whether any geofence has a priority but 0."""

    is_watching: bool
    """Whether ``near`` can ever have an answer."""

    def __init__(self, layers: Layers, halo: Layers, halo_m: Mapping[str, float]) -> None:
        """Use ``build``."""
        self._layers, self._halo, self._halo_m = layers, halo, halo_m
        self.find = layers.find
        self.has_priorities = layers.base.has_priorities or layers.edits.has_priorities
        self.is_watching = len(halo) > 0

    @classmethod
    def build(cls, entries: Iterable[tuple[Geofence, Covering]] = ()) -> Self:
        """Index geofences by their coverings; of entries with one id the last counts."""
        return cls(Layers.of(entries), _NONE, {})

    def updated(self, put: Iterable[tuple[Geofence, Covering]] = (), removed: Iterable[str] = ()) -> Self:
        """This index with geofences put, and others gone; what is in both is put. Unknown removed ids are no error."""
        fresh, gone = {g.id: (g, covering) for g, covering in put}, set(removed)
        watched = {g.id: g for g, _ in fresh.values() if g.id in self._halo_m}
        halo = self._halo
        if watched or not gone.isdisjoint(self._halo_m):
            halo = halo.updated(_halo_entries(watched, self._halo_m), gone)
        return type(self)(self._layers.updated(fresh, gone), halo, self._halo_m)

    def watching(self, halo_m: Mapping[str, float]) -> Self:
        """This index with ``near`` reporting each named geofence up to its distance in metres.

        Only what is watched costs anything, and only what changed is compiled; unknown ids wait until they exist.
        """
        changed = {id_ for id_, margin_m in halo_m.items() if self._halo_m.get(id_) != margin_m}
        found = {id_: geofence for id_ in changed if (geofence := self.get(id_)) is not None}
        halo = self._halo.updated(_halo_entries(found, halo_m), set(self._halo_m) - set(halo_m))
        return type(self)(self._layers, halo, dict(halo_m))

    def __len__(self) -> int:
        """How many geofences."""
        return len(self._layers)

    def __iter__(self) -> Iterator[Geofence]:
        """All geofences, in no order that means anything."""
        return iter(self._layers)

    def __contains__(self, id_: object) -> bool:
        """Whether a geofence has this id."""
        return isinstance(id_, str) and self.get(id_) is not None

    def get(self, id_: str) -> Geofence | None:
        """The geofence of this id."""
        layers = self._layers
        if layers.is_plain:
            at = layers.base.ordinals.get(id_)
            return None if at is None else layers.base.geofences[at]
        layer, ordinal = layers.find(id_)
        return layer.geofences[ordinal] if layer else None

    def priority_of(self, id_: str) -> float:
        """The geofence's priority; 0 for an unknown id."""
        geofence = self.get(id_)
        return geofence.priority if geofence else 0.0

    def locate(self, lat: float, lng: float) -> tuple[str, ...]:
        """Ids of the geofences that cover the point, sorted; ``NOWHERE`` if none. ValueError off the Earth."""
        if not (-90.0 <= lat <= 90.0 and -180.0 <= lng <= 180.0):
            raise ValueError(_OFF_EARTH)
        layers = self._layers
        base, edits = layers.base, layers.edits
        if not base.sieve.passes(lat, lng) and (layers.is_plain or not edits.sieve.passes(lat, lng)):
            return NOWHERE
        key = h3grid.key_of(lat, lng)
        hits = base.hits_of(key, lat, lng)
        if layers.is_plain:
            if len(hits) > 1:
                return tuple(sorted([base.ids[i] for i in hits]))
            return (base.ids[hits[0]],) if hits else NOWHERE
        found = [base.ids[i] for i in hits if i not in layers.masked]
        found += [edits.ids[i] for i in edits.hits_of(key, lat, lng)]
        return tuple(sorted(found)) if found else NOWHERE

    def locate_many(self, lats: ArrayLike, lngs: ArrayLike) -> list[tuple[str, ...]]:
        """``locate`` for each pair of two equally long sequences, by one vectorised exact test."""
        lat, lng = np.asarray(lats, dtype=np.float64), np.asarray(lngs, dtype=np.float64)
        # NaN is the least and the greatest of what it is among, and in no range
        if len(lat) and not (lat.min() >= -90 and lat.max() <= 90 and lng.min() >= -180 and lng.max() <= 180):
            raise ValueError(_OFF_EARTH)
        located = [NOWHERE] * len(lat)
        for begin in range(0, len(lat), _BLOCK):
            self._locate_block(located, begin, lat[begin : begin + _BLOCK], lng[begin : begin + _BLOCK])
        return located

    def _locate_block(self, located: list[tuple[str, ...]], begin: int, lat: Floats, lng: Floats) -> None:
        layers = self._layers
        base, edits = layers.base, layers.edits
        passed = base.sieve.passes_many(lat, lng)
        if len(edits):
            passed |= edits.sieve.passes_many(lat, lng)
        some = passed.nonzero()[0]
        if not len(some):
            return
        keys = h3grid.keys_of(lat[some], lng[some])
        # along the line every table is walked once, instead of missing the cache for every point
        order = keys.argsort()
        keys, some = keys[order], some[order]
        lat, lng = lat[some], lng[some]
        some += begin
        rows, ordinals = base.hits_of_many(keys, lat, lng)
        if layers.masked:
            alive = ~np.isin(ordinals, np.fromiter(layers.masked, dtype=np.int64))
            rows, ordinals = rows[alive], ordinals[alive]
        _collect(located, some[rows], ordinals, base.ids)
        if len(edits):
            rows, ordinals = edits.hits_of_many(keys, lat, lng)
            _collect(located, some[rows], ordinals, edits.ids)

    def near(self, lat: float, lng: float) -> list[tuple[str, float]]:
        """Watched geofences within their distance, with ``boundary_distance_m``, by id; [] if none is watched."""
        if not self.is_watching:
            return []
        found = []
        for geofence in self._halo.candidates(h3grid.key_of(lat, lng)):
            away_m = self.boundary_distance_m(geofence.id, lat, lng)
            if away_m <= self._halo_m[geofence.id]:
                found.append((geofence.id, away_m))
        return sorted(found)

    def near_any(self, lats: ArrayLike, lngs: ArrayLike) -> frozenset[int]:
        """Rows of points that may be near a watched geofence: all for which ``near`` could have an answer."""
        if not self.is_watching:
            return frozenset()
        keys = h3grid.keys_of(np.asarray(lats, dtype=np.float64), np.asarray(lngs, dtype=np.float64))
        return frozenset(np.flatnonzero(self._halo.have_candidates(keys)).tolist())

    def boundary_distance_m(self, id_: str, lat: float, lng: float) -> float:
        """Metres to the geofence's boundary: negative inside, positive outside. KeyError for an unknown id."""
        layer, ordinal = self.find(id_)
        if layer is None:
            raise KeyError(id_)
        away_m = boundary_distance_m(layer.outlines, ordinal, lat, lng)
        return -away_m if layer.covers(ordinal, lat, lng) else away_m

    @property
    def nbytes(self) -> int:
        """Memory of the compiled arrays, without the geofences themselves."""
        return self._layers.nbytes + self._halo.nbytes


_NONE: Final = Layers.of(())


def _halo_entries(
    geofences: Mapping[str, Geofence], halo_m: Mapping[str, float]
) -> dict[str, tuple[Geofence, Covering]]:
    """Coverings as wide as each geofence is watched."""
    by_margin: dict[float, list[Geofence]] = {}
    for id_, geofence in geofences.items():
        by_margin.setdefault(float(halo_m[id_]), []).append(geofence)
    return {
        geofence.id: (geofence, covering)
        for margin_m, watched in by_margin.items()
        for geofence, covering in zip(watched, cover_many([g.shape for g in watched], margin_m), strict=True)
    }


def _collect(located: list[tuple[str, ...]], rows: Ordinals, ordinals: Ordinals, ids: Sequence[str]) -> None:
    """Add the hits to what is located already, sorted."""
    for row, name in zip(rows.tolist(), [ids[i] for i in ordinals.tolist()], strict=True):
        held = located[row]
        if not held:
            located[row] = (name,)
        elif held[-1] < name:
            located[row] = (*held, name)
        else:
            located[row] = tuple(sorted((*held, name)))
