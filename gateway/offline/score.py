"""``geopush score``: how well detected visits match the ones that truly happened.

A detection is right when a true visit of the same user to the same store overlaps it in time. It lives from the moment
it was announced, not from the moment it is dated back to. Every announcement counts, corrections included.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

import msgspec

from gateway.errors import GeopushError, InvalidDocument
from gateway.offline.replay import read_index, read_pings
from geofences.index import GeofenceIndex
from geofences.model import Ping, Transition, TransitionKind
from geofences.storefield import StoreField
from geofences.visits import VisitSettings, VisitState, observe

NAIVE_GAP_MS = 60_000
NOISE_MPS = 0.6
"""Standard deviation of what ``--speed noisy`` adds: what phones report on foot."""


class TrueVisit(msgspec.Struct, frozen=True):
    """One visit that happened."""

    user_id: str
    geofence_id: str
    in_ms: int
    out_ms: int


class Detection(msgspec.Struct, frozen=True):
    """One announced visit: known from ``announced_ms`` on, over at ``ended_ms``."""

    user_id: str
    geofence_id: str
    announced_ms: int
    ended_ms: int
    probability: float = 1.0


class Score(msgspec.Struct, frozen=True):
    """The comparison's figures.

    ``precision`` is the share of detections that overlap a true visit, ``recall`` the share of true visits that are
    overlapped, ``detections_per_visit`` what that cost in messages. ``f1_one_to_one`` is stricter: a second detection
    of one visit counts as wrong. ``delay_s_p50`` is from ``dwell_s`` of true stay to a visit's first detection.
    """

    precision: float
    recall: float
    f1: float
    delay_s_p50: float | None
    detections_per_visit: float
    f1_one_to_one: float
    detections: int
    visits: int


def score(
    detections: Iterable[Detection], visits: Iterable[TrueVisit], min_visit_s: float = 120.0, dwell_s: float = 60.0
) -> Score:
    """Compare detections with the true visits of at least ``min_visit_s``."""
    true: dict[tuple[str, str], list[TrueVisit]] = defaultdict(list)
    wanted = 0
    for visit in visits:
        if visit.out_ms - visit.in_ms >= min_visit_s * 1000:
            true[visit.user_id, visit.geofence_id].append(visit)
            wanted += 1
    announced = right = paired = 0
    first_ms: dict[TrueVisit, int] = {}
    for found in sorted(detections, key=lambda d: (d.announced_ms, d.user_id, d.geofence_id)):
        announced += 1
        overlapped = [
            visit
            for visit in true[found.user_id, found.geofence_id]
            if found.announced_ms <= visit.out_ms and found.ended_ms >= visit.in_ms
        ]
        right += bool(overlapped)
        paired += any(visit not in first_ms for visit in overlapped)
        for visit in overlapped:
            first_ms.setdefault(visit, found.announced_ms)
    precision = right / announced if announced else 0.0
    recall = len(first_ms) / wanted if wanted else 0.0
    delays_s = [(at_ms - visit.in_ms) / 1000 - dwell_s for visit, at_ms in first_ms.items()]
    return Score(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if right else 0.0,
        delay_s_p50=median(delays_s) if delays_s else None,
        detections_per_visit=announced / wanted if wanted else 0.0,
        f1_one_to_one=2 * paired / (announced + wanted) if paired else 0.0,
        detections=announced,
        visits=wanted,
    )


def detect_visits(tracks: Iterable[Sequence[Ping]], stores: StoreField, settings: VisitSettings) -> Iterator[Detection]:
    """What ``geofences.visits`` announces for each user's pings."""
    for track in tracks:
        state: VisitState | None = None
        begun: dict[str, Transition] = {}
        for ping in track:
            state, events = observe(state, ping, stores, settings)
            for event in events:
                if event.kind is TransitionKind.VISIT:
                    begun[event.visit_id] = event
                else:
                    yield _detection(begun.pop(event.visit_id), event.at_ms)
        for event in begun.values():
            yield _detection(event, track[-1].at_ms)


def _detection(begin: Transition, ended_ms: int) -> Detection:
    return Detection(begin.user_id, begin.geofence_id, begin.at_ms, ended_ms, begin.probability or 0.0)


