"""The one place that reads the wall clock, so that everything else takes time as an argument."""

from __future__ import annotations

import time
from typing import Final

EARLIEST_MS: Final = 100_000_000_000
"""1973 in milliseconds: any smaller instant is a count of seconds (which reach this value in the year 5138)."""
LATEST_MS: Final = 99_999_999_999_999
"""The year 5138 in milliseconds: any larger instant counts microseconds or nanoseconds."""


def now_ms() -> int:
    """UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000
