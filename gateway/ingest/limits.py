"""How fast one key may send, and how close together one user's fixes are worth taking. Per process, in memory.

Limits are off unless set. With several workers each grants its own share of the connections that reach it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.errors import TooManyRequests
from geofences.model import Ping

BURST_S = 2.0
"""A key may save up this long: phones come in waves."""
MAX_KEYS = 10_000
"""Keys whose allowance is kept."""
MAX_USERS = 200_000
"""Users of one generation of ``Spacing``, some 20 MB; the generation before is kept too."""


class KeyRates:
    """A bucket a key: ``pings_per_s`` flow in, a request takes its pings out, and may leave a debt."""

    def __init__(self, pings_per_s: float) -> None:
        """0 sets no limit."""
        self._per_s = pings_per_s
        self._buckets: dict[str, tuple[float, float]] = {}

    def charge(self, payer: str, pings: int, now_s: float) -> None:
        """Take ``pings`` out of the payer's bucket. Raises TooManyRequests with the time until it is out of debt."""
        if not self._per_s:
            return
        full = self._per_s * BURST_S
        held, at_s = self._buckets.get(payer, (full, now_s))
        held = min(full, held + (now_s - at_s) * self._per_s)
        if held <= 0:
            wait_s = max(1, math.ceil(-held / self._per_s))
            raise TooManyRequests(f"this key may send {self._per_s:g} pings a second", retry_after_s=wait_s)
        if len(self._buckets) >= MAX_KEYS:
            self._buckets.clear()
        self._buckets[payer] = (held - pings, now_s)


class Spacing:
    """Drops fixes of a user that follow another too closely: they cost as much and tell nothing new."""

    def __init__(self, min_interval_s: float) -> None:
        """0 drops none."""
        self._min_ms = min_interval_s * 1000
        self._newest: dict[str, int] = {}
        self._older: dict[str, int] = {}

    def spaced(self, pings: Sequence[Ping]) -> Sequence[Ping]:
        """The pings that are at least the interval away from the user's last one that was taken."""
        if not self._min_ms:
            return pings
        taken: list[Ping] = []
        for ping in pings:
            last_ms = self._newest.get(ping.user_id) or self._older.get(ping.user_id)
            if last_ms is None or abs(ping.at_ms - last_ms) >= self._min_ms:
                taken.append(ping)
                self._newest[ping.user_id] = max(ping.at_ms, last_ms or 0)
        if len(self._newest) >= MAX_USERS:
            self._newest, self._older = {}, self._newest
        return taken

    def forget(self, pings: Sequence[Ping]) -> None:
        """Take the next ping of these users whatever its instant: these could not be handled and will come again."""
        if not self._min_ms:
            return
        for ping in pings:
            self._newest.pop(ping.user_id, None)
            self._older.pop(ping.user_id, None)
