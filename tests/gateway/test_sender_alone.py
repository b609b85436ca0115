"""``geopush sender`` beside a gateway that does not send: it delivers, and shows how it does."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import aiohttp
import pytest

from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.store import Store
from gateway.watched import watched
from tests.gateway.delivery.jobs import a_job
from tests.gateway.test_sender import claim, register


def a_free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


async def test_a_sender_alone_delivers_and_shows_what_it_did(settings: Settings, store: Store) -> None:
    await register(store, "ann", "apns:phone")
    await register(store, "bob", "apns:dead-phone")
    port = a_free_port()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "sender", "--set", f"redis_url={settings.redis_url}", "--set", "partitions=4",
        "--set", f"sender_port={port}", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    async with asyncio.timeout(60):
        async for line in child.stdout:
            if line.decode().split() == ["metrics", f"http://127.0.0.1:{port}/metrics"]:
                break
        for user_id in ("ann", "bob"):
            await claim(store, a_job(user_id))
        while await store.outbox.depth():
            await asyncio.sleep(0.05)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/readyz") as answer:
                assert await answer.json() == {"status": "ready", "parts": {"redis": "ok", "sender": "ok"}}
            wanted = 'geopush_dead_letters_total{channel="apns",status="terminal"} 1.0'
            while wanted not in (await (await session.get("/metrics")).text()):
                await asyncio.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0


async def test_a_port_that_is_taken_is_said() -> None:
    async with watched("127.0.0.1", 0, Metrics(), {}) as address:
        with pytest.raises(ConfigError, match="cannot listen"):
            async with watched("127.0.0.1", int(address.rpartition(":")[2]), Metrics(), {}):
                pass
