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
from geofences.attribution import probabilities
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


def judged(tracks: Sequence[Track], stores: StoreField) -> list[VisitState]:
    """The states after those pings that caused a judgement: the ones that put off the next look."""
    settings = VisitSettings()
    states = []
    for track in tracks:
        state: VisitState | None = None
        for ping in track:
            before, (state, _) = state, observe(state, ping, stores, settings)
            if (
                before
                and state
                and state.look_at_ms > before.look_at_ms
                and state.stay.since_ms == before.stay.since_ms
            ):
                states.append(state)
    return states


def judgements_s(states: Sequence[VisitState], stores: StoreField) -> float:
    """CPU seconds of judging all of them, candidates and all."""
    settings = VisitSettings().attribution
    started = time.process_time()
    for state in states:
        probabilities(state.stay, state.indoor_log_odds, stores, settings)
    return time.process_time() - started


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
    looks = judged(tracks, stores)
    figures = {
        "pings": pings,
        "visits_us": round(total_s / pings * 1e6, 2),
        "stay_us": round(stays_s(tracks) / pings * 1e6, 2),
        "judgement_us": round(judgements_s(looks, stores) / max(len(looks), 1) * 1e6, 1),
        "judged_ratio": round(len(looks) / pings, 4),
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