def detect_naive(tracks: Iterable[Sequence[Ping]], index: GeofenceIndex, min_visit_s: float) -> Iterator[Detection]:
    """The rule to beat: ``min_visit_s`` inside a polygon, absences of up to a minute bridged."""
    for track in tracks:
        located = index.locate_many([ping.lat for ping in track], [ping.lng for ping in track])
        inside: dict[str, _Dwell] = {}
        for ping, geofence_ids in zip(track, located, strict=True):
            for geofence_id in geofence_ids:
                dwell = inside.get(geofence_id)
                if dwell is None or ping.at_ms - dwell.last_ms > NAIVE_GAP_MS:
                    if dwell and dwell.announced_ms:
                        yield Detection(ping.user_id, geofence_id, dwell.announced_ms, dwell.last_ms)
                    dwell = inside[geofence_id] = _Dwell(ping.at_ms, ping.at_ms)
                dwell.last_ms = ping.at_ms
                if not dwell.announced_ms and ping.at_ms - dwell.since_ms >= min_visit_s * 1000:
                    dwell.announced_ms = ping.at_ms
        for geofence_id, dwell in inside.items():
            if dwell.announced_ms:
                yield Detection(track[0].user_id, geofence_id, dwell.announced_ms, dwell.last_ms)


class _Dwell(msgspec.Struct):
    since_ms: int
    last_ms: int
    announced_ms: int = 0


def read_tracks(path: Path, speed: str = "as-is") -> list[list[Ping]]:
    """Each user's pings in order of fix time, from newline-delimited JSON (``.gz`` is unpacked).

    ``speed`` is ``as-is``, ``none`` (the field is dropped) or ``noisy`` (normal noise is added, from a fixed seed).
    """
    chance = random.Random(0)
    tracks: dict[str, list[Ping]] = defaultdict(list)
    for ping in read_pings(path):
        mps = ping.speed_mps
        if mps is not None and speed != "as-is":
            mps = max(0.0, mps + chance.gauss(0.0, NOISE_MPS)) if speed == "noisy" else None
        tracks[ping.user_id].append(msgspec.structs.replace(ping, speed_mps=mps))
    for track in tracks.values():
        track.sort(key=lambda ping: ping.at_ms)
    return list(tracks.values())


def read_visits(path: Path) -> list[TrueVisit]:
    """True visits from a CSV with the columns ts_in, ts_out (epoch ms), user_id, store_id; else InvalidDocument."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            return [TrueVisit(row["user_id"], row["store_id"], int(row["ts_in"]), int(row["ts_out"])) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidDocument(
                f"{path}, line {rows.line_num}: ts_in, ts_out, user_id, store_id wanted: {error}"
            ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; answers the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        index = read_index(arguments.geofences)
        tracks = read_tracks(arguments.pings, arguments.speed)
        visits = read_visits(arguments.visits)
    except (GeopushError, OSError) as error:
        print(f"geopush score: {error}", file=sys.stderr)
        return 1
    if arguments.method == "naive":
        detections = list(detect_naive(tracks, index, arguments.min_visit_s))
    else:
        detections = list(detect_visits(tracks, StoreField.build(index), VisitSettings()))
    if arguments.min_probability is not None:
        detections = [found for found in detections if found.probability >= arguments.min_probability]
    result = score(detections, visits, arguments.min_visit_s, arguments.dwell_s)
    if arguments.json:
        print(msgspec.json.encode(result).decode())
    else:
        for name, value in msgspec.structs.asdict(result).items():
            print(f"{name:22}{value:.3f}" if isinstance(value, float) else f"{name:22}{value}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geopush score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--geofences", type=Path, required=True, help="GeoJSON of the stores")
    parser.add_argument("--pings", type=Path, required=True, help="pings as NDJSON, .gz allowed")
    parser.add_argument("--visits", type=Path, required=True, help="CSV of true visits: ts_in,ts_out,user_id,store_id")
    parser.add_argument("--min-visit-s", type=float, default=120.0, help="shorter true visits are not looked for")
    parser.add_argument("--dwell-s", type=float, default=60.0, help="delay counts from this much of true dwell")
    parser.add_argument("--min-probability", type=float, help="count only detections at least this probable")
    parser.add_argument("--method", choices=["visits", "naive"], default="visits")
    parser.add_argument(
        "--speed", choices=["as-is", "none", "noisy"], default="as-is", help="what to do to the speed field"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
