"""How long to wait before the next attempt. Pure: the instant and the random number are arguments.

Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter"): the wait is uniform between nothing and the
exponential bound, so that senders that failed together do not return together. A provider's own Retry-After is
a floor, with the jitter on top.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """``first_s`` bounds the first wait and doubles with each attempt, up to ``cap_s``."""

    first_s: float = 0.5
    cap_s: float = 32.0

    def wait_s(self, attempt: int, random: float, retry_after_s: float | None = None) -> float:
        """The wait after failed attempt number ``attempt`` (1 is the first), for ``random`` in [0, 1)."""
        bound_s = min(self.cap_s, self.first_s * 2.0 ** min(attempt - 1, 30))
        return (retry_after_s or 0.0) + random * bound_s


def retry_after_s(header: str | None, at_ms: int) -> float | None:
    """Seconds named by a Retry-After header, in either of its forms (RFC 9110, 10.2.3); None where it names none."""
    if not header:
        return None
    if header.isascii() and header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - at_ms / 1000)
    except ValueError:
        return None
