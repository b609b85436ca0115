"""What is decided later: after a trigger's delay, or at the end of quiet hours if the shopper is still there.

A deferred offer goes through every gate again when its time has come, alone, and is claimed like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from gateway.catalog.snapshot import Snapshot
from gateway.deciding import Moved, claim
from gateway.metrics import Metrics
from gateway.store import Store
from gateway.telling import Told, tell
from geofences.transitions import Presence, Standing, visit_id
from rules.evaluate import evaluate
from rules.model import Decision, Deferred, Shopper
from rules.situation import Counters

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Deferred).decode


async def defer(store: Store, decisions: Iterable[Decision]) -> None:
    """Note what is to be decided later: one per user, offer and store, of which the latest counts."""
    await asyncio.gather(
        *(
            store.deferrals.put(
                decision.user_id, f"{later.offer_id}\n{later.transition.geofence_id}", later.due_ms, _encode(later)
            )
            for decision in decisions
            for later in decision.deferred
        )
    )


async def resume(
    store: Store,
    metrics: Metrics,
    snapshot: Snapshot,
    counters: Counters,
    due: Sequence[tuple[str, bytes]],
    now_ms: int,
) -> None:
    """Decide what has come due, (user, note) each; who had to stay and has left gets nothing."""
    notes = [(user_id, _decode(note)) for user_id, note in due]
    users = sorted({user_id for user_id, _ in notes})
    held = await store.presence.load(users)
    notes = [(u, later) for u, later in notes if not later.still_inside or is_same_visit(u, later, held[u].presence)]
    shoppers = await store.profiles.load_shoppers(users)
    decisions = [
        evaluate(
            snapshot.rulebook,
            (later.transition,),
            shoppers.get(user_id) or Shopper(user_id=user_id),
            now_ms,
            only=later.offer_id,
            counters=counters,
        )
        for user_id, later in notes
    ]
    await defer(store, decisions)
    claims = await claim(store, decisions, now_ms)
    moved = {user_id: Moved(held[user_id].presence, (), None) for user_id in users}
    await tell(store, metrics, Told(snapshot, moved, decisions, claims, now_ms, {}))


def is_same_visit(user_id: str, later: Deferred, presence: Presence) -> bool:
    """Whether the visit that was deferred is still going on."""
    transition = later.transition
    visit = presence.motion.visit.current if presence.motion and presence.motion.visit else None
    if visit is not None and visit.visit_id == transition.visit_id:
        return True
    return any(
        stay.geofence_id == transition.geofence_id
        and stay.standing >= Standing.INSIDE
        and visit_id(user_id, stay.geofence_id, stay.since_ms) == transition.visit_id
        for stay in presence.stays
    )
