"""What taking pings costs, end to end, beside its floors: HTTP, decode, locate, presence, decisions, claims.

    python -m bench.intake --data DIR [--json]                  a city: stores.geojson and pings.ndjson.gz
    python -m bench.intake --data DIR --fences 100000           the city's pings against as many synthetic fences more
    python -m bench.intake --data DIR --soak 10000000           and ten million pings more, to see memory stay flat
    python -m bench.intake --data DIR --url URL --key KEY       any deployment (no CPU figures then)

Costs are CPU time of the gateway's processes (Redis apart), so that other work on the machine does not count; each is
the least of several rounds, taken in turn with its floor. Pings keep their order and spacing: the file is shifted so
that it begins now, and each further round begins where the one before ended. Latencies are open loop: an answer's
time counts from when its request was due, not from when a busy generator got to send it; how late the generator itself
was, it tells too (``generator_p99_ms_at_half``): where both share their cores, that is the machine's part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench import catalogs, processes
from bench.traffic import Cost, Target, Traffic, closed_loop, open_loop, web_sockets
from gateway.demo.child import serving

ROUNDS = 3
ROUND_S = 2.0
LANES = 128
"""Connections: few for a fleet of phones, but enough that pings meet."""
BUSY_LANES = 16
"""Connections with batches of 500, of which the gateway handles several together as it does at its highest rate."""
NOWHERE_DEG = 5.0
"""How far north of the city pings are that can change nothing: 550 km."""
SOAK_PARTS = 10
"""Readings of memory while the soak lasts."""
SETTINGS = {"run_sender": "false", "max_ahead_s": "1e9", "log_level": "error"}
"""The shifted pings lie in the future, so that no timer of the present takes them for silence."""
OFFER = {
    "name": "Welcome",
    "status": "active",
    "targets": {"all": True},
    "trigger": {"type": "enter"},
    "messages": {"en": {"title": "Welcome", "body": "Come in to {{ store.name }}."}},
}
VISIT_OFFER = OFFER | {"name": "Thanks", "trigger": {"type": "visit"}}
"""As long as one is live, visits are attributed."""


async def measure(target: Target, floor: Target, traffic: Traffic, quiet: Traffic, pings: int) -> dict[str, float]:
    """All figures but the soak's; ``quiet`` pings are far from every store."""
    single, bare, ws, echo, located, visits = Cost(), Cost(), Cost(), Cost(), Cost(), Cost()
    quiet_single, quiet_ws, busy, busy_located = Cost(), Cost(), Cost(), Cost()
    batches = {50: Cost(), 500: Cost(), 5000: Cost()}
    await closed_loop(target, "/v1/pings", traffic.batches(500, 100_000), 2, 500, Cost())
    rss_mb = target.rss_mb()
    few, many = max(pings // 20, 2_000), max(pings // 4, 5_000)
    for _ in range(ROUNDS):
        await closed_loop(floor, "/bare", traffic.batches(1, few), LANES, 1, bare)
        await closed_loop(target, "/v1/pings", traffic.batches(1, few), LANES, 1, single)
        await closed_loop(target, "/v1/pings", quiet.batches(1, few), LANES, 1, quiet_single)
        await web_sockets(floor, "/echo", traffic.batches(1, few), LANES, echo, acks=False)
        await web_sockets(target, "/v1/stream", traffic.batches(1, few), LANES, ws, acks=True)
        await web_sockets(target, "/v1/stream", quiet.batches(1, few), LANES, quiet_ws, acks=True)
        await closed_loop(floor, "/located", traffic.batches(500, many), 2, 500, located)
        for size, cost in batches.items():
            await closed_loop(target, "/v1/pings", traffic.batches(size, many), 2, size, cost)
        await closed_loop(floor, "/located", traffic.batches(500, many), BUSY_LANES, 500, busy_located)
        await closed_loop(target, "/v1/pings", traffic.batches(500, many), BUSY_LANES, 500, busy)
    half, late = await open_loop(target, traffic.batches(1, int(single.per_s / 2 * ROUND_S)), single.per_s / 2, 256)
    half_batches, late_batches = await open_loop(
        target, traffic.batches(500, int(batches[500].per_s / 2 * ROUND_S)), batches[500].per_s / 1000, 64
    )
    grown_mb = target.rss_mb() - rss_mb
    await call(target, "PUT", "/v1/offers/thanks", VISIT_OFFER)
    for _ in range(ROUNDS):
        await closed_loop(target, "/v1/pings", traffic.batches(500, many), 2, 500, visits)
    await call(target, "DELETE", "/v1/offers/thanks")
    return {
        "batch500_us": batches[500].cpu_us,
        "batch500_floor_us": located.cpu_us,
        "batch500_to_floor": ratio(batches[500].cpu_us, located.cpu_us),
        "batch500_pings_per_cpu_s": ratio(1e6, batches[500].cpu_us),
        "single_to_floor": ratio(bare.cpu_us, single.cpu_us),
        "ws_to_floor": ratio(echo.cpu_us, ws.cpu_us),
        "p99_ms_at_half": max(half.quantile_ms(0.99), half_batches.quantile_ms(0.99)),
        "rss_growth_mb": grown_mb,
        "batch500_visits_us": visits.cpu_us,
        "single_us": single.cpu_us,
        "single_floor_us": bare.cpu_us,
        "single_per_s": single.per_s,
        "single_nowhere_us": quiet_single.cpu_us,
        "single_nowhere_to_floor": ratio(bare.cpu_us, quiet_single.cpu_us),
        "ws_us": ws.cpu_us,
        "ws_floor_us": echo.cpu_us,
        "ws_nowhere_us": quiet_ws.cpu_us,
        "ws_nowhere_to_floor": ratio(echo.cpu_us, quiet_ws.cpu_us),
        "batch50_us": batches[50].cpu_us,
        "batch500_busy_us": busy.cpu_us,
        "batch500_busy_floor_us": busy_located.cpu_us,
        "batch500_busy_to_floor": ratio(busy.cpu_us, busy_located.cpu_us),
        "batch5000_us": batches[5000].cpu_us,
        "batch500_per_s": batches[500].per_s,
        "batch500_redis_us": batches[500].redis_us,
        "single_redis_us": single.redis_us,
        "single_p50_ms_at_half": half.quantile_ms(0.5),
        "single_p99_ms_at_half": half.quantile_ms(0.99),
        "batch500_p99_ms_at_half": half_batches.quantile_ms(0.99),
        "generator_p99_ms_at_half": max(late.quantile_ms(0.99), late_batches.quantile_ms(0.99)),
        "refused": sum(cost.refused for cost in (single, quiet_single, visits, busy, *batches.values())),
    }


def ratio(value: float, to: float) -> float:
    """0 where there is nothing to compare with: CPU time of another machine is not seen."""
    return value / to if to else 0.0


async def soak(target: Target, traffic: Traffic, pings: int) -> dict[str, float]:
    """Send ``pings`` pings in batches of 500, and read the memory as they go: its least-squares slope is the growth."""
    readings = [(0.0, target.rss_mb())]
    for part in range(1, SOAK_PARTS + 1):
        left = pings // SOAK_PARTS
        while left > 0:
            now = min(left, 50_000)
            await closed_loop(target, "/v1/pings", traffic.batches(500, max(now, 500)), 2, 500, Cost())
            left -= now
        readings.append((part * pings / SOAK_PARTS / 1e6, target.rss_mb()))
    settled = readings[1:]
    mean_x, mean_y = (sum(r[axis] for r in settled) / len(settled) for axis in (0, 1))
    slope = ratio(sum((x - mean_x) * (y - mean_y) for x, y in settled), sum((x - mean_x) ** 2 for x, _ in settled))
    return {
        "soak_pings": float(pings),
        "soak_rss_before_mb": readings[0][1],
        "soak_rss_after_mb": readings[-1][1],
        "soak_growth_mb_per_million": slope,
    }


async def call(target: Target, method: str, path: str, document: Any = None) -> None:
    """One request of operations. Raises RuntimeError when it is refused."""
    headers = {"Authorization": f"Bearer {target.key}"}
    async with (
        aiohttp.ClientSession(target.url, headers=headers) as session,
        session.request(method, path, json=document) as answer,
    ):
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} answered {answer.status}: {await answer.text()}")


