"""From ping sent to push accepted, through a whole gateway: HTTP, decision, claim, outbox, sender, TLS, nginx as APNs.

    python -m bench.push [--rate 300] [--seconds 8] [--json]

Every ping is of another shopper who enters a store, so each becomes a push. Poisson arrivals; a push's time counts from
when its ping was due until nginx has answered for it, to the millisecond. ``ping`` is the way until the gateway has
answered the ping, which it does when all of it is written; the push goes out meanwhile. CPU is the gateway's, Redis
apart.
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
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench import processes
from bench.lanes import HttpLane, request
from bench.nginx import Nginx
from gateway.delivery.sandbox.identity import KEY_ID, TEAM_ID, TOPIC, create
from gateway.demo.child import Child, serving

INSIDE = {"lat": 60.1705, "lon": 24.941, "accuracy": 5}
STORE = {
    "type": "Feature",
    "properties": {"name": "Corner Café"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[24.94, 60.17], [24.942, 60.17], [24.942, 60.171], [24.94, 60.171], [24.94, 60.17]]],
    },
}
OFFER = {
    "name": "Coffee",
    "status": "active",
    "targets": {"all": True},
    "trigger": {"type": "enter"},
    "opening_hours": "ignore",
    "messages": {"en": {"title": "Coffee now", "body": "A cup for 2 € at {{ store.name }}. Come in!"}},
}
CONSENT = {"location": True, "push": True, "profiling": True}
WARM_UP = 50
"""Pings before those that count: connections, provider token, compiled templates."""
SETTLE_S = 3.0
"""Time for the last pushes to arrive."""


class Client:
    """Calls one gateway."""

    def __init__(self, session: aiohttp.ClientSession, child: Child) -> None:
        self._session = session
        self._url = child.url
        self._headers = {"Authorization": f"Bearer {child.admin_key}"}

    async def call(self, method: str, path: str, document: Any) -> None:
        """One call that must succeed."""
        url = self._url + path
        async with self._session.request(method, url, json=document, headers=self._headers) as answer:
            assert answer.status < 300, await answer.text()

    async def prepare(self, shoppers: int) -> None:
        """A store, an offer, no quiet hours, and shoppers with a phone each."""
        await self.call("PUT", "/v1/policy", {"quiet_hours": {"enabled": False}})
        await self.call("PUT", "/v1/geofences/cafe", STORE)
        await self.call("PUT", "/v1/offers/coffee", OFFER)
        slots = asyncio.Semaphore(16)

        async def welcome(number: int) -> None:
            async with slots:
                await self.call("PUT", f"/v1/users/u{number}", {"locale": "en", "consent": CONSENT})
                device = {"platform": "apns", "token": token_of(number)}
                await self.call("PUT", f"/v1/users/u{number}/devices/phone", device)

        await asyncio.gather(*(welcome(number) for number in range(shoppers)))


class Phones:
    """Send pings over keep-alive connections that cost little, so that little of the time is theirs."""

    def __init__(self, child: Child) -> None:
        self._url = child.url + "/v1/pings"
        self._key = child.admin_key
        self._free: list[HttpLane] = []

    async def ping(self, number: int) -> None:
        """The shopper enters. Returns when the gateway has answered."""
        document = INSIDE | {"user_id": f"u{number}", "ts": int(time.time() * 1000)}
        lane = self._free.pop() if self._free else await HttpLane.open(self._url)
        status = await lane.post(request(self._url, self._key, json.dumps(document).encode()))
        assert status == 202, status
        self._free.append(lane)

    def close(self) -> None:
        """Disconnect."""
        for lane in self._free:
            lane.close()


def token_of(number: int) -> str:
    """A device token that nginx's log gives back."""
    return f"{number:064x}"


async def measure(rate_per_s: float, seconds: float) -> dict[str, float]:
    """Median and 99th percentile, and the gateway's CPU for each push."""
    pings = int(rate_per_s * seconds)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        keys = create(directory, "")
        with Nginx(directory, keys.server_file, requests_per_connection=1_000_000_000, logs=True) as nginx:
            settings = {
                "policy": "raw", "sandbox": "off", "log_level": "error", "apns_host": "127.0.0.1",
                "apns_port": str(nginx.port), "apns_ca_file": str(keys.ca_file), "apns_topic": TOPIC,
                "apns_key_file": str(keys.apns_key_file), "apns_key_id": KEY_ID, "apns_team_id": TEAM_ID,
            }  # fmt: skip
            async with serving(directory / "data", 0, settings) as child:
                async with aiohttp.ClientSession() as session:
                    await Client(session, child).prepare(WARM_UP + pings)
                with contextlib.closing(Phones(child)) as phones:
                    await asyncio.gather(*(phones.ping(number) for number in range(WARM_UP)))
                    await asyncio.sleep(SETTLE_S)
                    nginx.requests()
                    before_s = gateway_cpu_s()
                    due_s, ping_ms = await send_all(phones, range(WARM_UP, WARM_UP + pings), rate_per_s)
                    await asyncio.sleep(SETTLE_S)
                    return figures(due_s, ping_ms, nginx, gateway_cpu_s() - before_s)


def gateway_cpu_s() -> float:
    """CPU seconds so far of the gateway, nginx and Redis apart."""
    return sum(process.cpu_s for process in processes.gateways(os.getpid()) if process.name != "nginx")


async def send_all(phones: Phones, numbers: range, rate_per_s: float) -> tuple[dict[str, float], list[float]]:
    """Send a ping for each number; when each was due, by its token, and in how many ms each was answered, sorted."""
    chance, due_s, tasks = random.Random(1), {}, []
    ping_ms: list[float] = []

    async def ping(number: int, due_s: float) -> None:
        await phones.ping(number)
        ping_ms.append((time.time() - due_s) * 1000)

    at_s = time.time() + 0.1
    for number in numbers:
        await asyncio.sleep(at_s - time.time())
        due_s[token_of(number)] = at_s
        tasks.append(asyncio.create_task(ping(number, at_s)))
        at_s += chance.expovariate(rate_per_s)
    await asyncio.gather(*tasks)
    return due_s, sorted(ping_ms)


def figures(due_s: dict[str, float], ping_ms: list[float], nginx: Nginx, spent_s: float) -> dict[str, float]:
    """Compares what was due with what nginx has seen; every ping must have become one push."""
    served = [each for each in nginx.requests() if each.status == 200]
    took_ms = sorted((each.at_s - due_s[each.path.rpartition("/")[2]]) * 1000 for each in served)
    assert len(took_ms) == len(due_s), f"{len(took_ms)} pushes for {len(due_s)} pings"
    return {
        "pushes": len(took_ms),
        "p50_ms": took_ms[len(took_ms) // 2],
        "p99_ms": took_ms[int(len(took_ms) * 0.99)],
        "ping_p50_ms": ping_ms[len(ping_ms) // 2],
        "ping_p99_ms": ping_ms[int(len(ping_ms) * 0.99)],
        "cpu_us_per_push": spent_s / len(took_ms) * 1e6,
    }


def main(argv: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.push", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=float, default=300.0, help="pings a second (default 300)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the measurement (default 8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    found = {name: round(value, 2) for name, value in uvloop.run(measure(options.rate, options.seconds)).items()}
    print(
        json.dumps(found) if options.json else "\n".join(f"{name:<16} {value:>10.2f}" for name, value in found.items())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
