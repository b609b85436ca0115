"""CPU per ping of visit attribution: ``python -m bench.visits --data DIR [--json]``.

``DIR`` holds ``stores.geojson`` and ``pings.ndjson.gz``. Prints microseconds of CPU per ping: all together, the common
path alone (no store near, so that nothing is judged), and of one judgement; the share of pings that are judged;
seconds to compile the stores; bytes of one user's encoded state.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from gateway.offline.detection import read_tracks
from gateway.offline.replay import read_index
from geofences import visits
from geofences.model import Ping
from geofences.stays import advanced, begun
from geofences.storefield import StoreField
from geofences.visits import VisitSettings, VisitState, observe

Track = Sequence[Ping]


def observe_s(tracks: Sequence[Track], stores: StoreField) -> tuple[float, list[VisitState]]:
    """CPU seconds of all pings through ``observe``, and the last state of each user."""
    settings = VisitSettings()
    last = []
    started = time.process_time()
    for track in tracks:
        state: VisitState | None = None
        for ping in track:
            state, _ = observe(state, ping, stores, settings)
        if state is not None:
            last.append(state)
    return time.process_time() - started, last


def stays_s(tracks: Sequence[Track]) -> float:
    """CPU seconds of all pings through the movement filter alone."""
    settings = VisitSettings().stay
    started = time.process_time()
    for track in tracks:
        stay = begun(track[0], settings)
        for ping in track:
            stay = advanced(stay, ping, settings)
    return time.process_time() - started


def judgements(tracks: Sequence[Track], stores: StoreField) -> tuple[int, float]:
    """How many judgements the pings caused, and the CPU seconds they took, candidates and all."""
    count, spent = 0, 0.0
    judge = visits.probabilities

    def timed(*arguments: object) -> dict[str, float]:
        nonlocal count, spent
        started = time.process_time()
        result = judge(*arguments)  # type: ignore[arg-type]
        spent += time.process_time() - started
        count += 1
        return result

    visits.probabilities = timed  # type: ignore[assignment]
    try:
        observe_s(tracks, stores)
    finally:
        visits.probabilities = judge
    return count, spent


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.visits", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    index = read_index(arguments.data / "stores.geojson")
    tracks = read_tracks(arguments.data / "pings.ndjson.gz")
    pings = sum(map(len, tracks))
    started = time.process_time()
    stores = StoreField.build(index)
    build_s = time.process_time() - started
    total_s, states = observe_s(tracks, stores)
    count, judged_s = judgements(tracks, stores)
    figures = {
        "pings": pings,
        "visits_us": round(total_s / pings * 1e6, 2),
        "stay_us": round(stays_s(tracks) / pings * 1e6, 2),
        "judgement_us": round(judged_s / max(count, 1) * 1e6, 1),
        "judged_ratio": round(count / pings, 4),
        "build_s": round(build_s, 3),
        "stores": len(stores),
        "state_bytes_p50": median(len(msgspec.msgpack.encode(state)) for state in states),
    }
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:18}{value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
