"""A base layer under a small layer of later edits: an edit shares all of the base and costs what the small one costs.

Once the edits outgrow ``MERGE_AT`` both are merged into a new base.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from geofences import h3grid
from geofences.covering import Covering
from geofences.layer import Layer
from geofences.model import Geofence

MERGE_AT: Final = 512
"""Edits kept apart from the base: recompiling them at each further edit stays within some 10 ms."""

Entries = Mapping[str, tuple[Geofence, Covering]]


class Layers:
    """Geofences of unique ids. Immutable; ``masked`` are the base's ordinals that edits replaced or removed."""

    __slots__ = ("base", "edits", "is_plain", "masked")

    def __init__(self, base: Layer, edits: Layer, masked: frozenset[int]) -> None:
        """Use ``of``."""
        self.base, self.edits, self.masked = base, edits, masked
        self.is_plain = not masked and not len(edits)

    @classmethod
    def of(cls, entries: Iterable[tuple[Geofence, Covering]]) -> Self:
        """Compile all geofences into one base; of entries with one id the last counts."""
        return cls(Layer.compiled(entries), NO_EDITS, frozenset())

    def updated(self, put: Entries, removed: set[str]) -> Self:
        """These with some put, and others gone; what is in both is put."""
        gone = removed | set(put)
        masked = self.masked.union(self.base.ordinals[i] for i in gone if i in self.base.ordinals)
        edits = Layer.compiled(put.values())
        if len(self.edits):
            dropped = frozenset(self.edits.ordinals[i] for i in gone if i in self.edits.ordinals)
            edits = Layer.merged(self.edits, dropped, edits)
        if len(edits) + len(masked) <= MERGE_AT:
            return type(self)(self.base, edits, masked)
        return type(self)(Layer.merged(self.base, masked, edits), NO_EDITS, frozenset())

    def find(self, id_: str) -> tuple[Layer | None, int]:
        """The layer that holds a geofence, and its ordinal there."""
        ordinal = self.edits.ordinals.get(id_, -1)
        if ordinal >= 0:
            return self.edits, ordinal
        ordinal = self.base.ordinals.get(id_, -1)
        if ordinal < 0 or ordinal in self.masked:
            return None, -1
        return self.base, ordinal

    def __len__(self) -> int:
        """How many geofences."""
        return len(self.base) - len(self.masked) + len(self.edits)

    def __iter__(self) -> Iterator[Geofence]:
        """All geofences, in no order that means anything."""
        masked = self.masked
        for ordinal, geofence in enumerate(self.base.geofences):
            if ordinal not in masked:
                yield geofence
        yield from self.edits.geofences

    def candidates(self, key: int) -> Iterator[Geofence]:
        """Geofences whose cells hold the key."""
        for mark in self.base.candidates(key):
            if mark >> 1 not in self.masked:
                yield self.base.geofences[mark >> 1]
        for mark in self.edits.candidates(key):
            yield self.edits.geofences[mark >> 1]

    def have_candidates(self, keys: h3grid.Keys) -> NDArray[np.bool_]:
        """For each key, whether any cell holds it, masked ones included."""
        found = np.zeros(len(keys), dtype=bool)
        for pieces in (self.base.pieces, self.edits.pieces):
            piece = pieces.starts.searchsorted(keys, "right")
            found |= pieces.offsets[piece] > pieces.offsets[piece - 1]
        return found

    @property
    def nbytes(self) -> int:
        """Memory of the compiled arrays, without the geofences themselves."""
        return self.base.nbytes + self.edits.nbytes


NO_EDITS: Final = Layer.compiled([])
