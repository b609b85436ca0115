"""Which geofences hold a point: an immutable index, for one point or many at once, to the last vertex.

An index is a base layer and a small layer of later edits over it, so that an edit shares all of the base and
costs what the small layer costs. Once the edits outgrow ``_MERGE_AT`` both are merged into a new base.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geofences import h3grid
from geofences.covering import Covering, cover_many
from geofences.layer import Layer
from geofences.model import Geofence
from geofences.outline import boundary_distance_m

Rows = NDArray[np.int64]

NOWHERE: tuple[str, ...] = ()
"""The shared answer for a point in no geofence."""

_OFF_EARTH = "not a latitude and longitude in degrees"

_MERGE_AT = 512
"""Edits kept apart from the base: recompiling them at each further edit stays within some 10 ms."""


class GeofenceIndex:
    """All geofences at one version of the catalog. Safe to share between threads.

    ``halos`` is the distance up to which each watched geofence is reported by ``near``.
    """

    __slots__ = ("_base", "_edits", "_halo", "_halo_m", "_is_plain", "_masked", "has_priorities", "is_watching")

    has_priorities: bool
    """Whether any geofence has a ``priority`` property."""

    is_watching: bool
    """Whether ``near`` can ever have an answer."""

    def __init__(
        self, base: Layer, edits: Layer, masked: frozenset[int], halo: Layer | None, halo_m: Mapping[str, float]
    ) -> None:
        """Use ``build``."""
        self._base, self._edits, self._masked = base, edits, masked
        self._halo, self._halo_m = halo, halo_m
        self._is_plain = not masked and not len(edits)
        self.has_priorities = base.has_priorities or edits.has_priorities
        self.is_watching = halo is not None

    @classmethod
    def build(cls, entries: Iterable[tuple[Geofence, Covering]] = ()) -> Self:
        """Index geofences by their coverings; of entries with one id the last counts."""
        unique = {geofence.id: (geofence, covering) for geofence, covering in entries}
        return cls(Layer.compiled(list(unique.values())), _NO_EDITS, frozenset(), None, {})

    def updated(self, put: Iterable[tuple[Geofence, Covering]] = (), removed: Iterable[str] = ()) -> Self:
        """This index with geofences added or replaced, and others gone. Unknown removed ids are no error."""
        fresh = {geofence.id: (geofence, covering) for geofence, covering in put}
        gone = (set(removed) | set(fresh)) - (set(removed) & set(fresh))
        gone |= set(fresh)
        masked = self._masked | {self._base.ordinals[i] for i in gone if i in self._base.ordinals}
        edits = Layer.compiled(list(fresh.values()))
        if len(self._edits):
            dropped = frozenset(self._edits.ordinals[i] for i in gone if i in self._edits.ordinals)
            edits = Layer.merged(self._edits, dropped, edits)
        base = self._base
        if len(edits) + len(masked) > _MERGE_AT:
            base, edits, masked = Layer.merged(base, frozenset(masked), edits), _NO_EDITS, frozenset()
        index = type(self)(base, edits, frozenset(masked), self._halo, self._halo_m)
        touched = {i for i in gone if i in self._halo_m}
        return index.watching(self._halo_m) if touched else index

    def watching(self, halo_m: Mapping[str, float]) -> Self:
        """This index with ``near`` reporting each named geofence up to its distance in metres.

        Only what is watched costs anything; unknown ids wait until they exist.
        """
        by_margin: dict[float, list[Geofence]] = {}
        for id_, margin_m in halo_m.items():
            geofence = self.get(id_)
            if geofence is not None and margin_m > 0:
                by_margin.setdefault(float(margin_m), []).append(geofence)
        entries = [
            entry
            for margin_m, watched in by_margin.items()
            for entry in zip(watched, cover_many([g.shape for g in watched], margin_m), strict=True)
        ]
        halo = Layer.compiled(entries) if entries else None
        return type(self)(self._base, self._edits, self._masked, halo, dict(halo_m))

    def __len__(self) -> int:
        """How many geofences."""
        return len(self._base) - len(self._masked) + len(self._edits)

    def __iter__(self) -> Iterator[Geofence]:
        """All geofences, in no order that means anything."""
        masked = self._masked
        for ordinal, geofence in enumerate(self._base.geofences):
            if ordinal not in masked:
                yield geofence
        yield from self._edits.geofences

    def __contains__(self, id_: object) -> bool:
        """Whether a geofence has this id."""
        return isinstance(id_, str) and self.get(id_) is not None

    def get(self, id_: str) -> Geofence | None:
        """The geofence of this id."""
        if self._is_plain:
            base = self._base
            at = base.ordinals.get(id_)
            return None if at is None else base.geofences[at]
        layer, ordinal = self._find(id_)
        return layer.geofences[ordinal] if layer else None

    def priority_of(self, id_: str) -> float:
        """The geofence's ``priority`` property if it is a number, else 0."""
        geofence = self.get(id_)
        priority = geofence.properties.get("priority") if geofence else None
        return float(priority) if isinstance(priority, int | float) else 0.0

    def _find(self, id_: str) -> tuple[Layer | None, int]:
        ordinal = self._edits.ordinals.get(id_, -1)
        if ordinal >= 0:
            return self._edits, ordinal
        ordinal = self._base.ordinals.get(id_, -1)
        if ordinal < 0 or ordinal in self._masked:
            return None, -1
        return self._base, ordinal

    def locate(self, lat: float, lng: float) -> tuple[str, ...]:
        """Ids of the geofences that cover the point, sorted; ``NOWHERE`` if none. ValueError off the Earth."""
        if not (-90.0 <= lat <= 90.0 and -180.0 <= lng <= 180.0):
            raise ValueError(_OFF_EARTH)
        base, edits = self._base, self._edits
        if not base.sieve.passes(lat, lng) and (self._is_plain or not edits.sieve.passes(lat, lng)):
            return NOWHERE
        key = h3grid.key_of(lat, lng)
        hits = base.hits_of(key, lat, lng)
        if self._is_plain:
            if len(hits) > 1:
                return tuple(sorted([base.ids[i] for i in hits]))
            return (base.ids[hits[0]],) if hits else NOWHERE
        found = [base.ids[i] for i in hits if i not in self._masked]
        found += [edits.ids[i] for i in edits.hits_of(key, lat, lng)]
        return tuple(sorted(found)) if found else NOWHERE

    def locate_many(self, lats: ArrayLike, lngs: ArrayLike) -> list[tuple[str, ...]]:
        """``locate`` for each pair of two equally long sequences, by one vectorised exact test."""
        lat, lng = np.asarray(lats, dtype=np.float64), np.asarray(lngs, dtype=np.float64)
        if not bool(np.all(np.abs(lat) <= 90) and np.all(np.abs(lng) <= 180)):
            raise ValueError(_OFF_EARTH)
        located = [NOWHERE] * len(lat)
        base, edits = self._base, self._edits
        passed = base.sieve.passes_many(lat, lng)
        if len(edits):
            passed |= edits.sieve.passes_many(lat, lng)
        some = np.flatnonzero(passed)
        if not len(some):
            return located
        lat, lng = lat[some], lng[some]
        keys = h3grid.keys_of(lat, lng)
        rows, ordinals = base.hits_of_many(keys, lat, lng)
        if self._masked:
            alive = ~np.isin(ordinals, np.fromiter(self._masked, dtype=np.int64))
            rows, ordinals = rows[alive], ordinals[alive]
        ids = base.ids
        _collect(located, some[rows], [ids[i] for i in ordinals.tolist()])
        if len(edits):
            rows, ordinals = edits.hits_of_many(keys, lat, lng)
            for row, ordinal in zip(some[rows].tolist(), ordinals.tolist(), strict=True):
                located[row] = tuple(sorted((*located[row], edits.ids[ordinal])))
        return located

    def near(self, lat: float, lng: float) -> list[tuple[str, float]]:
        """Watched geofences within their distance, with ``boundary_distance_m``, by id; [] if none is watched."""
        halo = self._halo
        if halo is None:
            return []
        found: list[tuple[str, float]] = []
        for mark in halo.candidates(h3grid.key_of(lat, lng)):
            id_ = halo.ids[mark >> 1]
            away_m = self.boundary_distance_m(id_, lat, lng)
            if away_m <= self._halo_m[id_]:
                found.append((id_, away_m))
        return sorted(found)

    def near_any(self, lats: ArrayLike, lngs: ArrayLike) -> frozenset[int]:
        """Rows of points that may be near a watched geofence: all for which ``near`` could have an answer."""
        halo = self._halo
        if halo is None:
            return frozenset()
        lat, lng = np.asarray(lats, dtype=np.float64), np.asarray(lngs, dtype=np.float64)
        piece = halo.pieces.starts.searchsorted(h3grid.keys_of(lat, lng), "right")
        return frozenset(np.flatnonzero(halo.pieces.offsets[piece] > halo.pieces.offsets[piece - 1]).tolist())

    def covers(self, id_: str, lat: float, lng: float) -> bool:
        """Whether one geofence covers the point; false for an unknown id."""
        layer, ordinal = self._find(id_)
        return layer is not None and layer.covers(ordinal, lat, lng)

    def boundary_distance_m(self, id_: str, lat: float, lng: float) -> float:
        """Metres to the geofence's boundary: negative inside, positive outside. KeyError for an unknown id."""
        layer, ordinal = self._find(id_)
        if layer is None:
            raise KeyError(id_)
        away_m = boundary_distance_m(layer.outlines, ordinal, lat, lng)
        return -away_m if layer.covers(ordinal, lat, lng) else away_m

    @property
    def nbytes(self) -> int:
        """Memory of the compiled arrays, without the geofences themselves."""
        layers = [self._base, self._edits, *([self._halo] if self._halo else [])]
        return sum(layer.pieces.nbytes + layer.outlines.nbytes + layer.sieve.nbytes for layer in layers)


_NO_EDITS = Layer.compiled([])


def _collect(located: list[tuple[str, ...]], rows: Rows, ids: list[str]) -> None:
    """Group ids by row, sorted."""
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    bounds = [*first.tolist(), len(rows)]
    for row, (begin, end) in zip(rows[first].tolist(), pairwise(bounds), strict=True):
        located[row] = (ids[begin],) if end - begin == 1 else tuple(sorted(ids[begin:end]))
