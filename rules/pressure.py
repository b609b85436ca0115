"""The pure twin of the claim: which limit, if any, a user's past pushes refuse one more push by.

The store's Lua script decides the same way; this one spares a round trip, explains, and replays.
A past push counts while ``at_ms > since_ms``: a window of length w is half-open, (t - w, t].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.model import Limit, PastPush


def refusal(limits: Iterable[Limit], history: Sequence[PastPush]) -> tuple[Limit, int | None] | None:
    """The first limit that refuses, with the instant at which it would not; None where all allow.

    ``history`` is oldest first. The instant is None where the window does not roll.
    """
    if not history:
        return None
    for limit in limits:
        counted = [past.at_ms for past in history if past.at_ms > limit.since_ms and _matches(limit, past)]
        if len(counted) >= limit.max_pushes:
            leaves = counted[len(counted) - limit.max_pushes]
            return limit, (leaves + limit.window_ms if limit.window_ms else None)
    return None


def counted(limit: Limit, history: Iterable[PastPush]) -> int:
    """How many past pushes the limit counts."""
    return sum(past.at_ms > limit.since_ms and _matches(limit, past) for past in history)


def _matches(limit: Limit, past: PastPush) -> bool:
    match limit.field:
        case "any":
            return True
        case "offer":
            return past.offer_id == limit.value
        case "store":
            return past.geofence_id == limit.value
        case "brand":
            return past.brand == limit.value
