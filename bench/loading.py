"""Loading stored documents and coverings, in a fresh process whose memory is what the catalog takes.

The catalog streams through a pipe, so that however large it is, the process that counts holds nothing else. It is run
as ``python -m bench.loading``, reads blocks of rows and prints its figures.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from geofences.covering import Covering, cover_many
from geofences.importing import parse_feature, restore_features
from geofences.index import GeofenceIndex
from geofences.model import Geofence

BLOCK = 4096
Rows = list[tuple[bytes, bytes]]
"""Documents with their coverings, as the store has them."""


def measure(documents: Iterable[bytes]) -> dict[str, float]:
    """Load the features in a process of their own: CPU time, and memory while and after."""
    command = [sys.executable, "-m", "bench.loading"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for rows in _stored(documents):
            raw = msgspec.msgpack.encode(rows)
            child.stdin.write(len(raw).to_bytes(4, "big") + raw)
        child.stdin.close()
        figures: dict[str, float] = json.loads(child.stdout.read())
    return figures


def _stored(documents: Iterable[bytes]) -> Iterator[Rows]:
    block: list[tuple[bytes, Geofence]] = []
    for document in documents:
        parsed = parse_feature(msgspec.json.decode(document))
        if isinstance(parsed, Geofence):
            block.append((document, parsed))
        if len(block) == BLOCK:
            yield _covered(block)
            block = []
    if block:
        yield _covered(block)


def _covered(block: list[tuple[bytes, Geofence]]) -> Rows:
    coverings = cover_many([geofence.shape for _, geofence in block])
    return [(document, covering.to_bytes()) for (document, _), covering in zip(block, coverings, strict=True)]


class _Reading:
    """Rows from a pipe; knows what reading them took."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self.spent_s = 0.0
        self.bytes = 0

    def entries(self) -> Iterator[tuple[Geofence, Covering]]:
        while rows := self._next():
            geofences = restore_features([(document, 1) for document, _ in rows])
            yield from zip(geofences, [Covering.from_bytes(cells) for _, cells in rows], strict=True)

    def _next(self) -> Rows:
        begin = time.process_time()
        raw = self._pipe.read(int.from_bytes(self._pipe.read(4), "big"))
        rows = msgspec.msgpack.decode(raw, type=Rows) if raw else []
        self.bytes += len(raw)
        self.spent_s += time.process_time() - begin
        return rows


def resident_bytes() -> int:
    """Memory of this process now, after giving back what is free."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize()


def load(pipe: BinaryIO) -> dict[str, float]:
    """Build an index of what comes through the pipe."""
    restore_features([])
    before = resident_bytes()
    # as the gateway does until it has loaded its catalog: of all these objects none is garbage
    gc.disable()
    reading = _Reading(pipe)
    begin = time.process_time()
    index = GeofenceIndex.build(reading.entries())
    load_s = time.process_time() - begin - reading.spent_s
    steady = resident_bytes()
    return {
        "loaded": len(index),
        "load_s": load_s,
        "bytes_per_fence": (steady - before) / max(1, len(index)),
        "input_gb": reading.bytes / 1e9,
        "steady_gb": steady / 1e9,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


if __name__ == "__main__":
    print(json.dumps(load(sys.stdin.buffer)))
