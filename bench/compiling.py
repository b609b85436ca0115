"""What a catalog costs: compiling, editing and asking it; ``bench.loading`` tells what loading it takes.

Growth is the cost of a ping in the catalog over that in one of a thousand fences of the same density, the two asked in
turns: with pings of shoppers who stroll, and of strangers who each turn up somewhere else.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench import catalogs, loading
from bench.timing import least_us
from geofences.covering import cover_many
from geofences.importing import parse_collection, parse_feature
from geofences.index import GeofenceIndex
from geofences.model import Geofence

EDITS = 20
ALONE = 50_000
"""Pings located one by one: they cost ten times as much."""


def measure(source: int | Path, batch: int) -> dict[str, object]:
    """Figures of a synthetic catalog of so many geofences, or of a file of features."""
    file = b"\n".join(catalogs.documents(source))
    begin = time.process_time()
    geofences = [g for _, g in parse_collection(file, "application/x-ndjson") if isinstance(g, Geofence)]
    parsed = time.process_time()
    coverings = cover_many([g.shape for g in geofences])
    index = GeofenceIndex.build(zip(geofences, coverings, strict=True))
    compiled = time.process_time()
    figures: dict[str, object] = {
        "fences": len(geofences),
        "parse_s": parsed - begin,
        "compile_s": compiled - parsed,
        "cells_per_fence": sum(len(c.interior) + len(c.boundary) for c in coverings) / 8 / len(geofences),
        "array_bytes_per_fence": index.nbytes / len(geofences),
    }
    del file, coverings
    figures |= _asked(index, geofences, batch, has_growth=isinstance(source, int))
    figures |= _edits(index, geofences)
    return figures | loading.measure(catalogs.documents(source))


def _asked(index: GeofenceIndex, geofences: Sequence[Geofence], batch: int, *, has_growth: bool) -> dict[str, float]:
    kinds = {"": catalogs.walks, "stranger_": catalogs.strangers}
    jobs = {f"synthetic_{kind}locate_us": _batches(index, *places(geofences), batch) for kind, places in kinds.items()}
    if has_growth:
        town = [g for _, g in parse_collection(b"\n".join(catalogs.documents(catalogs.TOWN)), "application/x-ndjson")]
        few = [g for g in town if isinstance(g, Geofence)]
        small = GeofenceIndex.build(zip(few, cover_many([g.shape for g in few]), strict=True))
        jobs |= {f"{kind}thousand_us": _batches(small, *places(few), batch) for kind, places in kinds.items()}
    count = catalogs.SHOPPERS * catalogs.PINGS_EACH
    figures = least_us(jobs, [min(batch, count - i) for i in range(0, count, batch)])
    if has_growth:
        for kind in kinds:
            figures[f"{kind}growth"] = figures[f"synthetic_{kind}locate_us"] / figures[f"{kind}thousand_us"]
    lats, lngs = catalogs.walks(geofences)
    return figures | least_us({"synthetic_locate_one_us": _one_by_one(index, lats, lngs)}, [1] * ALONE, 3)


def _batches(index: GeofenceIndex, lats: np.ndarray, lngs: np.ndarray, batch: int) -> Callable[[slice], None]:
    places = [(lats[i : i + batch], lngs[i : i + batch]) for i in range(0, len(lats), batch)]

    def job(part: slice) -> None:
        for some_lats, some_lngs in places[part]:
            index.locate_many(some_lats, some_lngs)

    return job


def _one_by_one(index: GeofenceIndex, lats: np.ndarray, lngs: np.ndarray) -> Callable[[slice], None]:
    places = list(zip(lats.tolist(), lngs.tolist(), strict=True))

    def job(part: slice) -> None:
        for lat, lng in places[part]:
            index.locate(lat, lng)

    return job


def _edits(index: GeofenceIndex, geofences: list[Geofence]) -> dict[str, float]:
    """One edit from its document to an index that answers with it, and how long the event loop waited meanwhile."""
    docs = catalogs.features(EDITS, seed=3)

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
