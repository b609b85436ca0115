"""A compiled catalog: geofence index, rulebook and presence policy of one version, immutable.

Readers take a snapshot once per batch and never see two versions mixed. Compiling runs off the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from geofences.index import GeofenceIndex
from geofences.model import Ping, Reason, Transition, TransitionKind
from geofences.storefield import StoreField
from geofences.transitions import Motion, Policy, Presence, Step, step, tick
from geofences.visits import CurrentVisit, VisitSettings, observe
from rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of everything that decides a push."""

    version: int
    index: GeofenceIndex
    rulebook: Rulebook
    policy: Policy
    halos_m: Mapping[str, float]
    """How far around which geofences the index looks, for offers that wait for somebody near or passing."""
    stores: StoreField | None
    """The stores that visits are attributed to; None while no live offer waits for a visit."""
    visits: VisitSettings
    """How; with the probabilities that live offers ask for, at each of which a visit is told again."""

    def step(self, presence: Presence, inside: tuple[str, ...], ping: Ping, now_ms: int) -> Step:
        """One ping through presence and, where a live offer asks for it, visit attribution."""
        stepped = step(presence, inside, ping, self.index, self.policy, now_ms)
        if self.stores is None or stepped.ignored is not None:
            return stepped
        before = presence.motion.visit if presence.motion else None
        visit, told = observe(before, ping, self.stores, self.visits)
        motion = stepped.presence.motion or Motion(ping.lat, ping.lng, ping.at_ms)
        kept = msgspec.structs.replace(stepped.presence, motion=msgspec.structs.replace(motion, visit=visit))
        return Step(kept, (*stepped.transitions, *told))

    def tick(self, presence: Presence, user_id: str, now_ms: int) -> Step:
        """Time without a ping: dwell thresholds, and silence, which also ends an attributed visit."""
        stepped = tick(presence, user_id, self.index, self.policy, now_ms)
        visit = presence.motion.visit.current if presence.motion and presence.motion.visit else None
        if visit is None or stepped.presence.is_present:
            return stepped
        return Step(stepped.presence, (*stepped.transitions, _timed_out(visit, user_id, presence.last_at_ms)))


def _timed_out(visit: CurrentVisit, user_id: str, at_ms: int) -> Transition:
    return Transition(
        user_id=user_id,
        geofence_id=visit.geofence_id,
        kind=TransitionKind.VISIT_END,
        at_ms=at_ms,
        visit_id=visit.visit_id,
        reason=Reason.TIMEOUT,
        entered_at_ms=visit.entered_at_ms,
        duration_ms=at_ms - visit.entered_at_ms,
        probability=visit.probability,
    )
