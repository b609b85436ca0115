"""What secrets open, remembered for a few seconds: the hot path asks Redis once in a while, not once a request.

While Redis does not answer, what was known stays known for some minutes: pings that need no decision go on.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gateway.errors import Unavailable

T = TypeVar("T")

REMEMBER_S = 5.0
"""Seconds that an answer is remembered: one Redis call per key and worker in 5 s, soon over after revoking."""
STALE_S = 600.0
"""Longest that an older answer stands in where none comes: an outage. Nobody can revoke a key during one either."""
MAX_REMEMBERED = 10_000
"""Secrets remembered at once; refusals never are, so that guessing fills nothing."""


class Remembering(Generic[T]):
    """Asks about secrets with a short memory."""

    def __init__(self, ask: Callable[[str], Awaitable[T | None]], clock: Callable[[], float] = time.monotonic) -> None:
        """``ask`` answers what a secret opens, None for nothing; ``clock`` gives monotonic seconds."""
        self._ask = ask
        self._clock = clock
        self._known: dict[str, tuple[float, T]] = {}
        self._ask_again_s = 0.0

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    def known(self, secret: str) -> T | None:
        """What is remembered of ``secret``; None to ask anew."""
        held = self._known.get(secret)
        return held[1] if held is not None and held[0] > self._clock() else None

    async def find(self, secret: str) -> T | None:
        """What ``secret`` opens; None for nothing. Raises Unavailable where that is not known and nobody can tell."""
        until_s, known = self._known.get(secret, (0.0, None))
        now_s = self._clock()
        if known is not None and (now_s < until_s or now_s < min(self._ask_again_s, until_s + STALE_S)):
            return known
        try:
            found = await self._ask(secret)
        except Unavailable:
            if known is None or now_s >= until_s + STALE_S:
                raise
            self._ask_again_s = self._clock() + REMEMBER_S
            return known
        if found is None:
            self._known.pop(secret, None)
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[secret] = (self._clock() + REMEMBER_S, found)
        return found

    def forget(self) -> None:
        """Ask anew about every secret: after one was revoked here."""
        self._known.clear()
