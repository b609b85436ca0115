"""Synthetic catalogs: store-like shapes at one density, as many as asked; what compiling, loading and editing cost.

Stores stand in towns of a thousand, in clusters along streets, at latitudes up to 60 degrees; sizes are log-normal
around 45 m. More fences mean more towns, so density is the same at every size.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from geofences.covering import Covering, cover_many
from geofences.geodesy import M_PER_DEG
from geofences.importing import parse_collection, parse_feature, restore_features
from geofences.index import GeofenceIndex
from geofences.model import Geofence

TOWN = 1000
SHOPPERS = 2000
PINGS_EACH = 100
EDITS = 20
KINDS = ("supermarket", "bakery", "shoes", "pharmacy", "bookshop", "electronics")


def features(count: int, seed: int = 1) -> list[dict[str, object]]:
    """GeoJSON Features: rotated rectangles, L-shapes and rounded halls, 20 to 300 m long."""
    rng = np.random.default_rng(seed)
    made = []
    towns = math.ceil(count / TOWN)
    for town in range(towns):
        lat0 = math.degrees(math.asin((2 * (town + 0.5) / towns - 1) * 0.86))
        lng0 = (town * 137.50776405) % 360 - 180
        lng0 = min(max(lng0, -179.5), 179.5)
        clusters = rng.normal(0, 900, (40, 2))
        for _ in range(min(TOWN, count - len(made))):
            x, y = clusters[rng.integers(40)] + rng.normal(0, (160, 45))
            size = float(np.clip(rng.lognormal(math.log(45), 0.6), 20, 300))
            ring = _outline(rng, size) @ _turn(rng.uniform(0, math.pi)) + (x, y)
            ring = ring / (M_PER_DEG * math.cos(math.radians(lat0)), M_PER_DEG) + (lng0, lat0)
            positions = np.round(np.vstack([ring, ring[:1]]), 7).tolist()
            made.append(
                {
                    "type": "Feature",
                    "id": f"store/{len(made)}",
                    "properties": {
                        "name": f"Store {len(made)}",
                        "shop": KINDS[len(made) % len(KINDS)],
                        "city": f"Town {town}",
                        "size_m": round(size, 1),
                    },
                    "geometry": {"type": "Polygon", "coordinates": [positions]},
                }
            )
    return made


def _outline(rng: np.random.Generator, size: float) -> np.ndarray:
    a, b = size / 2, size / 2 * rng.uniform(0.35, 1.0)
    kind = rng.random()
    if kind < 0.55:
        return np.array([(-a, -b), (a, -b), (a, b), (-a, b)])
    if kind < 0.8:
        bite = rng.uniform(-0.4, 0.5)
        return np.array([(-a, -b), (a, -b), (a, b * bite), (a * bite, b * bite), (a * bite, b), (-a, b)])
    turns = np.linspace(0, 2 * math.pi, int(rng.integers(8, 21)), endpoint=False)
    return np.stack([a * np.cos(turns), b * np.sin(turns)], 1)


def _turn(angle: float) -> np.ndarray:
    return np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])


def walks(geofences: list[Geofence], seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of shoppers who stroll around stores and report in turn."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(geofences), SHOPPERS)
    middles = np.array([geofences[i].shape.centroid.coords[0] for i in chosen.tolist()])
    steps = rng.normal(0, 7 / M_PER_DEG, (PINGS_EACH, SHOPPERS, 2))
    steps[0] += rng.normal(0, 80 / M_PER_DEG, (SHOPPERS, 2))
    ways = np.cumsum(steps, axis=0)
    lats = middles[:, 1] + ways[:, :, 1]
    lngs = middles[:, 0] + ways[:, :, 0] / np.cos(np.radians(lats))
    return lats.ravel(), lngs.ravel()


def measure(fences: int, batch: int) -> dict[str, object]:
    """Figures of a catalog of ``fences`` geofences."""
    file = msgspec.json.encode({"type": "FeatureCollection", "features": features(fences)})
    begin = time.process_time()
    geofences = [g for _, g in parse_collection(file) if isinstance(g, Geofence)]
    parsed = time.process_time()
    coverings = cover_many([g.shape for g in geofences])
    index = GeofenceIndex.build(zip(geofences, coverings, strict=True))
    compiled = time.process_time()
    lats, lngs = walks(geofences)
    figures: dict[str, object] = {
        "fences": fences,
        "parse_s": parsed - begin,
        "compile_s": compiled - parsed,
        "cells_per_fence": sum(len(c.interior) + len(c.boundary) for c in coverings) / 8 / fences,
        "array_bytes_per_fence": index.nbytes / fences,
        "synthetic_locate_us": _locate_us(index, lats, lngs, batch),
        "synthetic_locate_one_us": _locate_one_us(index, lats[:50_000], lngs[:50_000]),
    }
    figures |= _edits(index, geofences)
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "stored"
        docs = [msgspec.Raw(msgspec.json.encode(f)) for f in msgspec.json.decode(file)["features"]]
        rows = [(bytes(d), c.to_bytes()) for d, c in zip(docs, coverings, strict=True)]
        stored.write_bytes(msgspec.msgpack.encode(rows))
        child = subprocess.run(
            [sys.executable, "-m", "bench.catalogs", str(stored)], check=True, capture_output=True, text=True
        )
    return figures | json.loads(child.stdout)


def _locate_us(index: GeofenceIndex, lats: np.ndarray, lngs: np.ndarray, batch: int) -> float:
    spent = []
    for _ in range(3):
        begin = time.process_time()
        for i in range(0, len(lats), batch):
            index.locate_many(lats[i : i + batch], lngs[i : i + batch])
        spent.append(time.process_time() - begin)
    return min(spent) / len(lats) * 1e6


def _locate_one_us(index: GeofenceIndex, lats: np.ndarray, lngs: np.ndarray) -> float:
    places = list(zip(lats.tolist(), lngs.tolist(), strict=True))
    spent = []
    for _ in range(3):
        begin = time.process_time()
        for lat, lng in places:
            index.locate(lat, lng)
        spent.append(time.process_time() - begin)
    return min(spent) / len(places) * 1e6


def _edits(index: GeofenceIndex, geofences: list[Geofence]) -> dict[str, float]:
    """One edit from its document to an index that answers with it, and how long the event loop waited meanwhile."""
    docs = features(EDITS, seed=3)

    def edit(now: GeofenceIndex, at: int) -> GeofenceIndex:
        doc = docs[at] | {"id": geofences[(at * 7919) % len(geofences)].id}
        parsed = parse_feature(doc)
        if not isinstance(parsed, Geofence):
            raise SystemExit(parsed.detail)
        return now.updated([(parsed, cover_many([parsed.shape])[0])])

    async def run() -> tuple[list[float], float]:
        stall_s, is_done = 0.0, False

        async def watch() -> None:
            nonlocal stall_s
            while not is_done:
                begin = time.perf_counter()
                await asyncio.sleep(0.001)
                stall_s = max(stall_s, time.perf_counter() - begin - 0.001)

        watcher = asyncio.create_task(watch())
        now, spent = index, []
        for at in range(EDITS):
            begin = time.perf_counter()
            now = await asyncio.to_thread(edit, now, at)
            spent.append(time.perf_counter() - begin)
            await asyncio.sleep(0.005)
        is_done = True
        await watcher
        return spent, stall_s

    # as the gateway does after it has loaded its catalog: a full collection would walk all stores, and a thread that
    # computes may keep the loop from the interpreter for one switch interval
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)
    spent, stall_s = asyncio.run(run())
    return {"edit_ms": sorted(spent)[len(spent) // 2] * 1e3, "loop_stall_ms": stall_s * 1e3}


def resident_bytes() -> int:
    """Memory of this process now, after giving back what is free."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize()


def load(stored: Path) -> dict[str, float]:
    """Load stored documents and coverings in a fresh process; its memory is what the catalog takes."""
    raw = stored.read_bytes()
    restore_features([])
    before = resident_bytes()
    rows = msgspec.msgpack.decode(raw, type=list[tuple[bytes, bytes]])
    del raw
    held = resident_bytes()
    begin = time.process_time()
    geofences = restore_features([(body, 1) for body, _ in rows])
    coverings = [Covering.from_bytes(cells) for _, cells in rows]
    index = GeofenceIndex.build(zip(geofences, coverings, strict=True))
    load_s = time.process_time() - begin
    del geofences, coverings
    count = len(rows)
    with_rows = resident_bytes()
    del rows
    return {
        "load_s": load_s,
        "bytes_per_fence": (with_rows - held) / count,
        "rows_bytes_per_fence": (held - before) / count,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "loaded": len(index),
    }


if __name__ == "__main__":
    print(json.dumps(load(Path(sys.argv[1]))))
