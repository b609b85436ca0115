"""Counters per offer, store, variant and UTC day: the funnel from matched to converted.

Counts gather in memory and go out together each ``FLUSH_S``, so that the ping path never waits for them; a killed
worker loses at most that much of its counts, never a push.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.scripts import COUNT

FLUSH_S: Final = 1.0
KEPT_S: Final = 400 * 86_400
"""How long a day's counters are kept: a year to compare with, and a margin."""

FIELDS_PER_CALL: Final = 500
"""Counted by one script call: about half a millisecond of the server's time."""
DAY_MS: Final = 86_400_000

_log = Log("statistics")


class Statistics:
    """Counts, and reads what was counted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._flusher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write counts out regularly."""
        self._flusher = asyncio.create_task(self._flush_regularly(), name="statistics flusher")

    async def stop(self) -> None:
        """Write out what is left and end."""
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
        await self.flush()

    def count(
        self, at_ms: int, offer_id: str, what: str, *, geofence_id: str = "", variant: str = "", amount: int = 1
    ) -> None:
        """Count ``what`` (``matched``, ``refused:audience``, ``claimed``, ``delivered``, ``revenue_cents`` …)."""
        self._counts[offer_id, day_of(at_ms), f"{what}\x00{geofence_id}\x00{variant}"] += amount

    async def flush(self) -> None:
        """Write out what was counted; on Unavailable the counts stay for the next time."""
        counts, self._counts = self._counts, Counter()
        touched: dict[tuple[str, str], list[Arg]] = {}
        for (offer_id, day, field), amount in counts.items():
            touched.setdefault((offer_id, day), []).extend((field, amount))
        try:
            await self._connection.run_many(
                COUNT,
                [
                    ([keys.offer_statistics(offer_id, day)], [KEPT_S, *pairs[start : start + 2 * FIELDS_PER_CALL]])
                    for (offer_id, day), pairs in touched.items()
                    for start in range(0, len(pairs), 2 * FIELDS_PER_CALL)
                ],
            )
        except Unavailable:
            self._counts.update(counts)
            raise

    async def read(self, offer_id: str, days: Iterable[str]) -> dict[str, Mapping[tuple[str, str, str], int]]:
        """Per day (YYYYMMDD, UTC), the counters by (what, geofence, variant)."""
        wanted = list(days)
        replies = await self._connection.batch([("HGETALL", keys.offer_statistics(offer_id, day)) for day in wanted])
        return {
            day: {_field(field): int(amount) for field, amount in reply.items()}
            for day, reply in zip(wanted, replies, strict=True)
        }

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Unavailable as error:
                _log.warning("counts could not be written and wait", detail=error.detail)


def day_of(at_ms: int) -> str:
    """The UTC day of an instant, YYYYMMDD."""
    return _day(at_ms // DAY_MS)


@lru_cache(maxsize=64)
def _day(number: int) -> str:
    """The UTC day that begins ``number`` days after the epoch: asked for each count, and nearly always the same."""
    return dt.datetime.fromtimestamp(number * DAY_MS / 1000, dt.UTC).strftime("%Y%m%d")


def _field(field: bytes) -> tuple[str, str, str]:
    what, geofence_id, variant = field.decode().split("\x00", 2)
    return what, geofence_id, variant
