"""Pings of a city without end, the server that they are sent to, and three ways to send them."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench import processes
from bench.floors import Wire
from bench.lanes import Histogram, HttpLane, WebSocketLane, frame, request

WINDOW = 16
"""Frames in flight on one WebSocket."""


class Traffic:
    """A city's pings, endlessly: round after round, each later than the one before."""

    def __init__(self, file: Path, *, moved_deg: float = 0.0, start_ms: int | None = None) -> None:
        """Read newline-delimited pings in order of arrival; the first is at ``start_ms``, by default now.

        With ``moved_deg`` all lie that far north.
        """
        raw = file.read_bytes()
        self._pings = msgspec.json.Decoder(Wire).decode_lines(gzip.decompress(raw) if file.suffix == ".gz" else raw)
        for ping in self._pings:
            ping.lat += moved_deg
        first, last = min(p.ts for p in self._pings), max(p.ts for p in self._pings)
        self._shift_ms = (int(time.time() * 1000) if start_ms is None else start_ms) - first
        self._span_ms = last - first + 1000
        self._next = 0
        self.users = {p.user_id for p in self._pings}

    def __len__(self) -> int:
        """Pings of one round."""
        return len(self._pings)

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
    refused: int = 0

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
            cost.refused += await lane.deliver(bytes_)

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
    await _until_finished(finished, sockets)
    elapsed, after = time.perf_counter() - begin, target.cpu()
    for socket in sockets:
        socket.close()
    count = len(bodies)
    cost.better((after[0] - before[0]) / count * 1e6, (after[1] - before[1]) / count * 1e6, count / elapsed)


async def _until_finished(finished: list[asyncio.Event], sockets: list[WebSocketLane]) -> None:
    """Raises RuntimeError when the other side closes a connection before."""
    done = asyncio.gather(*(event.wait() for event in finished))
    await asyncio.wait([done, *(socket.lost for socket in sockets)], return_when=asyncio.FIRST_COMPLETED)
    if not done.done():
        done.cancel()
        raise RuntimeError("the gateway closed a WebSocket")


async def open_loop(target: Target, bodies: list[bytes], per_s: float, lanes: int) -> tuple[Histogram, Histogram]:
    """Send bodies at a steady rate; latencies since each was due, and how late we sent it ourselves."""
    prepared = [request(target.url + "/v1/pings", target.key, body) for body in bodies]
    connections = [await HttpLane.open(target.url) for _ in range(lanes)]
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    latencies, lateness = Histogram(), Histogram()
    clock = asyncio.get_running_loop().time

    async def work(lane: HttpLane) -> None:
        while (item := await due.get()) is not None:
            await lane.deliver(item[1])
            latencies.add(clock() - item[0])

    workers = [asyncio.create_task(work(lane)) for lane in connections]
    start = clock() + 0.05
    for number, bytes_ in enumerate(prepared):
        at = start + number / per_s
        if (wait := at - clock()) > 0:
            await asyncio.sleep(wait)
        lateness.add(clock() - at)
        due.put_nowait((at, bytes_))
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    for lane in connections:
        lane.close()
    return latencies, lateness
