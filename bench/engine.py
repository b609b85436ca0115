"""What a ping costs in the engine, beside its floor and what a user would pick instead.

    python -m bench.engine --data DIR [--json]        a city: stores.geojson and pings.ndjson.gz
    python -m bench.engine --fences N [--json]        a synthetic catalog: compile, load, edit, memory, growth
    python -m bench.engine --fences-file F [--json]   the same of a file of one GeoJSON feature a line, gzipped or not
    python -m bench.engine --fences N --memory        memory while and after loading, and nothing else

All costs are CPU time, the least of several rounds, taken in turns. Pings go in batches of ``--batch``, as they arrive
in requests. The floor is typed decoding and the H3 cell. Of STRtree ``strtree_us`` is its bulk query alone, that leaves
pairs of numbers; with ids for each ping, as ``locate_many`` answers, it is ``strtree_grouped_us``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from bench import catalogs, compiling, loading, peers
from bench.timing import least_us
from gateway.offline.replay import FilePing, read_index
from geofences import h3grid
from geofences.index import GeofenceIndex
from geofences.model import Ping
from geofences.transitions import Policy, Presence, step

RTREE_SAMPLE = 25
"""Every how manieth ping is asked of SQLite: it is slow."""


def decoder() -> Callable[[bytes], list[Ping]]:
    """Bytes of a JSON array to pings, as the intake does."""
    return msgspec.json.Decoder(list[FilePing]).decode  # type: ignore[return-value]


def positions(pings: Sequence[Ping]) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of a batch."""
    count = len(pings)
    return (
        np.fromiter((p.lat for p in pings), np.float64, count),
        np.fromiter((p.lng for p in pings), np.float64, count),
    )


def run_engine(index: GeofenceIndex, bodies: Sequence[bytes], policy: Policy = Policy.RAW) -> int:
    """Decode and locate every ping, and step those that can change something; counts transitions."""
    decode, empty = decoder(), Presence.EMPTY
    presences: dict[str, Presence] = {}
    told = 0
    for body in bodies:
        pings = decode(body)
        for ping, inside in zip(pings, index.locate_many(*positions(pings)), strict=True):
            user_id = ping.user_id
            presence = presences.get(user_id)
            if inside or presence is not None:
                stepped = step(presence or empty, inside, ping, index, policy, ping.at_ms)
                told += len(stepped.transitions)
                if stepped.presence.stays:
                    presences[user_id] = stepped.presence
                elif presence is not None:
                    del presences[user_id]
    return told


def run_one(index: GeofenceIndex, batches: Sequence[Sequence[Ping]]) -> None:
    """Locate and step one by one."""
    policy, empty = Policy.RAW, Presence.EMPTY
    presences: dict[str, Presence] = {}
    for ping in (ping for pings in batches for ping in pings):
        inside = index.locate(ping.lat, ping.lng)
        presence = presences.get(ping.user_id)
        if inside or presence is not None:
            stepped = step(presence or empty, inside, ping, index, policy, ping.at_ms)
            presences[ping.user_id] = stepped.presence


def jobs(index: GeofenceIndex, bodies: list[bytes], batches: list[list[Ping]]) -> dict[str, Callable[[slice], object]]:
    """What is measured on a slice of the batches, by the name of its figure."""
    decode = decoder()
    places = [positions(part) for part in batches]
    strtree = peers.STRtree(index)

    def floor(part: slice) -> None:
        for body in bodies[part]:
            h3grid.cells_of(*positions(decode(body)))

    def locate(part: slice) -> None:
        for lats, lngs in places[part]:
            index.locate_many(lats, lngs)

    def locate_one(part: slice) -> None:
        for pings in batches[part]:
            for ping in pings:
                index.locate(ping.lat, ping.lng)

    def bulk_query(part: slice) -> None:
        for lats, lngs in places[part]:
            strtree.pairs(lats, lngs)

    def grouped_query(part: slice) -> None:
        for lats, lngs in places[part]:
            strtree.locate_many(lats, lngs)

    return {
        "floor_us": floor,
        "locate_us": locate,
        "engine_us": lambda part: run_engine(index, bodies[part]),
        "engine_default_us": lambda part: run_engine(index, bodies[part], Policy.DEFAULT),
        "strtree_us": bulk_query,
        "strtree_grouped_us": grouped_query,
        "locate_one_us": locate_one,
        "engine_one_us": lambda part: run_one(index, batches[part]),
    }


def measure_city(data: Path, batch: int) -> dict[str, object]:
    """All figures per ping on real stores and walks."""
    index = read_index(data / "stores.geojson")
    with gzip.open(data / "pings.ndjson.gz") as file:
        lines = sorted((line.rstrip() for line in file), key=lambda line: json.loads(line)["ts"])
    bodies = [b"[" + b",".join(lines[i : i + batch]) + b"]" for i in range(0, len(lines), batch)]
    batches = [decoder()(body) for body in bodies]
    figures: dict[str, object] = {"data": data.name, "geofences": len(index), "pings": len(lines), "batch": batch}
    figures |= least_us(jobs(index, bodies, batches), [len(part) for part in batches])
    asked = [part[::RTREE_SAMPLE] for part in batches]
    rtree = peers.SQLiteRTree(index)

    def rtree_query(part: slice) -> None:
        for pings in asked[part]:
            for ping in pings:
                rtree.locate(ping.lat, ping.lng)

    figures |= least_us({"sqlite_rtree_us": rtree_query}, [len(part) for part in asked], 2)
    figures["engine_to_floor"] = _ratio(figures, "engine_us", "floor_us")
    figures["locate_to_strtree"] = _ratio(figures, "locate_us", "strtree_us")
    figures["locate_to_strtree_grouped"] = _ratio(figures, "locate_us", "strtree_grouped_us")
    return figures


def _ratio(figures: dict[str, object], above: str, below: str) -> float:
    return float(figures[above]) / float(figures[below])  # type: ignore[arg-type]


def main(argv: list[str] | None = None) -> int:
    """Print the figures as a table, or as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with stores.geojson and pings.ndjson.gz")
    parser.add_argument("--fences", type=int, help="size of a synthetic catalog")
    parser.add_argument("--fences-file", type=Path, help="catalog of one GeoJSON feature a line, gzipped if named so")
    parser.add_argument("--memory", action="store_true", help="of the catalog only what loading it takes")
    parser.add_argument("--batch", type=int, default=1000, help="pings of one request (default 1000)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    source = options.fences if options.fences_file is None else options.fences_file
    if options.data is None and source is None:
        parser.error("give --data DIR, --fences N or --fences-file FILE, or a city and a catalog")
    figures: dict[str, object] = {}
    if options.data is not None:
        figures |= measure_city(options.data, options.batch)
    if source is not None and options.memory:
        figures |= loading.measure(catalogs.documents(source))
    elif source is not None:
        figures |= compiling.measure(source, options.batch)
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
    if options.json:
        print(json.dumps(rounded))
    else:
        for name, figure in rounded.items():
            print(f"{name:>27}  {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
