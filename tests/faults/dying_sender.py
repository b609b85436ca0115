"""A sender that kills itself, as ``kill -9`` would, at a chosen step.

``python -m tests.faults.dying_sender`` URL STEP TRANSPORT reads the sandbox's addresses as JSON from standard input.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from gateway.delivery.channel import Channel, Device, Outcome
from gateway.delivery.channels import Transport, open_channels
from gateway.delivery.job import PushJob
from gateway.delivery.sandbox.process import Addresses
from gateway.metrics import Metrics
from gateway.sender import Sender
from gateway.store import Store
from tests.gateway.delivery.arrived import apps_at
from tests.patience import patient

P = ParamSpec("P")
T = TypeVar("T")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    async def wrapped(*args: P.args, **options: P.kwargs) -> T:
        result = await work(*args, **options)
        if result or result is None:
            die()
        return result

    return wrapped


class Dying:
    """A channel that dies just before or just after it has sent."""

    def __init__(self, channel: Channel, step: str) -> None:
        self.name = channel.name
        self._channel = channel
        self._step = step

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        if self._step == "before_send":
            die()
        outcome = await self._channel.send(job, device, alone=alone)
        if self._step == "after_send":
            die()
        return outcome

    async def close(self) -> None:
        await self._channel.close()


async def main(redis_url: str, step: str, transport: Transport) -> None:
    addresses = msgspec.json.decode(sys.stdin.buffer.read(), type=Addresses, dec_hook=lambda kind, text: kind(text))
    store = await Store.open(patient(redis_url=redis_url, partitions=4))
    outbox: Any = store.outbox
    if step == "after_read":
        outbox.read = dying_after(outbox.read)
    if step == "after_ack":
        outbox.ack = dying_after(outbox.ack)
    apns, fcm = apps_at(addresses)
    opened = open_channels(apns=apns, fcm=fcm, transport=transport)
    channels = {name: Dying(channel, step) for name, channel in opened.items()}
    await Sender(store, channels, Metrics()).run(asyncio.Event())


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    asyncio.run(main(sys.argv[1], sys.argv[2], "stock" if sys.argv[3] == "stock" else "http2"))
