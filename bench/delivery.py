# ruff: noqa: SLF001 - the libraries' own clients are measured without our deadline around them
"""What a push costs, and how long it takes, over loopback TLS against nginx.

    python -m bench.delivery [--json] [--seconds S]

Throughput: 100 pushes in flight, our transport beside the libraries' own (aioapns, firebase-admin) and h2load, a C
client that only counts: the ceiling. Compared by CPU time of this process, so that other work on the machine does not
count. Latency: Poisson arrivals at fixed rates, from the intended start, so that a slow sender cannot hide its queue.
Stall: the longest that the event loop did not come round while 1,000 pushes were in flight, by the wall clock and in
CPU time of its thread, with a provider that takes a quarter of a second for each; and ``burst``, with one that answers
at once, so that answers always wait.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from msgspec.structs import replace

from bench.nginx import Nginx
from gateway.clock import now_ms
from gateway.delivery.apns import ApnsApp, notification
from gateway.delivery.apns_http2 import Http2Apns
from gateway.delivery.apns_stock import StockApns
from gateway.delivery.channel import Device
from gateway.delivery.fcm import FcmApp
from gateway.delivery.fcm_http2 import Http2Fcm
from gateway.delivery.fcm_payloads import fcm_payload
from gateway.delivery.fcm_stock import StockFcm, as_message
from gateway.delivery.job import PushJob
from gateway.delivery.sandbox.identity import KEY_ID, TEAM_ID, TOPIC, create
from gateway.delivery.sandbox.process import SandboxProcess
from gateway.serving import SWITCH_INTERVAL_S
from rules.model import Message

ROUNDS = 12
IN_FLIGHT = 100
BATCH = 100
"""Messages of one ``send_each_async``: firebase-admin at its best."""
RATES_PER_S = (100, 300, 1000)
STALL_IN_FLIGHT = 1000
START_TOGETHER = 16
"""Workers begin in groups, as the sender's deliveries do."""

Send = Callable[[], Awaitable[int]]
"""Sends and awaits; how many pushes the provider took."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Pushes a second by the wall clock and by this process's CPU."""

    per_s: float
    per_cpu_s: float


async def throughput(send: Send, seconds: float, in_flight: int) -> Throughput:
    """``in_flight`` workers, one after the other's push, after a warm-up."""
    await send()
    taken, until = 0, time.perf_counter() + seconds
    cpu, wall = time.process_time(), time.perf_counter()

    async def work() -> None:
        nonlocal taken
        while time.perf_counter() < until:
            count = await send()
            taken += count

    workers = []
    for place in range(in_flight):
        workers.append(asyncio.create_task(work()))
        if place % START_TOGETHER == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*workers)
    return Throughput(taken / (time.perf_counter() - wall), taken / (time.process_time() - cpu))


async def best_throughputs(sends: dict[str, tuple[Send, int]], seconds: float) -> dict[str, Throughput]:
    """The best of several rounds of each, taken in turn, so that a busy moment of the machine hits all alike."""
    rounds = [
        {name: await throughput(send, seconds / ROUNDS, in_flight) for name, (send, in_flight) in sends.items()}
        for _ in range(ROUNDS)
    ]
    return {
        name: Throughput(max(each[name].per_s for each in rounds), max(each[name].per_cpu_s for each in rounds))
        for name in sends
    }


async def latencies_ms(send: Send, rate_per_s: float, seconds: float) -> list[float]:
    """From intended start to answer, of Poisson arrivals, sorted."""
    found: list[float] = []
    loop = asyncio.get_running_loop()

    async def one(start: float) -> None:
        await send()
        found.append((loop.time() - start) * 1000)

    chance, tasks, at = random.Random(1), [], loop.time() + 0.1
    until = at + seconds
    while at < until:
        await asyncio.sleep(at - loop.time())
        tasks.append(asyncio.create_task(one(at)))
        at += chance.expovariate(rate_per_s)
    await asyncio.gather(*tasks)
    return sorted(found)


async def longest_stall_ms(send: Send, seconds: float) -> tuple[float, float]:
    """Of the event loop while ``STALL_IN_FLIGHT`` pushes are on their way: by the wall clock, and in its own CPU time.

    The first counts what else the machine was busy with; the second is the most work that anyone had to wait for.
    """
    longest_s = most_cpu_s = 0.0
    is_over = False

    async def watch() -> None:
        nonlocal longest_s, most_cpu_s
        while not is_over:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.perf_counter() - wall_s - 0.001)
            most_cpu_s = max(most_cpu_s, time.thread_time() - cpu_s)

    watching = asyncio.create_task(watch())
    await throughput(send, seconds, STALL_IN_FLIGHT)
    is_over = True
    await watching
    return longest_s * 1000, most_cpu_s * 1000


def h2load_per_s(port: int, seconds: float, body: bytes, directory: Path) -> float:
    """What a C client gets out of the same nginx, on one connection with as many streams."""
    file = directory / "body.json"
    file.write_bytes(body)
    command = [
        "h2load", "--clients=1", f"--max-concurrent-streams={IN_FLIGHT}", f"--duration={max(1, round(seconds))}",
        f"--data={file}", f"https://127.0.0.1:{port}/3/device/fine",
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"([\d.]+) req/s", said)
    assert found is not None, said
    return float(found[1])