async def prepare(target: Target, data: Path, traffic: Traffic, fences: int) -> None:
    """Put the city's stores, as many synthetic fences, one offer at every store, and users who agreed to pushes."""
    await call(target, "PUT", "/v1/policy", {"quiet_hours": {"enabled": False}})
    await call(target, "POST", "/v1/geofences/import", json.loads((data / "stores.geojson").read_bytes()))
    made = catalogs.features(fences) if fences else []
    for start in range(0, fences, 20_000):
        part = {"type": "FeatureCollection", "features": made[start : start + 20_000]}
        await call(target, "POST", "/v1/geofences/import", part)
    await call(target, "PUT", "/v1/offers/welcome", OFFER)
    user = {"consent": {"location": True, "push": True, "profiling": True}}
    for user_id in sorted(traffic.users):
        await call(target, "PUT", f"/v1/users/{user_id}", user)


@contextlib.asynccontextmanager
async def floors() -> AsyncIterator[Target]:
    """The floor servers as a child process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.floors", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    try:
        yield OnlyChild(url, "none", process.pid)
    finally:
        process.terminate()
        await process.wait()


class OnlyChild(Target):
    """A target that is one process."""

    def cpu(self) -> tuple[float, float]:
        """The process's CPU seconds; it has no Redis."""
        found = processes.read(self.above or 0)
        return (found.cpu_s if found else 0.0), 0.0


