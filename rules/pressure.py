"""The pure twin of the claim: which limit, if any, a user's past pushes refuse one more push by.

The store's Lua script decides the same way; this one spares a round trip, explains, and replays.
A past push counts while ``at_ms > since_ms``: a window of length w is half-open, (t - w, t]. A transactional push
counts towards nothing but its own offer, a ghost only towards other ghosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.model import Gate, Limit, PastPush, PushKind, Verdict
from rules.words import span


def refusal(
    limits: Iterable[Limit], history: Sequence[PastPush], kind: PushKind = PushKind.PUSH
) -> tuple[Limit, int | None] | None:
    """The first limit that refuses a push of this kind, with the instant at which it would not; None where all allow.

    ``history`` is oldest first. The instant is None where the window does not roll.
    """
    if not history:
        return None
    for limit in limits:
        counted = [past.at_ms for past in history if _counts(past, limit, kind)]
        if len(counted) >= limit.max_pushes:
            leaves = counted[len(counted) - limit.max_pushes]
            return limit, (leaves + limit.window_ms if limit.window_ms else None)
    return None


def verdict(limits: Iterable[Limit], history: Sequence[PastPush], kind: PushKind, at_ms: int) -> Verdict | None:
    """The refusal in the words of a decision at ``at_ms``; None where all limits allow."""
    refused = refusal(limits, history, kind)
    if refused is None:
        return None
    limit, free_at_ms = refused
    counted = sum(_counts(past, limit, kind) for past in history)
    words = "" if free_at_ms is None else f"in {span((free_at_ms - at_ms) / 1000)}"
    return Verdict(Gate.CLAIM, False, limit.name, counted, f"below {limit.max_pushes}", words)


def _counts(past: PastPush, limit: Limit, kind: PushKind) -> bool:
    if past.at_ms <= limit.since_ms or not _matches(limit, past):
        return False
    if past.kind is PushKind.TRANSACTIONAL:
        return limit.field == "offer"
    return past.kind is PushKind.PUSH or kind is PushKind.GHOST


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
