"""One push to one user: which device, which channel, when again, and when to give up.

Law: a push goes to one device. The next one is tried only when the provider has refused this one for good; what is
merely late is tried again on the same device, with full jitter, never after the push has expired. A provider that is
known to be down is not waited for while the offer's channels or the user's devices leave another way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Final

import msgspec
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.delivery.channel import Channel, Device, Outcome, Status
from gateway.delivery.job import PushJob
from gateway.delivery.lane import BREAKER_OPEN, Lane, LaneLimits
from gateway.delivery.waiting import Backoff
from gateway.metrics import Metrics

PUSH: Final = "push"
"""The channel that stands for all of the user's devices."""

DEVICE_PLATFORMS: Final = frozenset({"apns", "fcm", "huawei", "rustore", "web_push"})
"""Channels that reach a device; the others reach the user without one."""

NO_DEVICE: Final = "no_device"
"""The code of a push that had nowhere to go: no device, or none whose channel is on."""

SUSPECT_AFTER: Final = 2
"""Times a connection may break under a push before it gets one of its own: the others must not suffer for it."""

MAX_STRIKES: Final = 3
"""Connections of its own that break under a push, while the provider answers others, before it is given up."""


class Attempt(msgspec.Struct, frozen=True):
    """One try and what came of it."""

    device: Device
    outcome: Outcome


class Delivery(msgspec.Struct, frozen=True):
    """How it ended: ACCEPTED, TERMINAL or EXPIRED; or RETRY, when it must be left for later, still undecided."""

    outcome: Outcome
    attempts: tuple[Attempt, ...] = ()

    @property
    def is_in_doubt(self) -> bool:
        """Whether a provider may have it although none said so."""
        return any(attempt.outcome.is_in_doubt for attempt in self.attempts)

    @property
    def reason(self) -> str:
        """How it ended, for an operator: ``terminal: apns Unregistered``."""
        outcome = self.outcome
        words = " ".join(filter(None, (f"{outcome.status}:", outcome.provider, outcome.code)))
        return f"{words} ({outcome.detail})" if outcome.detail else words


class Courier:
    """Brings jobs to devices, over one lane for each channel: each provider, and each app of a provider."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        metrics: Metrics,
        *,
        limits: Mapping[str, LaneLimits] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Build it inside the running loop. The courier does not close the channels.

        ``channels`` by platform; further apps of a platform as ``apns:topic`` and ``fcm:project``, which a device
        names in its ``app``.
        """
        limits = limits or {}
        self._lanes = {name: Lane(name, channel, limits.get(name, LaneLimits())) for name, channel in channels.items()}
        self._metrics = metrics
        self._backoff = backoff or Backoff()

    @property
    def is_saturated(self) -> bool:
        """Whether a provider that answers has all it can hold; one that is down does not count."""
        return any(lane.is_full and lane.is_open for lane in self._lanes.values())

    def measure(self) -> None:
        """Sets the gauges of every lane; those of one platform's apps are added up."""
        for platform in {name.partition(":")[0] for name in self._lanes}:
            lanes = [lane for name, lane in self._lanes.items() if name.partition(":")[0] == platform]
            self._metrics.lane_held.labels(platform).set(sum(lane.held for lane in lanes))
            self._metrics.breaker_open.labels(platform).set(sum(not lane.is_open for lane in lanes))

    async def deliver(self, job: PushJob, devices: Sequence[Device], stop: asyncio.Event) -> Delivery:
        """Tries until a provider accepts, all devices are refused, or time is up. RETRY once ``stop`` is set."""
        attempts: list[Attempt] = []
        outcome = Outcome(status=Status.TERMINAL, provider="", code=NO_DEVICE)
        # A provider that is down is passed over while another way is open; sorting keeps the order otherwise.
        for device, lane in sorted(self._targets(job, devices), key=lambda target: target[1].is_resting):
            lane.held += 1
            try:
                outcome = await self._try(job, device, lane, attempts, stop)
            finally:
                lane.held -= 1
            if outcome.status is not Status.TERMINAL:
                break
        return Delivery(outcome, tuple(attempts))

    async def _try(
        self, job: PushJob, device: Device, lane: Lane, attempts: list[Attempt], stop: asyncio.Event
    ) -> Outcome:
        """Tries one device until something is certain; of what expires the provider's last word is kept."""
        breaks = strikes = 0
        said: Outcome | None = None
        for attempt in count(1):
            if lane.is_full and not lane.is_open:
                return Outcome(status=Status.RETRY, provider=lane.channel.name, code="lane_full")
            answered_before = lane.answered
            outcome = await lane.attempt(job, device, alone=breaks >= SUSPECT_AFTER)
            if outcome.status is Status.EXPIRED:
                return replace(said or outcome, status=Status.EXPIRED)
            if outcome.code != BREAKER_OPEN:
                said = outcome
                attempts.append(Attempt(device, outcome))
                self._metrics.deliveries.labels(lane.channel.name, outcome.status).inc()
            if outcome.status in {Status.ACCEPTED, Status.TERMINAL}:
                return outcome
            wait_s = self._backoff.wait_s(attempt, random.random(), outcome.retry_after_s)
            if now_ms() + wait_s * 1000 >= job.expires_at_ms:
                return replace(said or outcome, status=Status.EXPIRED)
            if await _is_set_within(stop, wait_s):
                return outcome
            strikes += outcome.broke_connection and breaks >= SUSPECT_AFTER and lane.answered > answered_before
            breaks += outcome.broke_connection
            if strikes == MAX_STRIKES:
                return replace(outcome, status=Status.TERMINAL, detail=f"given up after {attempt} attempts")
        raise AssertionError("counting ended")

    def _targets(self, job: PushJob, devices: Sequence[Device]) -> Iterator[tuple[Device, Lane]]:
        """Devices in the order of the job's channels, newest first, as far as their channel is open for business."""
        newest_first = sorted(devices, key=lambda device: device.registered_at_ms, reverse=True)
        for name in job.channels:
            if name == PUSH:
                found = newest_first
            elif name in DEVICE_PLATFORMS:
                found = [device for device in newest_first if device.platform == name]
            else:
                found = [Device(device_id=name, platform=name, token="")]
            for device in found:
                if lane := self._lanes.get(f"{device.platform}:{device.app}") or self._lanes.get(device.platform):
                    yield device, lane


async def _is_set_within(stop: asyncio.Event, wait_s: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), wait_s)
    except TimeoutError:
        return False
    return True
