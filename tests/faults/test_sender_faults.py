"""Faults around the sender: a poisonous push, Redis going away, and ``kill -9`` at every step of its loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.delivery.apns import ApnsChannel
from gateway.delivery.channel import Channel, Status
from gateway.delivery.channels import TRANSPORTS, Transport, open_channels
from gateway.delivery.courier import Courier
from gateway.delivery.sandbox.http2 import Request
from gateway.delivery.waiting import Backoff
from gateway.metrics import Metrics
from gateway.store import Store
from gateway.store.embedded import EmbeddedRedis
from tests.faults.misbehaving import Conversation, MisbehavingServer
from tests.gateway.delivery.arrived import Arrived, apps_at
from tests.gateway.delivery.jobs import a_device, a_job
from tests.gateway.store.test_embedded import written
from tests.gateway.test_sender import claim, emptied, register, sending
from tests.patience import patient, until


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[list[EmbeddedRedis]]:
    """The running server, replaceable: the last of the list."""
    servers = [await EmbeddedRedis.start(tmp_path)]
    yield servers
    await servers[-1].stop()


@pytest.fixture
async def store(redis: list[EmbeddedRedis]) -> AsyncIterator[Store]:
    opened = await Store.open(patient(redis_url=redis[-1].url, partitions=4))
    yield opened
    await opened.close()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
async def channels(sandbox: Arrived, transport: Transport) -> AsyncIterator[dict[str, Channel]]:
    apns, fcm = apps_at(sandbox.addresses)
    opened = open_channels(apns=apns, fcm=fcm, transport=transport)
    yield opened
    for channel in opened.values():
        await channel.close()


async def test_k_a_push_that_breaks_its_connection_each_time_is_given_up_and_the_others_arrive(
    server: MisbehavingServer, apns: ApnsChannel
) -> None:
    def behave(conversation: Conversation, stream_id: int, request: Request) -> None:
        if request.path.endswith("poison"):
            conversation.drop()
        else:
            conversation.reply_later(0.02, stream_id)

    server.behave = behave
    courier = Courier({"apns": apns}, Metrics(), backoff=Backoff(first_s=0.05, cap_s=0.2))
    stop = asyncio.Event()
    poison = asyncio.create_task(courier.deliver(a_job("p"), [a_device("apns", "poison")], stop))
    accepted: Counter[str] = Counter()

    async def others() -> None:
        while not poison.done():
            delivery = await courier.deliver(a_job("o"), [a_device("apns", "fine")], stop)
            accepted[delivery.outcome.status] += 1

    async with asyncio.timeout(100):
        await asyncio.gather(*(others() for _ in range(100)))
    assert (await poison).outcome.status is Status.TERMINAL
    assert set(accepted) == {Status.ACCEPTED}


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_a_redis_that_goes_away_in_mid_send_loses_and_repeats_nothing(
    redis: list[EmbeddedRedis], store: Store, channels: dict[str, Channel], sandbox: Arrived, tmp_path: Path, way: str
) -> None:
    for n in range(50):
        await register(store, f"user-{n}", f"{'apns' if n % 2 else 'fcm'}:slow-{n}")
        await claim(store, a_job(f"user-{n}"))
    await written(store.connection)
    async with sending(store, channels):

        async def all_in_flight() -> bool:
            return len(await sandbox.pushes()) == 50

        await until(all_in_flight)
        if way == "killed":
            assert redis[-1].pid is not None
            os.kill(redis[-1].pid, signal.SIGKILL)
        await redis[-1].stop()
        redis.append(await EmbeddedRedis.start(tmp_path))
        await emptied(store)
    assert len({push["push_id"] for push in await sandbox.pushes()}) == 50
    assert len(await sandbox.pushes()) == 50


@pytest.mark.parametrize(
    ("step", "platform", "arrivals"),
    [
        ("after_read", "apns", 1),
        ("before_send", "fcm", 1),
        ("after_send", "apns", 2),
        ("after_send", "fcm", 2),
        ("after_ack", "apns", 1),
    ],
)
async def test_kill_minus_nine_of_the_sender_at_every_step_loses_nothing(
    redis: list[EmbeddedRedis],
    store: Store,
    transport: Transport,
    channels: dict[str, Channel],
    sandbox: Arrived,
    step: str,
    platform: str,
    arrivals: int,
) -> None:
    """One step can repeat: killed between the provider's answer and the acknowledgement; the phone still shows one."""
    await register(store, "ann", f"{platform}:phone")
    await claim(store, a_job("ann"))
    arguments = ("-m", "tests.faults.dying_sender", redis[-1].url, step, transport)
    child = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=asyncio.subprocess.PIPE)
    addresses = msgspec.to_builtins(sandbox.addresses, enc_hook=str)
    await child.communicate(msgspec.json.encode(addresses))
    assert child.returncode == -signal.SIGKILL
    assert await store.outbox.depth() == (step != "after_ack")
    async with sending(store, channels):
        await emptied(store)
    pushes = await sandbox.pushes()
    assert len(pushes) == arrivals
    assert len({shown_as(push) for push in pushes}) == 1


def shown_as(push: dict[str, Any]) -> str:
    """What makes a phone show a repeat in the place of the first."""
    if push["provider"] == "apns":
        return str(push["headers"]["apns-collapse-id"])
    return str(push["payload"]["android"]["notification"]["tag"])
