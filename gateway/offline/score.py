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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

import msgspec

from gateway.errors import GeopushError, InvalidDocument
from gateway.offline.detection import Detection, detect_naive, detect_visits, read_tracks
from gateway.offline.replay import read_index
from geofences.storefield import StoreField
from geofences.visits import VisitSettings

BOOTSTRAPS = 400
"""Resamples behind an interval."""

TABLE_PROBABILITIES = (0.45, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Rows of the table of precision against recall."""


class TrueVisit(msgspec.Struct, frozen=True):
    """One visit that happened."""

    user_id: str
    geofence_id: str
    in_ms: int
    out_ms: int


class Score(msgspec.Struct, frozen=True):
    """The comparison's figures.

    ``precision`` is the share of detections that overlap a true visit, ``recall`` the share of true visits that are
    overlapped, ``detections_per_visit`` what that cost in messages. ``delay_s_p50`` is from ``dwell_s`` of true stay to
    a visit's first detection. ``f1_low`` and ``f1_high`` are the 95 % interval, by bootstrap over users.
    ``f1_one_to_one`` is stricter than ``f1``: a second detection of one visit counts as wrong.
    """

    precision: float
    recall: float
    f1: float
    delay_s_p50: float | None
    detections_per_visit: float
    f1_low: float
    f1_high: float
    f1_one_to_one: float
    detections: int
    visits: int


class _Tally(msgspec.Struct):
    """One user's counts: visits to find and found, detections made, right, and right for a visit not yet found."""

    visits: int = 0
    found: int = 0
    detections: int = 0
    right: int = 0
    paired: int = 0


def score(
    detections: Iterable[Detection], visits: Iterable[TrueVisit], min_visit_s: float = 120.0, dwell_s: float = 60.0
) -> Score:
    """Compare detections with the true visits of at least ``min_visit_s``."""
    true: dict[tuple[str, str], list[TrueVisit]] = defaultdict(list)
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    for visit in visits:
        if visit.out_ms - visit.in_ms >= min_visit_s * 1000:
            true[visit.user_id, visit.geofence_id].append(visit)
            tallies[visit.user_id].visits += 1
    first_ms: dict[TrueVisit, int] = {}
    for detection in sorted(detections, key=lambda d: (d.announced_ms, d.user_id, d.geofence_id)):
        overlapped = [v for v in true[detection.user_id, detection.geofence_id] if _overlaps(detection, v)]
        fresh = [visit for visit in overlapped if visit not in first_ms]
        first_ms.update(dict.fromkeys(fresh, detection.announced_ms))
        tally = tallies[detection.user_id]
        tally.detections += 1
        tally.right += bool(overlapped)
        tally.paired += bool(fresh)
        tally.found += len(fresh)
    users = list(tallies.values())
    made, wanted = sum(u.detections for u in users), sum(u.visits for u in users)
    precision, recall, f1 = _rates(users)
    low, high = _interval(users)
    delays_s = [(at_ms - visit.in_ms) / 1000 - dwell_s for visit, at_ms in first_ms.items()]
    return Score(
        precision=precision,
        recall=recall,
        f1=f1,
        delay_s_p50=median(delays_s) if delays_s else None,
        detections_per_visit=made / wanted if wanted else 0.0,
        f1_low=low,
        f1_high=high,
        f1_one_to_one=2 * sum(u.paired for u in users) / (made + wanted) if made + wanted else 0.0,
        detections=made,
        visits=wanted,
    )


def _rates(users: Sequence[_Tally]) -> tuple[float, float, float]:
    """Precision, recall and F1 of these users taken together; 0 where nothing was made or wanted."""
    made, wanted = sum(u.detections for u in users), sum(u.visits for u in users)
    precision = sum(u.right for u in users) / made if made else 0.0
    recall = sum(u.found for u in users) / wanted if wanted else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _interval(users: Sequence[_Tally]) -> tuple[float, float]:
    """The 95 % interval of F1 over resampled users: one person's visits are not independent of each other."""
    chance = random.Random(0)
    resampled = sorted(_rates(chance.choices(users, k=len(users)))[2] for _ in range(BOOTSTRAPS)) if users else [0.0]
    return resampled[int(0.025 * len(resampled))], resampled[int(0.975 * len(resampled))]


class Bin(msgspec.Struct, frozen=True):
    """Detections announced with a probability from ``low`` up: how many, their mean, and the share that was right."""

    low: float
    detections: int
    mean_probability: float
    right_ratio: float


def reliability(detections: Iterable[Detection], visits: Iterable[TrueVisit]) -> list[Bin]:
    """Announced probability against what was true, in steps of a tenth; true visits of any length count."""
    true: dict[tuple[str, str], list[TrueVisit]] = defaultdict(list)
    for visit in visits:
        true[visit.user_id, visit.geofence_id].append(visit)
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for found in detections:
        is_right = any(_overlaps(found, visit) for visit in true[found.user_id, found.geofence_id])
        bins[min(9, int(found.probability * 10))].append((found.probability, is_right))
    return [
        Bin(tenth / 10, len(members), fmean(p for p, _ in members), fmean(is_right for _, is_right in members))
        for tenth, members in sorted(bins.items())
    ]


def _overlaps(found: Detection, visit: TrueVisit) -> bool:
    return found.announced_ms <= visit.out_ms and found.ended_ms >= visit.in_ms


def _print_table(by_probability: Mapping[float, Score], bins: Iterable[Bin]) -> None:
    print("min_probability  precision  recall     f1  delay_s_p50  detections_per_visit")
    for level, row in by_probability.items():
        delay = f"{row.delay_s_p50:.0f}" if row.delay_s_p50 is not None else "-"
        print(
            f"{level:15.2f}  {row.precision:9.3f}  {row.recall:6.3f}  {row.f1:5.3f}  {delay:>11}"
            f"  {row.detections_per_visit:20.2f}"
        )
    print("\nannounced with  detections  mean probability  share right")
    for part in bins:
        print(
            f"{part.low:.1f} and more     {part.detections:10}  {part.mean_probability:16.3f}  {part.right_ratio:11.3f}"
        )


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
        tracks = read_tracks(arguments.pings, arguments.speed, arguments.accuracy)
        visits = read_visits(arguments.visits)
    except (GeopushError, OSError) as error:
        print(f"geopush score: {error}", file=sys.stderr)
        return 1
    stores = StoreField.build(index)

    def compared(min_probability: float) -> tuple[list[Detection], Score]:
        if arguments.method == "naive":
            detections = list(detect_naive(tracks, index, arguments.min_visit_s))
        else:
            detections = list(detect_visits(tracks, stores, VisitSettings(), min_probability))
        return detections, score(detections, visits, arguments.min_visit_s, arguments.dwell_s)

    detections, result = compared(arguments.min_probability)
    if arguments.table:
        _print_table({level: compared(level)[1] for level in TABLE_PROBABILITIES}, reliability(detections, visits))
        return 0
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
    parser.add_argument(
        "--min-probability", type=float, default=0.0, help="count visits once announced with this probability"
    )
    parser.add_argument("--method", choices=["visits", "naive"], default="visits")
    parser.add_argument(
        "--speed", choices=["as-is", "none", "noisy"], default="as-is", help="what to do to the speed field"
    )
    parser.add_argument(
        "--accuracy", choices=["as-is", "flat"], default="as-is", help="flat: the same in and out of doors"
    )
    parser.add_argument("--table", action="store_true", help="precision against recall, and how true probabilities are")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
