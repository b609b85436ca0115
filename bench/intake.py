"""What taking pings costs, end to end, beside its floors: HTTP, decode, locate, presence, decisions, claims.

    python -m bench.intake --data DIR [--json]                  a city: stores.geojson and pings.ndjson.gz
    python -m bench.intake --data DIR --fences 100000           the city's pings against as many synthetic fences more
    python -m bench.intake --data DIR --url URL --key KEY       any deployment (no CPU figures then)

Costs are CPU time of the gateway's processes (Redis apart), so that other work on the machine does not count; each is
the least of several rounds, taken in turn with its floor. Pings keep their order and spacing: the file is shifted so
that it begins now, and each further round begins where the one before ended. Latencies are open loop: an answer's
time counts from when its request was due, not from when a busy generator got to send it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from bench import catalogs, processes
from bench.floors import Wire
from bench.lanes import Histogram, HttpLane, WebSocketLane, frame, request
from gateway.demo.child import serving

ROUNDS = 3
ROUND_S = 2.0
LANES = 32
WINDOW = 16
"""Frames in flight on one WebSocket."""
SETTINGS = {"run_sender": "false", "max_ahead_s": "1e9", "log_level": "error"}
"""The shifted pings lie in the future, so that no timer of the present takes them for silence."""
OFFER = {
    "name": "Welcome",
    "status": "active",
    "targets": {"all": True},
    "trigger": {"type": "enter"},
    "messages": {"en": {"title": "Welcome", "body": "Come in to {{ store.name }}."}},
}


class Traffic:
    """A city's pings, endlessly: round after round, each later than the one before."""

    def __init__(self, file: Path) -> None:
        """Read newline-delimited pings in order of arrival."""
        raw = file.read_bytes()
        self._pings = msgspec.json.Decoder(Wire).decode_lines(gzip.decompress(raw) if file.suffix == ".gz" else raw)
        first, last = min(p.ts for p in self._pings), max(p.ts for p in self._pings)
        self._shift_ms = int(time.time() * 1000) - first
        self._span_ms = last - first + 1000
        self._next = 0
        self.users = {p.user_id for p in self._pings}

    def take(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` pings as JSON values."""
        taken = []
        for place in range(self._next, self._next + count):
            round_, index = divmod(place, len(self._pings))
            ping = self._pings[index]
            values = msgspec.structs.asdict(ping)
            values["ts"] = ping.ts + self._shift_ms + round_ * self._span_ms
            taken.append(values)
        self._next += count
        return taken

    def batches(self, batch: int, pings: int) -> list[bytes]:
        """The next ``pings`` pings as bodies: objects alone, or arrays of ``batch``."""
        taken = self.take(pings - pings % batch)
        if batch == 1:
            return [msgspec.json.encode(ping) for ping in taken]
        return [msgspec.json.encode(taken[start : start + batch]) for start in range(0, len(taken), batch)]


@dataclass(slots=True)
class Cost:
    """The quickest of several rounds, per ping or frame."""

    cpu_us: float = field(default=float("inf"))
    redis_us: float = field(default=float("inf"))
    per_s: float = 0.0

    def better(self, cpu_us: float, redis_us: float, per_s: float) -> None:
        """Keep the best of each."""
        self.cpu_us, self.redis_us = min(self.cpu_us, cpu_us), min(self.redis_us, redis_us)
        self.per_s = max(self.per_s, per_s)


class Target:
    """A server under load: its address, its key, and the process above it."""

    def __init__(self, url: str, key: str, above: int | None) -> None:
        self.url, self.key, self.above = url, key, above

    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far of the server's processes, and of its Redis."""
        if self.above is None:
            return 0.0, 0.0
        return (
            sum(p.cpu_s for p in processes.gateways(self.above)),
            sum(p.cpu_s for p in processes.redis_servers(self.above)),
        )

    def rss_mb(self) -> float:
        """Resident memory of the server's processes."""
        return 0.0 if self.above is None else sum(p.rss_bytes for p in processes.gateways(self.above)) / 1e6


async def closed_loop(target: Target, path: str, bodies: list[bytes], lanes: int, pings_each: int, cost: Cost) -> None:
    """Send all bodies over ``lanes`` connections, each as soon as the one before was answered."""
    prepared = iter([request(target.url + path, target.key, body) for body in bodies])
    connections = [await HttpLane.open(target.url) for _ in range(lanes)]

    async def work(lane: HttpLane) -> None:
        for bytes_ in prepared:
            status = await lane.post(bytes_)
            if status != 202:
                raise SystemExit(f"{path} answered {status}")

    before, start = target.cpu(), time.perf_counter()
    await asyncio.gather(*(work(lane) for lane in connections))
    elapsed, after = time.perf_counter() - start, target.cpu()
    for lane in connections:
        lane.close()
    count = len(bodies) * pings_each
    cost.better((after[0] - before[0]) / count * 1e6, (after[1] - before[1]) / count * 1e6, count / elapsed)


async def web_sockets(target: Target, path: str, bodies: list[bytes], lanes: int, cost: Cost, *, acks: bool) -> None:
    """Send one frame a ping over ``lanes`` sockets, ``WINDOW`` unanswered at most on each."""
    frames = iter([frame(body) for body in bodies])
    finished = [asyncio.Event() for _ in range(lanes)]

    def conversation(number: int) -> tuple[Any, Any]:
        sent, told = 0, 0
        lane: WebSocketLane | None = None

        def push() -> None:
            nonlocal sent
            assert lane is not None
            while sent - told < WINDOW:
                following = next(frames, None)
                if following is None:
                    break
                lane.send(following)
                sent += 1
            if sent == told:
                finished[number].set()

        def heard(payload: bytes) -> None:
            nonlocal told
            if acks:
                message = json.loads(payload)
                if message["type"] != "ack":
                    return
                told = message["seq"]
            else:
                told += 1
            push()

        def start(connected: WebSocketLane) -> None:
            nonlocal lane
            lane = connected
            push()

        return heard, start

    talks = [conversation(number) for number in range(lanes)]
    sockets = [await WebSocketLane.open(target.url + path, target.key, heard) for heard, _ in talks]
    await asyncio.sleep(0.1)
    before, begin = target.cpu(), time.perf_counter()
    for socket, (_, start) in zip(sockets, talks, strict=True):
        start(socket)
    await asyncio.gather(*(event.wait() for event in finished))
    elapsed, after = time.perf_counter() - begin, target.cpu()
    for socket in sockets:
        socket.close()
    count = len(bodies)
    cost.better((after[0] - before[0]) / count * 1e6, (after[1] - before[1]) / count * 1e6, count / elapsed)


async def open_loop(target: Target, bodies: list[bytes], per_s: float, lanes: int) -> Histogram:
    """Send bodies at a steady rate; latencies from the instant at which each was due."""
    prepared = [request(target.url + "/v1/pings", target.key, body) for body in bodies]
    connections = [await HttpLane.open(target.url) for _ in range(lanes)]
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    latencies = Histogram()
    clock = asyncio.get_running_loop().time

    async def work(lane: HttpLane) -> None:
        while (item := await due.get()) is not None:
            await lane.post(item[1])
            latencies.add(clock() - item[0])

    workers = [asyncio.create_task(work(lane)) for lane in connections]
    start = clock() + 0.05
    for number, bytes_ in enumerate(prepared):
        at = start + number / per_s
        if (wait := at - clock()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait((at, bytes_))
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    for lane in connections:
        lane.close()
    return latencies


async def measure(target: Target, floor: Target, traffic: Traffic, pings: int) -> dict[str, float]:
    """All figures."""
    single, bare, ws, echo = Cost(), Cost(), Cost(), Cost()
    batches = {50: Cost(), 500: Cost(), 5000: Cost()}
    located = Cost()
    await closed_loop(target, "/v1/pings", traffic.batches(500, 100_000), 2, 500, Cost())
    rss_mb = target.rss_mb()
    few = max(pings // 40, 2_000)
    for _ in range(ROUNDS):
        await closed_loop(floor, "/bare", traffic.batches(1, few), LANES, 1, bare)
        await closed_loop(target, "/v1/pings", traffic.batches(1, few), LANES, 1, single)
        await web_sockets(floor, "/echo", traffic.batches(1, few), LANES, echo, acks=False)
        await web_sockets(target, "/v1/stream", traffic.batches(1, few), LANES, ws, acks=True)
        await closed_loop(floor, "/located", traffic.batches(500, pings // 4), 2, 500, located)
        for size, cost in batches.items():
            await closed_loop(target, "/v1/pings", traffic.batches(size, pings // 4), 2, size, cost)
    half = await open_loop(target, traffic.batches(1, int(single.per_s / 2 * ROUND_S)), single.per_s / 2, 256)
    half_batches = await open_loop(
        target, traffic.batches(500, int(batches[500].per_s / 2 * ROUND_S)), batches[500].per_s / 1000, 64
    )
    grown_mb = target.rss_mb() - rss_mb
    return {
        "batch500_us": batches[500].cpu_us,
        "batch500_floor_us": located.cpu_us,
        "batch500_to_floor": batches[500].cpu_us / located.cpu_us if located.cpu_us else 0.0,
        "batch500_pings_per_cpu_s": 1e6 / batches[500].cpu_us if batches[500].cpu_us else 0.0,
        "single_to_floor": bare.cpu_us / single.cpu_us if single.cpu_us else 0.0,
        "ws_to_floor": echo.cpu_us / ws.cpu_us if ws.cpu_us else 0.0,
        "p99_ms_at_half": max(half.quantile_ms(0.99), half_batches.quantile_ms(0.99)),
        "rss_growth_mb": grown_mb,
        "single_us": single.cpu_us,
        "single_floor_us": bare.cpu_us,
        "single_per_s": single.per_s,
        "ws_us": ws.cpu_us,
        "ws_floor_us": echo.cpu_us,
        "batch50_us": batches[50].cpu_us,
        "batch5000_us": batches[5000].cpu_us,
        "batch500_per_s": batches[500].per_s,
        "batch500_redis_us": batches[500].redis_us,
        "single_p50_ms_at_half": half.quantile_ms(0.5),
        "single_p99_ms_at_half": half.quantile_ms(0.99),
        "batch500_p99_ms_at_half": half_batches.quantile_ms(0.99),
    }


async def prepare(target: Target, data: Path, traffic: Traffic, fences: int) -> None:
    """Put the city's stores, as many synthetic fences, one offer at every store, and users who agreed to pushes."""
    headers = {"Authorization": f"Bearer {target.key}"}
    async with aiohttp.ClientSession(target.url, headers=headers) as session:

        async def call(method: str, path: str, document: Any) -> None:
            async with session.request(method, path, json=document) as answer:
                if answer.status >= 400:
                    raise SystemExit(f"{method} {path} answered {answer.status}: {await answer.text()}")

        await call("PUT", "/v1/policy", {"quiet_hours": {"enabled": False}})
        await call("POST", "/v1/geofences/import", json.loads((data / "stores.geojson").read_bytes()))
        for start in range(0, fences, 20_000):
            made = itertools.islice(catalogs.features(fences), start, start + 20_000)
            await call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": list(made)})
        await call("PUT", "/v1/offers/welcome", OFFER)
        user = {"consent": {"location": True, "push": True, "profiling": True}}
        for user_id in sorted(traffic.users):
            await call("PUT", f"/v1/users/{user_id}", user)


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
    async with gateway(arguments) as target:
        await prepare(target, data, traffic, arguments.fences)
        async with floors() as floor:
            return await measure(target, floor, traffic, arguments.pings)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with stores.geojson and pings.ndjson.gz")
    parser.add_argument("--fences", type=int, default=0, help="synthetic fences beside the city's")
    parser.add_argument("--pings", type=int, default=400_000, help="pings of a round of batches")
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