def sample() -> tuple[PushJob, Device]:
    """An ordinary offer for an ordinary phone."""
    at_ms = now_ms()
    message = Message(
        title="Two croissants for one", body="Fresh from the oven until noon. Show this at the till.",
        image_url="https://cdn.example/croissant.jpg", deep_link="shop://offers/croissant",
    )  # fmt: skip
    job = PushJob(
        push_id="6f0b1d5e-2f0c-5d55-9a6e-5f6765767073", user_id="u", offer_id="croissant", geofence_id="cafe-1",
        message=message, expires_at_ms=at_ms + 3_600_000, claimed_at_ms=at_ms, received_at_ms=at_ms,
    )  # fmt: skip
    return job, Device(device_id="phone", platform="apns", token="f" * 64)


async def measure(seconds: float) -> dict[str, float]:
    """Every figure, in one run."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        keys = create(directory, "")
        with Nginx(directory, keys.server_file, requests_per_connection=1_000_000_000) as nginx:
            async with SandboxProcess() as sandbox:
                apns = ApnsApp(
                    topic=TOPIC, host="127.0.0.1", port=nginx.port, ca_file=keys.ca_file,
                    key_file=keys.apns_key_file, key_id=KEY_ID, team_id=TEAM_ID,
                )  # fmt: skip
                account = sandbox.addresses.fcm_credentials_file
                fcm = FcmApp(credentials_file=account, host=f"https://127.0.0.1:{nginx.port}", ca_file=keys.ca_file)
                return await _measure(apns, fcm, seconds, directory)


async def _measure(apns: ApnsApp, fcm: FcmApp, seconds: float, directory: Path) -> dict[str, float]:
    job, device = sample()
    fcm_token = "f" * 22 + ":" + "t" * 140
    message = as_message(fcm_payload(job, fcm_token, 3600))
    number = itertools.count()
    ours, theirs = Http2Apns(apns), StockApns(apns)
    ours_fcm, theirs_fcm = Http2Fcm(fcm), StockFcm(fcm)

    async def apns_http2() -> int:
        answer = await ours.send(notification(job, device, job.claimed_at_ms))
        return int(getattr(answer, "status", "") == "200")

    async def apns_stock() -> int:
        request = notification(job, device, job.claimed_at_ms)
        request.notification_id = f"{next(number):08x}-0000-4000-8000-000000000000"  # it matches replies by this
        return int((await theirs._apns.send_notification(request)).is_successful)

    async def fcm_http2() -> int:
        return int(await ours_fcm.send(job, fcm_token, 3600) is None)

    async def fcm_stock() -> int:
        return int((await theirs_fcm._service.send_each_async([message] * BATCH, dry_run=False)).success_count)

    await theirs_fcm.send(job, fcm_token, 3600)  # its first access token
    gc.collect()
    gc.freeze()  # as the gateway does once it has started
    found = await best_throughputs(
        {
            "apns": (apns_http2, IN_FLIGHT),
            "apns_stock": (apns_stock, IN_FLIGHT),
            "fcm": (fcm_http2, IN_FLIGHT),
            "fcm_stock": (fcm_stock, 1),
        },
        seconds,
    )
    body = json.dumps(notification(job, device, job.claimed_at_ms).message).encode()
    ceiling_per_s = await asyncio.to_thread(h2load_per_s, apns.port, seconds, body, directory)
    figures: dict[str, float] = {f"{name}_per_s": result.per_s for name, result in found.items()}
    figures |= {f"{name}_cpu_us": 1e6 / result.per_cpu_s for name, result in found.items()}
    figures |= {
        "h2load_per_s": ceiling_per_s,
        "apns_to_stock": found["apns"].per_cpu_s / found["apns_stock"].per_cpu_s,
        "fcm_to_stock": found["fcm"].per_cpu_s / found["fcm_stock"].per_cpu_s,
        "apns_to_h2load": found["apns"].per_s / ceiling_per_s,
    }
    for rate_per_s in RATES_PER_S:
        taken_ms = await latencies_ms(apns_http2, rate_per_s, seconds)
        figures[f"p50_ms_at_{rate_per_s}"] = taken_ms[len(taken_ms) // 2]
        figures[f"p99_ms_at_{rate_per_s}"] = taken_ms[int(len(taken_ms) * 0.99)]
    figures["burst_stall_ms"], figures["burst_stall_cpu_ms"] = await longest_stall_ms(apns_http2, seconds)
    device = replace(device, token="paced")
    figures["stall_ms"], figures["stall_cpu_ms"] = await longest_stall_ms(apns_http2, seconds)
    for transport in (ours, theirs, ours_fcm, theirs_fcm):
        await transport.close()
    return figures


def main(argv: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.delivery", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement (default 4)")
    options = parser.parse_args(argv)
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as the gateway's
    figures = {name: round(value, 3) for name, value in uvloop.run(measure(options.seconds)).items()}
    if options.json:
        print(json.dumps(figures))
        return 0
    width = max(map(len, figures))
    print("\n".join(f"{name:<{width}}  {value:>10.2f}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
