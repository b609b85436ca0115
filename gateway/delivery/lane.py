"""One provider's lane: how many pushes are on their way at once, how fast, and whether it is open at all.

Lanes share nothing, so that one provider's outage, slowness or quota never holds up another's pushes.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from gateway.clock import now_ms
from gateway.delivery.breaker import Breaker
from gateway.delivery.channel import Channel, Device, Outcome, Status
from gateway.delivery.job import PushJob
from gateway.delivery.pace import Pace
from gateway.logs import Log

_log = Log("delivery")

BREAKER_OPEN: Final = "breaker_open"
"""The code of a RETRY without an attempt: the provider is held to be down."""


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one lane may hold. ``per_s`` None sends as fast as the provider answers."""

    in_flight: int = 200
    """Requests at once: at 50 ms an answer, 4,000 pushes a second."""
    held: int = 20_000
    """Pushes in memory, waiting for a slot or for their next attempt: about 30 MB."""
    per_s: float | None = None
    burst: int = 1000
    failures_to_open: int = 20
    open_s: float = 2.0


class Lane:
    """A channel with its limits. ``held`` pushes are counted by whoever brings them."""

    def __init__(self, name: str, channel: Channel, limits: LaneLimits) -> None:
        """Build it inside the running loop. ``name`` is the platform's, with the app where there are several."""
        self.channel = channel
        self._name = name
        self.held = 0
        self.answered = 0
        """Attempts that the provider answered, be it with a refusal: a sign of life."""
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._breaker = Breaker(failures=limits.failures_to_open, open_s=limits.open_s)
        self._pace = None if limits.per_s is None else Pace(limits.per_s, limits.burst)
        self._loop = asyncio.get_running_loop()

    @property
    def is_full(self) -> bool:
        """Whether it holds all it may."""
        return self.held >= self._limits.held

    @property
    def is_open(self) -> bool:
        """Whether the provider answers, as far as we know."""
        return not self._breaker.is_open

    @property
    def is_resting(self) -> bool:
        """Whether the provider is held to be down and left alone for now."""
        return self._breaker.is_waiting(self._loop.time())

    async def attempt(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        """One attempt, once there is a slot; two where the first only showed that our credentials were stale.

        EXPIRED when the slot came too late; RETRY without an attempt while the provider is held to be down.
        """
        async with self._slots:
            if self._pace is not None and (wait_s := self._pace.take(self._loop.time())) > 0:
                await asyncio.sleep(wait_s)
            if now_ms() >= job.expires_at_ms:
                return Outcome(status=Status.EXPIRED, provider=self.channel.name, code="expired")
            if (wait_s := self._breaker.enter(self._loop.time())) > 0:
                return Outcome(status=Status.RETRY, provider=self.channel.name, code=BREAKER_OPEN, retry_after_s=wait_s)
            try:
                outcome = await self.channel.send(job, device, alone=alone)
                if outcome.status is Status.REAUTHENTICATE:
                    outcome = await self.channel.send(job, device, alone=alone)
            except BaseException:
                self._breaker.abandoned()
                raise
            self._learn(outcome)
            return outcome

    def _learn(self, outcome: Outcome) -> None:
        was_open = self._breaker.is_open
        if outcome.status in {Status.ACCEPTED, Status.TERMINAL} or outcome.is_about_device:
            self._breaker.succeeded()
            self.answered += 1
        else:
            self._breaker.failed(self._loop.time(), outcome.retry_after_s)
        if self._breaker.is_open and not was_open:
            _log.warning("a provider is held to be down, its pushes wait", channel=self._name, code=outcome.code)
        elif was_open and not self._breaker.is_open:
            _log.info("a provider answers again", channel=self._name)
