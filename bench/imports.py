"""What an import takes, and what the pings beside it feel.

    python -m bench.imports [--features N] [--pings-per-s N] [--url URL --key KEY] [--json]

Imports N synthetic stores (``bench.catalogs``) as one job into a gateway, while shoppers ping at a steady rate over
HTTP, one ping a request. Latencies are open loop: an answer's time counts from the instant at which its request was
due. The same traffic without an import, just before, is what they are compared with. The file is sent by a process of
its own, so that sending it does not delay the pings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench import catalogs, processes
from bench.intake import Target, gateway
from bench.lanes import Histogram, HttpLane, request

QUIET_S = 10.0
"""Of the same traffic before the import."""
LANES = 64
USERS = 2_000
POLL_S = 0.25


class Shoppers:
    """Users who walk about near stores, and ping in turn."""

    def __init__(self, target: Target, features: list[dict[str, Any]], per_s: float) -> None:
        self._target, self._per_s = target, per_s
        self._random = random.Random(5)
        chosen = self._random.sample(features, min(USERS, len(features)))
        self._places = [feature["geometry"]["coordinates"][0][0] for feature in chosen]
        self._lanes: asyncio.Queue[HttpLane] = asyncio.Queue()

    async def ping(self, until: asyncio.Event) -> tuple[Histogram, float]:
        """Ping until the event is set; latencies, and the longest in milliseconds."""
        while self._lanes.qsize() < LANES:
            self._lanes.put_nowait(await HttpLane.open(self._target.url))
        clock = asyncio.get_running_loop().time
        latencies, longest_s, number = Histogram(), 0.0, 0
        under_way: set[asyncio.Task[None]] = set()

        async def one(due_s: float, user: int) -> None:
            nonlocal longest_s
            lane = await self._lanes.get()
            lng, lat = self._places[user]
            body = {
                "user_id": f"shopper-{user}",
                "ts": int(time.time() * 1000),
                "lat": lat + self._random.gauss(0, 1e-4),
                "lon": lng + self._random.gauss(0, 1e-4),
                "accuracy": 10,
            }
            status = await lane.post(
                request(self._target.url + "/v1/pings", self._target.key, msgspec.json.encode(body))
            )
            took_s = clock() - due_s
            self._lanes.put_nowait(lane)
            if status != 202:
                raise SystemExit(f"a ping was answered {status}")
            latencies.add(took_s)
            longest_s = max(longest_s, took_s)

        start = clock() + 0.05
        while not until.is_set():
            due_s = start + number / self._per_s
            if (wait_s := due_s - clock()) > 0:
                await asyncio.sleep(wait_s)
            under_way.add(task := asyncio.create_task(one(due_s, number % len(self._places))))
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.gather(*under_way)
        return latencies, longest_s * 1000


async def run_import(target: Target, file: Path) -> tuple[dict[str, Any], float]:
    """The job at its end, and the seconds from the first byte sent until then."""
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.imports", "--send", str(file), "--url", target.url, "--key", target.key,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("the import could not be made")
    job: dict[str, Any] = json.loads(told)
    return job, time.perf_counter() - begin


def send(url: str, key: str, file: Path) -> dict[str, Any]:
    """Start the job and ask for it until it ends. In a process of its own."""

    def call(method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/geo+json"}
        asked = urllib.request.Request(url + path, body, headers, method=method)
        with urllib.request.urlopen(asked) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    job = call("POST", "/v1/imports?mode=merge", file.read_bytes())
    while job["state"] == "running":
        time.sleep(POLL_S)
        job = call("GET", f"/v1/imports/{job['job_id']}")
    return job


def ended_cpu_s(target: Target) -> float:
    """CPU seconds of the gateway's children that have ended, as the import's own process does."""
    found = 0.0
    for process in processes.gateways(target.above) if target.above is not None else ():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        found += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return found


async def run(arguments: argparse.Namespace) -> dict[str, float]:
    """All figures."""
    features = catalogs.features(arguments.features)
    async with gateway(arguments) as target:
        with tempfile.NamedTemporaryFile(suffix=".geojson") as file:
            file.write(msgspec.json.encode({"type": "FeatureCollection", "features": features}))
            file.flush()
            shoppers = Shoppers(target, features, arguments.pings_per_s)
            is_over = asyncio.Event()
            asyncio.get_running_loop().call_later(QUIET_S, is_over.set)
            quiet, quiet_max_ms = await shoppers.ping(is_over)
            is_over = asyncio.Event()
            before = target.cpu()
            ended_s = ended_cpu_s(target)
            pinging = asyncio.create_task(shoppers.ping(is_over))
            job, import_s = await run_import(target, Path(file.name))
            is_over.set()
            beside, beside_max_ms = await pinging
            after = target.cpu()
            ended_s = ended_cpu_s(target) - ended_s
    if job["state"] != "done":
        raise SystemExit(f"the import ended as {job['state']}: {job['detail']}")
    return {
        "features": job["covered"],
        "import_s": import_s,
        "features_per_s": job["covered"] / import_s,
        "worker_cpu_s": ended_s,
        "gateway_cpu_s": after[0] - before[0],
        "redis_cpu_s": after[1] - before[1],
        "quiet_p50_ms": quiet.quantile_ms(0.5),
        "quiet_p99_ms": quiet.quantile_ms(0.99),
        "quiet_max_ms": quiet_max_ms,
        "beside_p50_ms": beside.quantile_ms(0.5),
        "beside_p99_ms": beside.quantile_ms(0.99),
        "beside_max_ms": beside_max_ms,
        "p99_ratio": beside.quantile_ms(0.99) / quiet.quantile_ms(0.99),
    }


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--features", type=int, default=100_000, help="stores of the file")
    parser.add_argument("--pings-per-s", type=float, default=200.0, help="pings beside the import")
    parser.add_argument("--url", help="a running gateway instead of one of our own")
    parser.add_argument("--key", default="", help="an admin key of that gateway")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run and print."""
    arguments = options()
    if arguments.send:
        print(json.dumps(send(arguments.url, arguments.key, arguments.send)))
        return
    figures = {name: round(value, 2) for name, value in uvloop.run(run(arguments)).items()}
    print(json.dumps(figures) if arguments.json else "\n".join(f"{n:16} {v:12.2f}" for n, v in figures.items()))


if __name__ == "__main__":
    main()
