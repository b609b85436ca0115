"""What the sender writes down once a push's fate is certain: acknowledgement, refund, tokens, counters, live activity.

Whatever becomes certain within a few milliseconds is written together. A Redis that does not answer is waited for: the
entry stays pending until its end is written.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.delivery.channel import Status, TokenState
from gateway.delivery.courier import Delivery
from gateway.delivery.job import PushJob
from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.store import Store
from gateway.store.outbox import OutboxEntry
from gateway.store.profiles import TokenNews

_log = Log("sender")

REMEMBERED: Final = 100_000
"""Entries remembered as settled, so that one whose acknowledgement Redis lost in a crash is not sent again."""
GATHER_S: Final = 0.01
"""How long the first waits for others: at 300 pushes a second one round trip serves three. What a killed sender repeats
grows by the answers of as many milliseconds; a provider takes several times as long for each."""
MAX_PROVEN: Final = 1_000
"""Apps remembered as reached; devices name their app, and a stranger may name many."""
PAUSE_S: Final = 0.5
"""The wait after Redis did not answer."""


class Settlement(msgspec.Struct, frozen=True):
    """An entry, its job, how it ended, and when."""

    entry: OutboxEntry
    job: PushJob
    delivery: Delivery
    at_ms: int


class Settler:
    """Writes settlements, all that wait at once."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        """Build it inside the running loop, and keep ``run`` running."""
        self._store = store
        self._metrics = metrics
        self._waiting: list[tuple[Settlement, asyncio.Future[None]]] = []
        self._woken = asyncio.Event()
        self._settled: OrderedDict[str, None] = OrderedDict()
        self._proven: set[tuple[str, str]] = set()

    async def settle(self, settlement: Settlement) -> None:
        """Returns when it is written."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((settlement, written))
        self._woken.set()
        await written

    def has_settled(self, entry: OutboxEntry) -> bool:
        """Whether this sender has settled the entry before."""
        return entry.entry_id in self._settled

    async def run(self) -> None:
        """Writes for ever."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(GATHER_S)
            self._woken.clear()
            batch, self._waiting = self._waiting, []
            await self._write_until_written([settlement for settlement, _ in batch])
            for _, written in batch:
                if not written.done():
                    written.set_result(None)

    async def _write_until_written(self, batch: Sequence[Settlement]) -> None:
        while True:
            try:
                await self._write(batch)
            except Unavailable as error:
                _log.warning("the end of pushes cannot be written and waits", pushes=len(batch), detail=error.detail)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _write(self, batch: Sequence[Settlement]) -> None:
        """Acknowledges first what a provider has: the shorter that takes, the rarer is a repeat after a crash."""
        store = self._store
        accepted = [settled for settled in batch if settled.delivery.outcome.status is Status.ACCEPTED]
        failed = [settled for settled in batch if settled.delivery.outcome.status is not Status.ACCEPTED]
        if accepted:
            await store.outbox.ack([settled.entry for settled in accepted])
        if failed:
            # What may have arrived all the same stays counted: better no second push than one too many.
            refunds = {one.entry.entry_id: one.job.push_id for one in failed if not one.delivery.is_in_doubt}
            await store.dead_letters.bury([(one.entry, one.delivery.reason) for one in failed], refunds)
        for settled in batch:
            self._settled[settled.entry.entry_id] = None
        while len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)
        await self._note_tokens(batch)
        self._count(batch)
        if store.activity.is_watched:
            await store.activity.publish([self._event(settled) for settled in batch])

    async def _note_tokens(self, batch: Sequence[Settlement]) -> None:
        """Write what providers said of tokens.

        That a token is wrong is believed only of an app that a push has reached since the start: until then it may as
        well be our topic, project or host that is wrong, and every device would be flagged for it.
        """
        attempts = [(settled, attempt) for settled in batch for attempt in settled.delivery.attempts]
        for _, attempt in attempts:
            if attempt.outcome.status is Status.ACCEPTED and len(self._proven) < MAX_PROVEN:
                self._proven.add((attempt.device.platform, attempt.device.app))
        news: list[TokenNews] = []
        for settled, attempt in attempts:
            device, outcome = attempt.device, attempt.outcome
            if outcome.token_state is TokenState.GOOD:
                continue
            self._metrics.tokens_refused.labels(outcome.provider, outcome.token_state).inc()
            is_gone = outcome.token_state is TokenState.GONE
            if not is_gone and (device.platform, device.app) not in self._proven:
                _log.warning(
                    "a token was refused as wrong before any push was accepted: check topic, project and host",
                    provider=outcome.provider,
                    code=outcome.code,
                )
                continue
            news.append(
                TokenNews(
                    user_id=settled.job.user_id,
                    token=device.token,
                    registered_at_ms=device.registered_at_ms,
                    reason=outcome.code,
                    at_ms=settled.at_ms,
                    gone_since_ms=outcome.token_invalid_since_ms if is_gone else None,
                )
            )
        if news:
            await self._store.profiles.note_tokens(news)

    def _count(self, batch: Sequence[Settlement]) -> None:
        for settled in batch:
            job, outcome = settled.job, settled.delivery.outcome
            status = outcome.status
            if status is Status.ACCEPTED:
                self._metrics.ping_to_accepted_s.observe(max(0, settled.at_ms - job.received_at_ms) / 1000)
            else:
                self._metrics.dead_letters.labels(outcome.provider or "none", status).inc()
            self._store.statistics.count(
                settled.at_ms,
                job.offer_id,
                "delivered" if status is Status.ACCEPTED else f"undelivered:{status}",
                geofence_id=job.geofence_id,
                variant=job.variant,
            )

    def _event(self, settled: Settlement) -> dict[str, Any]:
        job, outcome = settled.job, settled.delivery.outcome
        return {
            "type": "delivery",
            "at_ms": settled.at_ms,
            "push_id": job.push_id,
            "user": self._store.activity.pseudonym(job.user_id),
            "offer_id": job.offer_id,
            "geofence_id": job.geofence_id,
            "provider": outcome.provider,
            "status": outcome.status,
            "code": outcome.code,
            "title": job.message.title,
            "body": job.message.body,
            "ping_to_accepted_ms": settled.at_ms - job.received_at_ms,
        }
