"""Whether several workers are one gateway: a city's pings, scattered over them, must bring what one worker brings.

    python -m bench.workers --data DIR [--workers 4] [--policy raw] [--users N] [--json]

Every user's pings go one after the other, each once the one before was answered, each over a connection drawn at
random, so that consecutive pings of a user meet different workers. All transitions are read off the activity feed in
Redis; a run with one worker and one with several are compared as multisets of user, instant, geofence, kind and reason.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench import processes
from bench.intake import SETTINGS, prepare
from bench.lanes import HttpLane, request
from bench.traffic import Target, Traffic
from gateway.demo.child import serving
from gateway.store import keys
from gateway.store.activity import ActivityFeed
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from gateway.store.pseudonyms import Pseudonyms

USERS_AT_ONCE = 48
LANES = 64
"""More than users at once, so that there is always a choice."""
AHEAD_MS = 86_400_000
"""The replay begins a day ahead, at the same instant in both runs, so that no timer of the present interferes."""
QUIET_S = 1.0
"""Silence of the feed that ends a run."""

Transitions = Counter[tuple[str, int, str, str, str]]


async def replay(target: Target, pings: dict[str, list[bytes]], seed: int) -> int:
    """Send every user's pings in order over random connections; how often one was refused and sent again."""
    lanes = [await HttpLane.open(target.url) for _ in range(LANES)]
    chance, waiting, refused = random.Random(seed), iter(pings.values()), 0

    async def walk() -> None:
        nonlocal refused
        for way in waiting:
            for body in way:
                place = chance.randrange(len(lanes))
                lanes[place], lanes[-1] = lanes[-1], lanes[place]
                lane = lanes.pop()
                refused += await lane.deliver(request(target.url + "/v1/pings", target.key, body))
                lanes.append(lane)

    await asyncio.gather(*(walk() for _ in range(USERS_AT_ONCE)))
    for lane in lanes:
        lane.close()
    return refused


async def collect(feed: ActivityFeed, found: list[dict[str, Any]], is_over: asyncio.Event) -> None:
    """Keep the feed's transitions until the replay is over and nothing more comes."""
    while True:
        events = await feed.wait(QUIET_S)
        if not events and is_over.is_set():
            return
        found.extend(event for event in events if event["type"] == "transition")


@contextlib.asynccontextmanager
async def team(folder: Path, redis_url: str, workers: int, policy: str) -> AsyncIterator[Target]:
    """A gateway of ``workers`` processes on that Redis."""
    settings = SETTINGS | {"redis_url": redis_url, "workers": str(workers), "policy": policy, "sandbox": "off"}
    async with serving(folder, 0, settings) as child:
        own = next(p for p in processes.family(os.getpid()) if p.parent == os.getpid() and "redis" not in p.name)
        yield Target(child.url, child.admin_key, own.pid)


async def transitions_of(
    folder: Path,
    redis_url: str,
    workers: int,
    traffic: Traffic,
    pings: dict[str, list[bytes]],
    options: argparse.Namespace,
) -> tuple[Transitions, dict[str, float]]:
    """What ``workers`` processes make of the pings, and how it went."""
    redis = await Connection.open(redis_url)
    await redis.call("FLUSHALL")
    found: list[dict[str, Any]] = []
    is_over = asyncio.Event()
    async with (
        redis.subscribe(keys.ACTIVITY_NEWS) as subscription,
        team(folder, redis_url, workers, options.policy) as target,
    ):
        pseudonyms = Pseudonyms(await redis.call("GET", keys.PSEUDONYM_KEY))
        users = {pseudonyms.short(user_id): user_id for user_id in pings}
        await prepare(target, Path(options.data), traffic, 0)
        collecting = asyncio.create_task(collect(ActivityFeed(subscription), found, is_over))
        await asyncio.sleep(QUIET_S)
        before, begin = {p.pid: p.cpu_s for p in processes.family(target.above or 0)}, time.perf_counter()
        refused = await replay(target, pings, options.seed)
        elapsed_s = time.perf_counter() - begin
        spent = [p.cpu_s - before.get(p.pid, 0.0) for p in processes.family(target.above or 0)]
        is_over.set()
        await collecting
    await redis.close()
    told = Counter((users[e["user"]], e["at_ms"], e["geofence_id"], e["kind"], str(e["reason"])) for e in found)
    busy = sum(1 for cpu_s in spent if cpu_s > 0.25 * max(spent))
    return told, {"busy": float(busy), "refused": float(refused), "per_s": sum(map(len, pings.values())) / elapsed_s}


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Replay twice and compare."""
    traffic = Traffic(Path(arguments.data) / "pings.ndjson.gz", start_ms=int(time.time() * 1000) + AHEAD_MS)
    pings: dict[str, list[bytes]] = defaultdict(list)
    for ping in traffic.take(len(traffic)):
        pings[ping["user_id"]].append(msgspec.json.encode(ping))
    chosen = dict(list(pings.items())[: arguments.users or None])
    with tempfile.TemporaryDirectory(prefix="geopush-bench-") as name:
        folder = Path(name)
        server = await EmbeddedRedis.start(folder / "redis")
        try:
            one, of_one = await transitions_of(folder / "1", server.url, 1, traffic, chosen, arguments)
            several, of_several = await transitions_of(
                folder / "n", server.url, arguments.workers, traffic, chosen, arguments
            )
        finally:
            await server.stop()
    missing, extra = one - several, several - one
    for label, differing in (("only with one worker", missing), ("only with several", extra)):
        for transition in sorted(differing)[:10]:
            print(label, *transition, file=sys.stderr)
    return {
        "equal": one == several,
        "transitions": one.total(),
        "missing": missing.total(),
        "extra": extra.total(),
        "pings": sum(map(len, chosen.values())),
        "users": len(chosen),
        "policy": arguments.policy,
        "workers": arguments.workers,
        "workers_busy": int(of_several["busy"]),
        "refused_and_sent_again": int(of_one["refused"] + of_several["refused"]),
        "one_per_s": round(of_one["per_s"]),
        "several_per_s": round(of_several["per_s"]),
    }


def main() -> int:
    """Run and print; 1 if the two differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with stores.geojson and pings.ndjson.gz")
    parser.add_argument("--workers", type=int, default=4, help="processes of the second run")
    parser.add_argument("--policy", default="default", choices=["default", "raw"], help="presence policy of both")
    parser.add_argument("--users", type=int, default=0, help="only the first so many users; 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw of connections")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    figures = uvloop.run(run(arguments))
    if arguments.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:28} {value}")
    return 0 if figures["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
