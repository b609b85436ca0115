"""The one place that reads the wall clock, so that everything else takes time as an argument."""

from __future__ import annotations

import time


def now_ms() -> int:
    """UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000
