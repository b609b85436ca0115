"""Replay: the pure engine over files, as it would have run live.

Reads geofences (GeoJSON) and pings (newline-delimited JSON), writes every transition as
``ts,user_id,store_id,event``, sorted by ts, user_id, exit before enter, store_id. Names that end in ``.gz`` are
compressed. With the raw policy and time order the output is the planar truth of the files.

Run as ``geopush replay`` or ``python -m gateway.offline.replay``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, Literal, cast

import msgspec

from gateway.errors import GeopushError, InvalidDocument
from geofences.covering import cover_many
from geofences.geodesy import is_on_earth
from geofences.importing import FeatureError, UnreadableCollection, parse_collection
from geofences.index import GeofenceIndex
from geofences.model import Geofence, Ping, Transition, TransitionKind
from geofences.transitions import Policy, Presence, next_due_ms, step, tick

Order = Literal["ts", "arrival"]
Progress = Callable[[int, int], None]
"""Called with bytes read and bytes in all."""

POLICIES = {"raw": Policy.RAW, "default": Policy.DEFAULT}

_BATCH = 4096
"""Pings located together."""

_KIND_ORDER = {TransitionKind.EXIT: 0, TransitionKind.ENTER: 1}


class FilePing(
    Ping,
    frozen=True,
    gc=False,
    rename={"at_ms": "ts", "lng": "lon", "accuracy_m": "accuracy", "speed_mps": "speed", "heading_deg": "heading"},
):
    """A ping as it stands in a file: one JSON object a line."""

    # msgspec renames only the fields a class declares itself
    user_id: str
    at_ms: int
    lat: float
    lng: float
    accuracy_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None


class Summary(msgspec.Struct, frozen=True):
    """What a replay did. ``ignored`` counts pings by reason, ``transitions`` by kind."""

    geofences: int
    users: int
    pings: int
    ignored: dict[str, int]
    transitions: dict[str, int]


def replay(
    geofences_path: Path,
    pings_path: Path,
    policy: Policy,
    order: Order,
    events_path: Path,
    progress: Progress | None = None,
) -> Summary:
    """Run the engine over files and write its transitions. InvalidDocument names the bad line or feature."""
    index = read_index(geofences_path)
    presences: dict[str, Presence] = {}
    ignored: Counter[str] = Counter()
    transitions: list[Transition] = []
    count, now_ms = 0, 0
    for batch in _batches(read_pings(pings_path, progress), order):
        count += len(batch)
        located = index.locate_many([p.lat for p in batch], [p.lng for p in batch])
        for ping, inside in zip(batch, located, strict=True):
            now_ms = max(now_ms, ping.at_ms)
            presence = presences.get(ping.user_id, Presence.EMPTY)
            presence = _elapsed(presence, ping, index, policy, transitions)
            stepped = step(presence, inside, ping, index, policy, now_ms)
            presences[ping.user_id] = stepped.presence
            transitions += stepped.transitions
            if stepped.ignored is not None:
                ignored[stepped.ignored.value] += 1
    _write_events(events_path, transitions)
    kinds = Counter(t.kind.value for t in transitions)
    return Summary(len(index), len(presences), count, dict(ignored), dict(kinds))


def _elapsed(
    presence: Presence, ping: Ping, index: GeofenceIndex, policy: Policy, transitions: list[Transition]
) -> Presence:
    """Tell what the gateway's timers would have told before this ping."""
    while (due_ms := next_due_ms(presence, policy)) is not None and due_ms < ping.at_ms:
        ticked = tick(presence, ping.user_id, index, policy, due_ms)
        if ticked.presence is presence:
            break
        transitions += ticked.transitions
        presence = ticked.presence
    return presence


