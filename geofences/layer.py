"""A set of geofences compiled to arrays: which of them may hold a point, by one binary search.

Every cell of every covering is a range of keys on one line (``h3grid.ranges_of``). The ends of all ranges cut
the line into pieces, and each piece has the list of the geofences whose cells cover it, marked interior or
boundary. A point's key is searched among the starts of the pieces; only boundary marks need the exact test.

Geofences are known by ordinal: their place along the same line, so that what is needed of neighbours lies together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geofences import h3grid
from geofences.covering import Covering
from geofences.model import Geofence
from geofences.outline import Floats, Outlines, covers_many, covers_one, spread
from geofences.sieve import Sieve

_RANGES_AT_ONCE: Final = 1 << 19
"""Ranges cut together: some 100 MB on the way, however many fences there are."""

_SAMPLED: Final = 16
"""Every how manieth range is asked where to part the line."""

_ENTRIES_AT_ONCE: Final = 1 << 11
"""Geofences whose coverings are read together: few, so that what they leave is soon filled by the next ones."""

_END: Final = 1 << 62
"""Past every key."""

Ordinals = NDArray[np.int64]

Ranges = tuple[h3grid.Keys, h3grid.Keys, NDArray[np.int32]]
"""From key, to key (exclusive), and the mark they carry."""

_NO_RANGES: Final = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The cut line: piece ``i`` begins at key ``starts[i]`` and lists ``marks[offsets[i]:offsets[i + 1]]``.

    A mark is ``2 * ordinal``, plus 1 where the exact test must decide. Pieces cover all keys.
    """

    starts: h3grid.Keys
    offsets: NDArray[np.int32]
    marks: NDArray[np.int32]

    @classmethod
    def of(cls, low: h3grid.Keys, high: h3grid.Keys, marks: NDArray[np.int32]) -> Pieces:
        """Cut the line by ranges ``low[i]:high[i]`` that carry ``marks[i]``, one stretch of it after the other."""
        stretches = max(1, len(low) // _RANGES_AT_ONCE)
        sample = np.sort(low[::_SAMPLED])
        seams = sample[np.linspace(0, len(sample), stretches + 1).astype(int)[1:-1]].tolist()
        parts = []
        for begin, end in pairwise([-1, *dict.fromkeys(seams), _END]):
            within = np.flatnonzero((low < end) & (high > begin))
            clipped = np.maximum(low[within], begin), np.minimum(high[within], end)
            parts.append(cls._cut(*clipped, marks[within], begin, end))
        sizes = [np.diff(part.offsets) for part in parts]
        offsets = np.zeros(sum(map(len, sizes)) + 1, dtype=np.int32)
        np.cumsum(np.concatenate(sizes), out=offsets[1:])
        return cls(np.concatenate([p.starts for p in parts]), offsets, np.concatenate([p.marks for p in parts]))

    @classmethod
    def _cut(cls, low: h3grid.Keys, high: h3grid.Keys, marks: NDArray[np.int32], begin: int, end: int) -> Pieces:
        cuts = np.concatenate([np.array([begin], dtype=np.int64), low, high[high < end]])
        # what comes along the line is nearly sorted, which only the stable sort makes use of
        cuts.sort(kind="stable")
        cuts = cuts[np.append(True, cuts[1:] != cuts[:-1])]
        first = np.searchsorted(cuts, low)
        counts = np.searchsorted(cuts, high) - first
        entries = (spread(first, counts) << 32) | np.repeat(marks, counts)
        entries.sort(kind="stable")
        mark = (entries & 0xFFFFFFFF).astype(np.int32)
        size = np.bincount(entries >> 32, minlength=len(cuts))
        kept = ~_repeats_last(mark, np.cumsum(size) - size, size)
        kept[0] = True
        offsets = np.zeros(int(kept.sum()) + 1, dtype=np.int32)
        np.cumsum(size[kept], out=offsets[1:])
        return cls(cuts[kept], offsets, mark[np.repeat(kept, size)])

    def ranges(self) -> Ranges:
        """What ``of`` would cut into the same pieces."""
        sizes = np.diff(self.offsets)
        ends = np.append(self.starts[1:], self.starts[-1])
        return np.repeat(self.starts, sizes), np.repeat(ends, sizes), self.marks

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.starts.nbytes + self.offsets.nbytes + self.marks.nbytes


def _repeats_last(mark: NDArray[np.int32], begin: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pieces list exactly what the piece before them lists."""
    same = np.zeros(len(size), dtype=bool)
    same[1:] = size[1:] == size[:-1]
    rows = np.flatnonzero(same & (size > 0))
    if len(rows):
        at = spread(begin[rows], size[rows])
        equal = mark[at] == mark[at - np.repeat(size[rows], size[rows])]
        same[rows] = np.logical_and.reduceat(equal, np.cumsum(size[rows]) - size[rows])
    return same


class Layer:
    """Geofences along the line, with their pieces and outlines. Immutable."""

    __slots__ = (
        "_marks",
        "_offsets",
        "_starts",
        "geofences",
        "has_priorities",
        "ids",
        "ordinals",
        "outlines",
        "pieces",
        "shapes",
        "sieve",
    )

    def __init__(self, geofences: Sequence[Geofence], outlines: Outlines, pieces: Pieces) -> None:
        """Outlines and marks are in the geofences' order, ids are unique."""
        self.geofences = geofences
        self.outlines, self.pieces = outlines, pieces
        # a single item of a memoryview costs a third of one of an array
        self._starts, self._offsets, self._marks = pieces.starts, pieces.offsets.data, pieces.marks.data
        self.ids = [g.id for g in geofences]
        self.has_priorities = any(g.priority for g in geofences)
        self.shapes = _Shapes(geofences)
        self.sieve = Sieve(outlines)
        self.ordinals = {id_: ordinal for ordinal, id_ in enumerate(self.ids)}

    @classmethod
    def compiled(cls, entries: Iterable[tuple[Geofence, Covering]]) -> Layer:
        """Compile geofences in any order; of entries with one id the last counts. A covering is only needed once."""
        geofences: list[Geofence] = []
        outlines = [Outlines.of([])]
        ranges = [_NO_RANGES]
        source = iter(entries)
        while block := list(islice(source, _ENTRIES_AT_ONCE)):
            ranges.append(_ranges([covering for _, covering in block], len(geofences)))
            geofences += [geofence for geofence, _ in block]
            outlines.append(Outlines.of([geofence.shape for geofence, _ in block]))
        whole = Outlines.joined([(part, np.arange(len(part))) for part in outlines])
        del outlines
        latest = {geofence.id: at for at, geofence in enumerate(geofences)}
        if len(latest) == len(geofences):
            return cls._assembled(geofences, whole, ranges)
        chosen = np.array(sorted(latest.values()))
        kept = [_renumbered(part, chosen, len(geofences)) for part in ranges]
        return cls._assembled([geofences[i] for i in chosen.tolist()], Outlines.joined([(whole, chosen)]), kept)

    @classmethod
    def merged(cls, lower: Layer, masked: frozenset[int], upper: Layer) -> Layer:
        """Both layers' geofences in one, without the masked ordinals of the lower; ids must not be in both."""
        alive = np.ones(len(lower), dtype=bool)
        alive[list(masked)] = False
        chosen = np.flatnonzero(alive)
        geofences = [lower.geofences[i] for i in chosen.tolist()] + list(upper.geofences)
        outlines = Outlines.joined([(lower.outlines, chosen), (upper.outlines, np.arange(len(upper)))])
        low, high, marks = upper.pieces.ranges()
        above = low, high, marks + np.int32(2 * len(chosen))
        return cls._assembled(geofences, outlines, [_renumbered(lower.pieces.ranges(), chosen, len(lower)), above])

    @classmethod
    def _assembled(cls, geofences: Sequence[Geofence], outlines: Outlines, ranges: Sequence[Ranges]) -> Layer:
        """A layer of geofences in any order, with the marks of their ranges in that order."""
        order = _along_the_line(outlines)
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        low, high, marks = (np.concatenate(part) for part in zip(*ranges, strict=True))
        pieces = Pieces.of(low, high, (place[marks >> 1] << 1) | (marks & 1))
        return cls([geofences[i] for i in order.tolist()], Outlines.joined([(outlines, order)]), pieces)

    def __len__(self) -> int:
        """How many geofences."""
        return len(self.geofences)

    @property
    def nbytes(self) -> int:
        """Memory of the compiled arrays, without the geofences themselves."""
        return self.pieces.nbytes + self.outlines.nbytes + self.sieve.nbytes

    def candidates(self, key: int) -> list[int]:
        """The marks of the piece that holds the key."""
        piece = self._starts.searchsorted(key, "right")
        begin, end = self._offsets[piece - 1], self._offsets[piece]
        return self._marks[begin:end].tolist() if begin != end else []

    def hits_of(self, key: int, lat: float, lng: float) -> list[int]:
        """Ordinals of the geofences that hold the point, ascending."""
        marks = self.candidates(key)
        return [m >> 1 for m in marks if not m & 1 or self.covers(m >> 1, lat, lng)] if marks else marks

    def covers(self, ordinal: int, lat: float, lng: float) -> bool:
        """The exact test for one geofence."""
        return covers_one(self.outlines, self.geofences[ordinal].shape, ordinal, lat, lng)

    def hits_of_many(self, keys: h3grid.Keys, lats: Floats, lngs: Floats) -> tuple[Ordinals, Ordinals]:
        """Rows and ordinals of all hits, by row and then ordinal. Ascending keys find their pieces cheapest."""
        pieces = self.pieces
        piece = pieces.starts.searchsorted(keys, "right")
        begin = pieces.offsets[piece - 1]
        counts = pieces.offsets[piece] - begin
        rows = np.arange(len(keys)).repeat(counts)
        marks = pieces.marks[spread(begin, counts)]
        ordinals = (marks >> 1).astype(np.int64)
        tested = (marks & 1).nonzero()[0]
        if len(tested):
            at = rows[tested]
            held = np.ones(len(rows), dtype=bool)
            held[tested] = covers_many(self.outlines, self.shapes, ordinals[tested], lats[at], lngs[at])
            some = held.nonzero()[0]
            rows, ordinals = rows[some], ordinals[some]
        return rows, ordinals


def _ranges(coverings: Sequence[Covering], first: int) -> Ranges:
    """The ranges of coverings, marked from ordinal ``first`` on; what touches within one covering is one range."""
    parts = [c.interior for c in coverings] + [c.boundary for c in coverings]
    cells = np.frombuffer(b"".join(parts), dtype="<u8").astype(np.uint64)
    counts = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)) // 8
    each = np.arange(first, first + len(coverings), dtype=np.int32) << 1
    marks = np.concatenate([each, each + 1]).repeat(counts)
    low, high = h3grid.ranges_of(cells)
    goes_on = (low[1:] == high[:-1]) & (marks[1:] == marks[:-1])
    begins, ends = np.append(True, ~goes_on), np.append(~goes_on, True)
    return (low[begins], high[ends], marks[begins]) if len(cells) else (low, high, marks)


def _renumbered(ranges: Ranges, chosen: NDArray[np.intp], count: int) -> Ranges:
    """The ranges of the chosen of ``count`` geofences, by their place among the chosen."""
    place = np.full(count, -1, dtype=np.int32)
    place[chosen] = np.arange(len(chosen), dtype=np.int32)
    low, high, marks = ranges
    is_chosen = place[marks >> 1] >= 0
    low, high, marks = low[is_chosen], high[is_chosen], marks[is_chosen]
    return low, high, (place[marks >> 1] << 1) | (marks & 1)


def _along_the_line(outlines: Outlines) -> NDArray[np.intp]:
    """The shapes in the order of their middles' keys."""
    south, north, west, east = outlines.boxes.T
    return np.argsort(h3grid.keys_of((south + north) / 2, (west + east) / 2), kind="stable")


class _Shapes(Sequence):  # type: ignore[type-arg]
    """The shapes of geofences as a sequence, without a list of its own."""

    def __init__(self, geofences: Sequence[Geofence]) -> None:
        self._geofences = geofences

    def __len__(self) -> int:
        return len(self._geofences)

    def __getitem__(self, i):  # type: ignore[no-untyped-def]
        return self._geofences[i].shape
