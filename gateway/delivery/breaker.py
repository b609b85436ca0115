"""When to leave a provider alone. Pure: time is an argument, monotonic seconds.

Closed while attempts succeed. After ``failures`` in a row it opens for ``open_s``, twice as long each time it must
open again, at most ``max_open_s``. When that time is over one attempt goes through as a probe: its success closes
the breaker, its failure opens it again.
"""

from __future__ import annotations


class Breaker:
    """One provider's, of one app."""

    def __init__(self, *, failures: int = 20, open_s: float = 2.0, max_open_s: float = 60.0) -> None:
        """20 in a row are no accident even at 50 % loss; 2 s let a restart pass, 60 s notice a recovery soon."""
        self._limit = failures
        self._first_open_s = open_s
        self._max_open_s = max_open_s
        self._failures = 0
        self._openings = 0
        self._closed_at_s = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the provider is held to be down, probing included."""
        return self._openings > 0

    def is_waiting(self, at_s: float) -> bool:
        """Whether it is open and not yet time for a probe."""
        return self.is_open and at_s < self._closed_at_s

    def enter(self, at_s: float) -> float:
        """0 when an attempt may be made now; otherwise the seconds after which to ask again."""
        if not self.is_open:
            return 0.0
        if at_s < self._closed_at_s:
            return self._closed_at_s - at_s
        if self._probing:
            return self._first_open_s
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """An attempt was answered, be it with a refusal of that push."""
        self._failures = self._openings = 0
        self._probing = False

    def failed(self, at_s: float, retry_after_s: float | None = None) -> None:
        """The provider or the way to it failed. Its own wish to be left alone is kept, up to the longest opening."""
        self._failures += 1
        if self._probing or (not self.is_open and self._failures >= self._limit):
            self._probing = False
            self._openings += 1
            open_s = self._first_open_s * 2.0 ** min(self._openings - 1, 30)
            self._closed_at_s = at_s + min(self._max_open_s, max(open_s, retry_after_s or 0.0))

    def abandoned(self) -> None:
        """The attempt that ``enter`` allowed was not made, or was cancelled: another may probe."""
        self._probing = False
