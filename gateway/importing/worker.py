"""The slow half of an import, as a process of its own: parse and cover, so that the ping path is not disturbed.

Run as ``python -m gateway.importing.worker``. Reads one line of JSON (``Task``) and then the file from standard
input; writes frames, each a big-endian 4-byte length and MessagePack: ``["total", n]``, ``["fault", {…}]``,
``["feature", id, body, covering]``, ``["unreadable", code, detail]``. Its memory is given back when it ends.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec

from gateway.catalog.features import feature_of
from gateway.importing.tables import features_of_csv
from geofences.covering import cover_many
from geofences.importing import FeatureError, Limits, UnreadableCollection, parse_collection, parse_feature
from geofences.model import Geofence

BLOCK = 1_000
"""Geofences covered at once: a fraction of a second, so that progress moves."""
_CSV_TYPES = {"text/csv", "application/csv", "application/vnd.ms-excel"}


class Task(msgspec.Struct, frozen=True):
    """What to do with the file."""

    content_type: str
    limits: Limits
    radius_m: float | None = None


Parsed = tuple[int, Geofence | FeatureError]


def main() -> None:
    """Serve one task."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    task = msgspec.json.decode(source.readline(), type=Task)
    for frame in work(task, source.read()):
        write_frame(sink, frame)
    sink.flush()


def work(task: Task, raw: bytes) -> Iterator[Sequence[Any]]:
    """The frames of one task."""
    try:
        parsed = _parse_csv(task, raw) if _is_csv(task, raw) else parse_collection(raw, task.content_type, task.limits)
    except UnreadableCollection as unreadable:
        yield "unreadable", unreadable.error.code, unreadable.error.detail
        return
    yield "total", len(parsed)
    for index, found in parsed:
        if isinstance(found, FeatureError):
            yield "fault", {"index": index, **msgspec.structs.asdict(found)}
    good = [found for _, found in parsed if isinstance(found, Geofence)]
    for start in range(0, len(good), BLOCK):
        block = good[start : start + BLOCK]
        for geofence, covering in zip(block, cover_many([geofence.shape for geofence in block]), strict=True):
            yield "feature", geofence.id, feature_of(geofence), covering.to_bytes()


def write_frame(sink: BinaryIO, frame: Sequence[Any]) -> None:
    """One frame with its length."""
    packed = msgspec.msgpack.encode(frame)
    sink.write(struct.pack("!I", len(packed)) + packed)


def _is_csv(task: Task, raw: bytes) -> bool:
    if task.content_type in _CSV_TYPES:
        return True
    return "json" not in task.content_type and raw.lstrip()[:1] not in {b"{", b"["}


def _parse_csv(task: Task, raw: bytes) -> list[Parsed]:
    results: list[Parsed] = []
    seen: dict[str, int] = {}
    for index, (line, feature) in enumerate(features_of_csv(raw, task.radius_m)):
        found = feature if isinstance(feature, FeatureError) else parse_feature(feature, task.limits)
        if isinstance(found, Geofence) and seen.setdefault(found.id, line) != line:
            found = FeatureError("duplicate_id", f"line {seen[found.id]} already has the id {found.id!r}", "/id")
        if isinstance(found, FeatureError):
            found = msgspec.structs.replace(found, line=line)
        results.append((index, found))
    return results


if __name__ == "__main__":
    main()
