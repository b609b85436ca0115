"""Several workers on one port behave as one gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import now_ms
from gateway.settings import Settings
from gateway.supervisor import Team
from tests.journeys.conftest import AWAKE, INSIDE, SQUARE
from tests.patience import PATIENCE_S, until

WORKERS = 3


@dataclass
class Running:
    """A supervisor as a process of its own, and a client of its port."""

    process: asyncio.subprocess.Process
    url: str
    key: str

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request on a connection of its own, so that any worker may get it."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=headers) as response,
        ):
            assert response.status < 300, (response.status, await response.text())
            return await response.json() if response.content_type == "application/json" else await response.text()

    def worker_pids(self) -> set[int]:
        """The supervisor's children that are gateways."""
        pids = set()
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    pids.add(int(pid))
        return pids

    async def knows(self, geofence_id: str) -> None:
        """Waits until every worker has the geofence in use: none of many that are asked at random is without it."""
        question = {"user_id": "nobody", "user": {}, "pings": [sighting("nobody", now_ms(), *INSIDE)]}
        in_a_row = 0
        async with asyncio.timeout(PATIENCE_S):
            while in_a_row < 15 * WORKERS:
                answer = await self.call("POST", "/v1/explain", question)
                in_a_row = in_a_row + 1 if geofence_id in str(answer["moments"]) else 0


def sighting(user_id: str, at_ms: int, lat: float, lon: float) -> dict[str, Any]:
    return {"user_id": user_id, "ts": at_ms, "lat": lat, "lon": lon, "accuracy": 5}


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Running]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEOPUSH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--port", "0", "--workers", str(WORKERS)),
        *("--data-dir", str(tmp_path / "data"), "--set", "sandbox=off"),
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield await _announced(process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.communicate(), PATIENCE_S)
            except TimeoutError:
                process.kill()
                raise


async def _announced(process: asyncio.subprocess.Process) -> Running:
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(90):
        while "admin key" not in said:
            line = (await process.stdout.readline()).decode()
            assert line, said
            said += line
    url, key = re.search(r"listens on (\S+)", said), re.search(r"admin key (\S+)", said)
    assert url
    assert key
    return Running(process, url[1], key[1])


async def test_presence_is_right_whichever_worker_a_ping_reaches(team: Running) -> None:
    """Pings of many users, each on a connection of its own, give every user one enter and one exit a visit."""
    await team.call("PUT", "/v1/policy", AWAKE)
    await team.call("PUT", "/v1/geofences/cafe", SQUARE)
    await team.knows("cafe")
    visits, users = 3, 12
    start = now_ms() - 200_000

    async def walk(user_id: str) -> None:
        at_ms = start
        for _ in range(visits):
            for lat, lon in [(60.1695, 24.941), (60.1705, 24.941), (60.1695, 24.941), (60.1695, 24.941)]:
                at_ms += 6_000
                await team.call("POST", "/v1/pings", sighting(user_id, at_ms, lat, lon))
                await asyncio.sleep(random.random() / 100)

    await asyncio.gather(*(walk(f"u{n}") for n in range(users)))
    text = await team.call("GET", "/metrics")
    counted = dict(re.findall(r'^geopush_transitions_total\{kind="(\w+)"\} (\S+)', text, re.MULTILINE))
    assert counted == {"enter": f"{users * visits}.0", "exit": f"{users * visits}.0"}
    assert f"geopush_pings_total {users * visits * 4}.0" in text


async def test_a_worker_that_dies_is_started_again(team: Running) -> None:
    """The others go on serving meanwhile."""
    before = team.worker_pids()
    assert len(before) == WORKERS
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{killed}").exists())
    for _ in range(10):
        await team.call("GET", "/healthz")
    await until(lambda: len(team.worker_pids() - {killed}) == WORKERS)


async def test_a_reload_replaces_every_worker_and_refuses_nobody(team: Running) -> None:
    """After SIGHUP all workers are new ones, and requests made all the while are answered."""
    before = team.worker_pids()
    team.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_S):
        while team.worker_pids() & before or len(team.worker_pids()) < WORKERS:
            await team.call("GET", "/healthz")


class Ending:
    """A worker that ends when the test wants it to."""

    returncode = None

    def __init__(self) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def terminate(self) -> None:
        return

    async def wait(self) -> int:
        return await self.ended


@pytest.mark.parametrize("turns", range(5))
async def test_a_stop_is_heard_that_comes_just_as_a_replaced_worker_ends(tmp_path: Path, turns: int) -> None:
    worker: Any = Ending()
    stopping = asyncio.create_task(Team(Settings(), 1, tmp_path)._stop(worker))
    for _ in range(3):
        await asyncio.sleep(0)
    worker.ended.set_result(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    is_cancelled = stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping.cancelled() == is_cancelled


async def test_workers_do_not_outlive_their_supervisor(team: Running) -> None:
    """Even when it is killed without a word."""
    pids = team.worker_pids()
    team.process.kill()
    await team.process.wait()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
