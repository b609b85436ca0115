"""From the outbox to a provider, on one page.

Law: an entry leaves the outbox when a provider has accepted it, or when it is certain that none will. Until then it
is pending in Redis under this sender's name: reading it through the consumer group is the mark that is set before
the first attempt. While a sender lives it says so of what it holds; a dead one's entries are taken over. A push is
sent twice only if its sender died between a provider's answer and the acknowledgement, and then with the same
collapse id, so that the phone shows one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.delivery.channel import Channel, Device, Status
from gateway.delivery.courier import NO_DEVICE, Courier
from gateway.delivery.job import PushJob
from gateway.delivery.lane import LaneLimits
from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.settling import Settlement, Settler
from gateway.store import Store, profiles
from gateway.store.outbox import OutboxEntry

_log = Log("sender")

READ_ENTRIES = 512
"""Most entries read at once."""
READ_BLOCK_MS = 500
"""How long a read waits for the first entry, and so how long stopping may take."""
START_TOGETHER = 16
"""Deliveries begun in one turn of the event loop: 2 ms of work."""
PAUSE_S = 0.5
"""The wait after Redis did not answer."""
ALL_REFUSED = "the providers have refused the user's tokens; a device counts again once it is registered anew"
"""What a dead letter says where there are devices, but flagged ones."""
SATURATED_S = 0.05
"""The wait while a provider has all it can hold: it works off some hundred pushes in that time."""


class Sender:
    """One sender; any number of them share the outbox."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        metrics: Metrics,
        *,
        sends_in_flight: int = 200,
        per_minute: Mapping[str, int] | None = None,
        takeover_s: float = 30.0,
        grace_s: float = 10.0,
    ) -> None:
        """``sends_in_flight`` for each channel, and ``per_minute`` by platform where there is a quota.

        Build it inside the running loop; it does not close the channels.
        """
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._store = store
        self._metrics = metrics
        limits = {
            name: LaneLimits(in_flight=sends_in_flight, per_s=_per_s(per_minute or {}, name)) for name in channels
        }
        self._courier = Courier(channels, metrics, limits=limits)
        self._settler = Settler(store, metrics)
        self._takeover_s = takeover_s
        self._grace_s = grace_s
        self._held: dict[str, OutboxEntry] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until ``stop`` is set; then finishes what is in flight, within the grace time, and leaves the rest."""
        self._stop.clear()
        sweeping = asyncio.create_task(self._sweep(), name="sender sweep")
        settling = asyncio.create_task(self._settler.run(), name="sender settling")
        try:
            while not stop.is_set():
                await self._read()
                for helper in (sweeping, settling):
                    if helper.done():
                        helper.result()  # raises: without its helpers a sender must not go on
        finally:
            self._stop.set()
            sweeping.cancel()
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=self._grace_s)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            settling.cancel()
            await asyncio.gather(sweeping, settling, return_exceptions=True)

    async def _read(self) -> None:
        """Reads what is new, unless a provider that answers has all it can hold."""
        if self._courier.is_saturated:
            await asyncio.sleep(SATURATED_S)
            return
        try:
            await self._start(await self._store.outbox.read(self.name, READ_ENTRIES, READ_BLOCK_MS))
        except Unavailable as error:
            _log.warning("the outbox cannot be read", detail=error.detail)
            await asyncio.sleep(PAUSE_S)

    async def _sweep(self) -> None:
        """Says what this sender still works on, takes over what dead ones left, and measures the backlog."""
        outbox, patience_s = self._store.outbox, 0.0
        while True:
            try:
                await outbox.hold(self.name, list(self._held.values()))
                if patience_s <= 0:
                    await self._start(await outbox.take_over(self.name, int(self._takeover_s * 1000)))
                self._courier.measure()
                self._metrics.outbox_depth.set(await outbox.depth())
                self._metrics.outbox_age_s.set(await outbox.oldest_age_ms() / 1000)
                patience_s -= self._takeover_s / 3
            except Unavailable as error:
                # While Redis was away nobody could say that he lives: give all senders time to, before taking over.
                patience_s = self._takeover_s
                _log.warning("the outbox cannot be swept", detail=error.detail)
            await asyncio.sleep(self._takeover_s / 3)

    async def _start(self, entries: Sequence[OutboxEntry]) -> None:
        """Begins the delivery of entries that are not already under way. On Unavailable they stay pending."""
        jobs: list[tuple[OutboxEntry, PushJob]] = []
        for entry in entries:
            if entry.entry_id in self._held:
                continue
            if self._settler.has_settled(entry):
                await self._store.outbox.ack([entry])  # its acknowledgement was lost with Redis
                continue
            try:
                jobs.append((entry, PushJob.decode(entry.job)))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                _log.error("an outbox entry cannot be read", detail=str(error))
                await self._store.dead_letters.bury([(entry, "unreadable")])
        # The sweep may be given the same entries while they are prepared here: who holds one first begins it.
        jobs = [(entry, job) for entry, job in jobs if self._held.setdefault(entry.entry_id, entry) is entry]
        if not jobs:
            return
        try:
            devices = await self._store.profiles.load_devices([job.user_id for _, job in jobs])
        except BaseException:
            for entry, _ in jobs:
                del self._held[entry.entry_id]
            raise
        for place, (entry, job) in enumerate(jobs):
            if place % START_TOGETHER == START_TOGETHER - 1:
                await asyncio.sleep(0)
            task = asyncio.create_task(self._deliver(entry, job, devices.get(job.user_id, ())))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, entry: OutboxEntry, job: PushJob, devices: Sequence[profiles.Device]) -> None:
        try:
            delivery = await self._courier.deliver(job, _addresses(devices), self._stop)
            if delivery.outcome.code == NO_DEVICE and any(device.refused for device in devices):
                delivery = replace(delivery, outcome=replace(delivery.outcome, detail=ALL_REFUSED))
            if delivery.outcome.status is not Status.RETRY:
                await self._settler.settle(Settlement(entry, job, delivery, now_ms()))
        except Exception as error:  # noqa: BLE001 - a push that no code can handle must not come back for ever
            _log.error("a push cannot be delivered", exc_info=True, push_id=job.push_id)
            await self._store.dead_letters.bury([(entry, f"internal: {type(error).__name__}")])
        finally:
            del self._held[entry.entry_id]


def _per_s(per_minute: Mapping[str, int], channel: str) -> float | None:
    quota = per_minute.get(channel.partition(":")[0])
    return None if quota is None else quota / 60


def _addresses(devices: Sequence[profiles.Device]) -> list[Device]:
    """Where to send: a device whose token its provider has refused is left out until it is registered again."""
    return [
        Device(
            device_id=device.device_id,
            platform=device.platform,
            token=device.token,
            registered_at_ms=device.registered_at_ms,
            app=device.app,
        )
        for device in devices
        if device.refused is None
    ]
