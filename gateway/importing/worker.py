"""The slow half of an import, as a process of its own: read, repair and cover, so that the ping path is not disturbed.

Run as ``python -m gateway.importing.worker``. Reads one line of JSON (``Task``) and then the file from standard input;
writes frames, each a big-endian 4-byte length and MessagePack:

    ["source", {format, crs, notes}]       first
    ["total", n]                           rows of the file
    ["fault", {…}], ["repair", {…}], ["advice", {…}]
    ["features", [[id, body, covering], …]]
    ["unreadable", code, detail]           last, instead of the rest

It runs at low priority, within bounds of memory and time that it sets itself before it looks at the file, and its
memory is given back when it ends.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import msgspec

from gateway.catalog.features import feature_of
from gateway.importing.reading import Choices, read
from gateway.importing.unreadable import Unreadable
from geofences.covering import cover_many
from geofences.importing import FeatureError, Limits, Reviewed, UnreadableCollection, advice_on, review
from geofences.importing.reviewing import geometry_of
from geofences.model import Geofence, LatLng
from rules.stores import lint_store

BLOCK: Final = 250
"""Geofences covered and sent at once: some 50 ms, and half a megabyte for whoever reads it."""
NICENESS: Final = 10
"""Far behind the ping path, not so far that a busy machine never imports."""
MAX_DRAWN: Final = 200
"""Repaired features whose geometry is sent along."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the file. ``known`` are places of geofences that are there, [lat, lng]."""

    content_type: str = ""
    limits: Limits = Limits()
    choices: Choices = Choices()
    repairs: bool = True
    known: list[tuple[float, float]] = []
    memory_bytes: int = 4 << 30
    cpu_s: int = 600


def main() -> None:
    """Serve one task."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    task = msgspec.json.decode(source.readline(), type=Task)
    confine(task)
    try:
        for frame in work(task, source.read()):
            write_frame(sink, frame)
    except MemoryError:
        detail = f"the file needs more than {task.memory_bytes >> 20} MB to read; send it in parts"
        write_frame(sink, ("unreadable", "too_large", detail))
    sink.flush()


def confine(task: Task) -> None:
    """Lower this process's priority, and bound what it may take whatever the file makes of its readers."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (task.memory_bytes, task.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (task.cpu_s, task.cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (task.limits.max_bytes, task.limits.max_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, resource.getrlimit(resource.RLIMIT_NPROC))


def work(task: Task, raw: bytes) -> Iterator[Sequence[Any]]:
    """The frames of one task."""
    try:
        source = read(raw, task.content_type, task.choices, task.limits)
        del raw
        known = [LatLng(lat, lng) for lat, lng in task.known]
        results = review(source.rows, task.limits, repairs=task.repairs, known=known, guess=_guess)
    except Unreadable as unreadable:
        yield "unreadable", unreadable.code, unreadable.detail
        return
    except UnreadableCollection as unreadable:
        yield "unreadable", unreadable.error.code, unreadable.error.detail
        return
    yield "source", {"format": source.format, "crs": source.crs, "notes": source.notes}
    yield "total", len(results)
    yield from _told(results)
    good = [result.found for result in results if isinstance(result.found, Geofence)]
    del results
    for start in range(0, len(good), BLOCK):
        block = good[start : start + BLOCK]
        coverings = cover_many([geofence.shape for geofence in block])
        yield (
            "features",
            [(g.id, feature_of(g), covering.to_bytes()) for g, covering in zip(block, coverings, strict=True)],
        )


def _guess(positions: Any, places: Any) -> Any:
    from gateway.importing.projections import guess, unprojected

    found = guess(positions, places)
    if isinstance(found, str):
        return found
    name, unproject = found
    return name, lambda geometry: unprojected(geometry, unproject)


def _told(results: Sequence[Reviewed]) -> Iterator[Sequence[Any]]:
    """Faults, repairs and advice, row by row; repairs that change an area before those that do not."""
    for result in results:
        if isinstance(result.found, FeatureError):
            fault = {"index": result.index, **msgspec.structs.asdict(result.found)}
            yield "fault", fault | ({} if result.line is None else {"line": result.line})
    mended = [result for result in results if result.repairs and isinstance(result.found, Geofence)]
    mended.sort(key=lambda result: not any(repair.change_ratio != 0 for repair in result.repairs))
    for place, result in enumerate(mended):
        for number, repair in enumerate(result.repairs):
            told: dict[str, Any] = _where(result) | msgspec.structs.asdict(repair)
            if place < MAX_DRAWN and number == 0 and isinstance(result.found, Geofence):
                told |= {"before": _drawable(result.before), "after": geometry_of(result.found)}
            yield "repair", told
    for result, advice in advice_on(results):
        yield "advice", _where(result) | {"code": advice.code, "detail": advice.detail}
    for result in results:
        for doubt in lint_store(result.found) if isinstance(result.found, Geofence) else ():
            yield "advice", _where(result) | {"code": doubt.rule, "detail": doubt.detail}


def _where(result: Reviewed) -> dict[str, Any]:
    named = {"id": result.found.id} if isinstance(result.found, Geofence) else {"id": ""}
    return {"index": result.index, "line": result.line, **named}


def _drawable(geometry: dict[str, Any] | None) -> dict[str, Any] | None:
    """The geometry, if a map can show it."""
    return geometry if geometry is not None and _is_on_earth(geometry.get("coordinates")) else None


def _is_on_earth(raw: Any) -> bool:
    if isinstance(raw, list | tuple) and len(raw) >= 2 and isinstance(raw[0], int | float):
        return isinstance(raw[1], int | float) and abs(raw[0]) <= 180 and abs(raw[1]) <= 90
    return isinstance(raw, list | tuple) and all(map(_is_on_earth, raw))


def write_frame(sink: BinaryIO, frame: Sequence[Any]) -> None:
    """One frame with its length."""
    packed = msgspec.msgpack.encode(frame)
    sink.write(struct.pack("!I", len(packed)) + packed)


if __name__ == "__main__":
    main()