@contextlib.asynccontextmanager
async def gateway(arguments: argparse.Namespace) -> AsyncIterator[Target]:
    """The deployment that was named, or a gateway of our own."""
    if arguments.url:
        yield Target(arguments.url.rstrip("/"), arguments.key, None)
        return
    with tempfile.TemporaryDirectory(prefix="geopush-bench-") as folder:
        async with serving(Path(folder), 0, SETTINGS) as child:
            own = next(p for p in processes.family(os.getpid()) if p.parent == os.getpid())
            yield Target(child.url, child.admin_key, own.parent)


async def run(arguments: argparse.Namespace) -> dict[str, float]:
    """Prepare and measure."""
    data = Path(arguments.data)
    traffic = Traffic(data / "pings.ndjson.gz")
    quiet = Traffic(data / "pings.ndjson.gz", moved_deg=NOWHERE_DEG)
    async with gateway(arguments) as target:
        await prepare(target, data, traffic, arguments.fences)
        async with floors() as floor:
            figures = await measure(target, floor, traffic, quiet, arguments.pings)
        if arguments.soak:
            figures |= await soak(target, traffic, arguments.soak)
        return figures


def options(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with stores.geojson and pings.ndjson.gz")
    parser.add_argument("--fences", type=int, default=0, help="synthetic fences beside the city's")
    parser.add_argument("--pings", type=int, default=400_000, help="pings of a round of batches")
    parser.add_argument("--soak", type=int, default=0, help="pings to send at the end, to see that memory stays flat")
    parser.add_argument("--url", help="a running gateway instead of one of our own")
    parser.add_argument("--key", default="", help="an admin key of that gateway")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(words)


def lines(figures: dict[str, float]) -> Iterator[str]:
    """The figures for people."""
    for name, value in figures.items():
        yield f"{name:28} {value:12.2f}"


def main() -> None:
    """Run and print."""
    arguments = options()
    figures = uvloop.run(run(arguments))
    rounded = {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps(rounded) if arguments.json else "\n".join(lines(rounded)))


if __name__ == "__main__":
    main()
