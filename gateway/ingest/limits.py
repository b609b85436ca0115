"""How fast one key, or one user with a token, may send, and how close together one user's fixes are worth taking.

Limits are off unless set. The workers of one host keep them together; several hosts each grant the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import TooManyRequests
from gateway.ingest.instants import Instants
from geofences.model import Ping

BURST_S = 2.0
"""A key may save up this long: phones come in waves."""
MAX_KEYS = 1 << 18
"""Keys, and users with tokens, whose allowance is kept, in 4 MB."""
MAX_USERS = 1 << 18
"""Users whose last fix is kept, in 4 MB."""


class KeyRates:
    """A bucket a key: ``pings_per_s`` flow in, a request takes its pings out, and may leave a debt."""

    def __init__(self, pings_per_s: float, folder: Path | None = None) -> None:
        """0 sets no limit; ``folder`` is what the workers of one host share."""
        self._per_s = pings_per_s
        self._full_s = Instants(folder, "key-rates", MAX_KEYS) if pings_per_s else None
        """When each bucket will be full again."""

    def charge(self, payer: str, pings: int, now_s: float) -> None:
        """Take ``pings`` out of the payer's bucket. Raises TooManyRequests with the time until it is out of debt."""
        if self._full_s is None:
            return
        full_s = max(self._full_s.get(payer), now_s)
        debt_s = full_s - now_s - BURST_S
        if debt_s >= 0:
            wait_s = max(1, math.ceil(debt_s))
            raise TooManyRequests(f"this key may send {self._per_s:g} pings a second", retry_after_s=wait_s)
        self._full_s.set(payer, full_s + pings / self._per_s)


class Spacing:
    """Drops fixes of a user that follow another too closely: they cost as much and tell nothing new."""

    def __init__(self, min_interval_s: float, folder: Path | None = None) -> None:
        """0 drops none; ``folder`` is what the workers of one host share."""
        self._min_ms = min_interval_s * 1000
        self._last_ms = Instants(folder, "last-fixes", MAX_USERS) if min_interval_s else None

    def spaced(self, pings: Sequence[Ping]) -> Sequence[Ping]:
        """The pings that are at least the interval away from the user's last one that was taken."""
        if self._last_ms is None:
            return pings
        taken: list[Ping] = []
        for ping in pings:
            last_ms = self._last_ms.get(ping.user_id)
            if abs(ping.at_ms - last_ms) >= self._min_ms:
                taken.append(ping)
                self._last_ms.set(ping.user_id, max(ping.at_ms, last_ms))
        return taken

    def forget(self, pings: Sequence[Ping]) -> None:
        """Take the next ping of these users whatever its instant: these could not be handled and will come again."""
        if self._last_ms is not None:
            for ping in pings:
                self._last_ms.set(ping.user_id, 0.0)