def read_index(path: Path) -> GeofenceIndex:
    """Compile a GeoJSON file; InvalidDocument lists every feature that is not a geofence."""
    content_type = "application/x-ndjson" if path.name.removesuffix(".gz").endswith(("ndjson", "jsonl")) else ""
    with _opened(path) as file:
        raw = file.read()
    try:
        parsed = parse_collection(raw, content_type)
    except UnreadableCollection as error:
        raise InvalidDocument(f"{path}: {error}", pointer=error.error.pointer) from error
    bad = [(i, result) for i, result in parsed if isinstance(result, FeatureError)]
    if bad:
        at, fault = bad[0]
        faults = [{"index": i, "pointer": e.pointer, "code": e.code, "detail": e.detail} for i, e in bad]
        detail = f"{path}: {len(bad)} bad features, the first {at}{fault.pointer}: {fault.detail} ({fault.code})"
        raise InvalidDocument(detail, errors=faults)
    geofences = [result for _, result in parsed if isinstance(result, Geofence)]
    return GeofenceIndex.build(zip(geofences, cover_many([g.shape for g in geofences]), strict=True))


def read_pings(path: Path, progress: Progress | None = None) -> Iterator[Ping]:
    """The pings of a file in its order; InvalidDocument names the line of the first bad one."""
    decode = msgspec.json.Decoder(FilePing).decode
    total_bytes = path.stat().st_size
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw) as lines:
        for number, line in enumerate(lines, start=1):
            if line.isspace():
                continue
            try:
                ping = decode(line)
            except msgspec.DecodeError as error:
                raise InvalidDocument(f"{path}, line {number}: {error}") from error
            if not is_on_earth(ping.lat, ping.lng):
                raise InvalidDocument(f"{path}, line {number}: lat and lon are degrees, within ±90 and ±180")
            yield ping
            if progress and number % _BATCH == 0:
                progress(raw.tell(), total_bytes)
        if progress:
            progress(total_bytes, total_bytes)


def _batches(pings: Iterable[Ping], order: Order) -> Iterator[list[Ping]]:
    if order == "ts":
        pings = sorted(pings, key=lambda p: p.at_ms)
    batch: list[Ping] = []
    for ping in pings:
        batch.append(ping)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _write_events(path: Path, transitions: list[Transition]) -> None:
    def place(t: Transition) -> tuple[int, str, int, str, int]:
        return t.at_ms, t.user_id, _KIND_ORDER.get(t.kind, 2), t.geofence_id, t.dwell_s or t.nearby_m or 0

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ts", "user_id", "store_id", "event"])
    writer.writerows([t.at_ms, t.user_id, t.geofence_id, t.kind.value] for t in sorted(transitions, key=place))
    raw = text.getvalue().encode()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def main(argv: list[str] | None = None) -> int:
    """The command: 0 and a JSON summary on stdout, or 1 and one line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(prog="geopush replay", description="Run the engine over files of pings.")
    parser.add_argument("--geofences", type=Path, required=True, metavar="F.geojson")
    parser.add_argument("--pings", type=Path, required=True, metavar="P.ndjson[.gz]")
    parser.add_argument("--policy", choices=sorted(POLICIES), default="default", help="raw follows every fix")
    parser.add_argument("--order", choices=["ts", "arrival"], default="ts", help="by fix time, or as in the file")
    parser.add_argument("--events", type=Path, required=True, metavar="OUT.csv[.gz]")
    options = parser.parse_args(argv)
    try:
        with _bar() as progress:
            summary = replay(
                options.geofences, options.pings, POLICIES[options.policy], options.order, options.events, progress
            )
    except (GeopushError, OSError) as error:
        print(f"geopush replay: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.encode(summary).decode())
    return 0


class _bar:  # noqa: N801 - a context manager used as a function
    """A progress bar on a terminal, nothing elsewhere."""

    def __enter__(self) -> Progress | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = TextColumn("replaying"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        self._bars = Bars(*columns, console=Console(stderr=True), transient=True)
        self._bars.start()
        task = self._bars.add_task("pings")
        return lambda done, total: self._bars.update(task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_bars"):
            self._bars.stop()


if __name__ == "__main__":
    sys.exit(main())
