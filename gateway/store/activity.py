"""Live activity: what just happened, for whoever watches now. Nothing is kept.

Events name users by a keyed hash under a key that all workers share, and places by geofence or coarse cell.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import orjson

from gateway.store import keys
from gateway.store.connection import Connection, Subscription
from gateway.store.pseudonyms import Pseudonyms

RECHECK_S: Final = 1.0
"""How long it is believed that nobody watches; a new watcher misses at most this much of other workers' events."""


class Activity:
    """Publishes and follows activity events (dicts with ``type`` and ``at_ms``)."""

    def __init__(self, connection: Connection, pseudonyms: Pseudonyms) -> None:
        self._connection = connection
        self._pseudonyms = pseudonyms
        self._unwatched_until = 0.0
        self._own_watchers = 0

    @property
    def is_watched(self) -> bool:
        """Whether someone may be watching, so that events are worth making."""
        return self._own_watchers > 0 or time.monotonic() >= self._unwatched_until

    def pseudonym(self, user_id: str) -> str:
        """The user as ten hexadecimal digits, the same in all workers, meaningless without the key."""
        return self._pseudonyms.short(user_id)

    def decision_id(self, user_id: str, at_ms: int) -> str:
        """A name for the decision about a user at an instant, by which it can be asked for, and nothing be read."""
        return self._pseudonyms.seal(f"{at_ms} {user_id}")

    def decided(self, decision_id: str) -> tuple[str, int] | None:
        """The user and the instant that a decision's name stands for; None for what is no such name."""
        at_ms, space, user_id = (self._pseudonyms.unseal(decision_id) or "").partition(" ")
        return (user_id, int(at_ms)) if space else None

    async def publish(self, events: Sequence[dict[str, Any]]) -> int:
        """Tell everyone who watches, in all workers; how many watchers there were."""
        if not events:
            return 0
        watchers = int(await self._connection.call("PUBLISH", keys.ACTIVITY_NEWS, orjson.dumps(events)))
        if watchers == 0 and not self._connection.is_cluster:  # a cluster counts only its own node's watchers
            self._unwatched_until = time.monotonic() + RECHECK_S
        return watchers

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[ActivityFeed]:
        """Follow events from now on."""
        async with self._connection.subscribe(keys.ACTIVITY_NEWS) as subscription:
            self._own_watchers += 1
            try:
                yield ActivityFeed(subscription)
            finally:
                self._own_watchers -= 1


class ActivityFeed:
    """Events as they happen. Raises Unavailable when the connection is lost: enter ``subscribe`` again."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def wait(self, timeout_s: float) -> list[dict[str, Any]]:
        """The next events; none when nothing happened within ``timeout_s``."""
        message = await self._subscription.wait(timeout_s)
        return [] if message is None else orjson.loads(message)
