"""How fast a provider may be sent to. Pure: time is an argument, monotonic seconds.

The generic cell rate algorithm: one number holds the state of a token bucket.
"""

from __future__ import annotations


class Pace:
    """At most ``per_s`` a second on average, and ``burst`` at once."""

    def __init__(self, per_s: float, burst: int) -> None:
        """A full bucket."""
        self._gap_s = 1.0 / per_s
        self._slack_s = (burst - 1) / per_s
        self._next_s = float("-inf")

    def take(self, at_s: float) -> float:
        """Takes the next free slot; answers in how many seconds it is, 0 for now."""
        start_s = max(self._next_s, at_s)
        self._next_s = start_s + self._gap_s
        return max(0.0, start_s - self._slack_s - at_s)
