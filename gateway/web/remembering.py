"""What secrets open, remembered for a few seconds: the hot path asks Redis once in a while, not once a request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBER_S = 5.0
"""Seconds that an answer is remembered: one Redis call per key and worker in 5 s, soon over after revoking."""
MAX_REMEMBERED = 10_000
"""Secrets remembered at once; refusals never are, so that guessing fills nothing."""


class Remembering(Generic[T]):
    """Asks about secrets with a short memory."""

    def __init__(self, ask: Callable[[str], Awaitable[T | None]], clock: Callable[[], float] = time.monotonic) -> None:
        """``ask`` answers what a secret opens, None for nothing; ``clock`` gives monotonic seconds."""
        self._ask = ask
        self._clock = clock
        self._known: dict[str, tuple[float, T]] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    def known(self, secret: str) -> T | None:
        """What is remembered of ``secret``; None to ask anew."""
        held = self._known.get(secret)
        return held[1] if held is not None and held[0] > self._clock() else None

    async def find(self, secret: str) -> T | None:
        """What ``secret`` opens; None for nothing."""
        known = self.known(secret)
        if known is not None:
            return known
        found = await self._ask(secret)
        if found is not None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[secret] = (self._clock() + REMEMBER_S, found)
        return found

    def forget(self) -> None:
        """Ask anew about every secret: after one was revoked here."""
        self._known.clear()
