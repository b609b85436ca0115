"""What arrived: the last pushes, for the demo's phone view and for tests to read."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final

import msgspec

KEPT: Final = 5000
"""Pushes remembered; a minute of a busy demo."""


class Arrival(msgspec.Struct, frozen=True):
    """One request that a provider answered. ``seq`` counts from 1 and never repeats; accepted is status 200."""

    seq: int
    at_ms: int
    provider: str
    status: int
    code: str
    token: str
    push_id: str
    title: str
    body: str
    headers: dict[str, str]
    payload: dict[str, Any]


class Arrivals:
    """A bounded list with totals."""

    def __init__(self) -> None:
        """Empty."""
        self._kept: deque[Arrival] = deque(maxlen=KEPT)
        self._seq = 0
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def add(self, provider: str, status: int, code: str, at_ms: int, **facts: Any) -> None:
        """Counts the request and remembers it."""
        self._seq += 1
        (self.accepted if status == 200 else self.refused)[provider] += 1
        self._kept.append(Arrival(seq=self._seq, at_ms=at_ms, provider=provider, status=status, code=code, **facts))

    def page(self, after: int, limit: int) -> dict[str, Any]:
        """The oldest ``limit`` of those with ``seq`` above ``after``; ``last`` is where to go on."""
        pushes = [push for push in self._kept if push.seq > after][:limit]
        return {
            "pushes": pushes,
            "last": pushes[-1].seq if pushes else max(after, 0),
            "accepted": dict(self.accepted),
            "refused": dict(self.refused),
        }
