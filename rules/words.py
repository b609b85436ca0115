"""Numbers as a marketer says them: "34 m", "3 h", "after 12:00"."""

from __future__ import annotations

from datetime import datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def span(seconds: float) -> str:
    """A length of time in its one fitting unit, rounded up: "40 s", "5 min", "3 h", "6 d"."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{-int(-seconds // size)} {unit}"
    return f"{-int(-seconds // 1)} s"


def metres(distance_m: float) -> str:
    """A distance, rounded up: "34 m", "1.2 km"."""
    return f"{distance_m / 1000:.1f} km" if distance_m >= 1000 else f"{-int(-distance_m // 1)} m"


def after(then: datetime, now: datetime) -> str:
    """A wall-clock time as seen from ``now``: "after 12:00", "after Mon 09:00", "after 2026-12-24 10:00"."""
    clock = then.strftime("%H:%M")
    days = (then.date() - now.date()).days
    if days == 0:
        return f"after {clock}"
    if 0 < days < 7:
        return f"after {_DAYS[then.weekday()]} {clock}"
    return f"after {then.date().isoformat()} {clock}"
