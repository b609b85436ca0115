"""A candidate on its way through the gates: what it has been told so far, and what becomes of it."""

from __future__ import annotations

from rules.compiled import CompiledOffer
from rules.model import Candidate, Limit, Message, Verdict
from rules.situation import Occasion


class Candidacy:
    """One offer at one occasion, while it is decided."""

    __slots__ = ("held_out", "limits", "message", "occasion", "offer", "rank", "refused", "variant", "verdicts")

    def __init__(self, occasion: Occasion, offer: CompiledOffer) -> None:
        """Nothing asked yet."""
        self.occasion = occasion
        self.offer = offer
        self.verdicts: list[Verdict] = []
        self.message: Message | None = None
        self.limits: tuple[Limit, ...] = ()
        self.rank: int | None = None
        self.variant = ""
        self.held_out = False
        self.refused = False

    def record(self, verdict: Verdict) -> None:
        """One more gate has answered."""
        self.verdicts.append(verdict)
        self.refused = self.refused or not verdict.passed

    def set_limits(self) -> None:
        """Work out every cooldown and cap; calendar days are those of the user's zone."""
        occasion = self.occasion
        situation = occasion.situation
        zone = situation.user_zone or situation.fix_zone or occasion.store.zone
        self.limits = self.offer.limits(occasion.transition.geofence_id, situation.at_ms, zone)

    def frozen(self) -> Candidate:
        """The candidate as a decision holds it."""
        offer, transition = self.offer.offer, self.occasion.transition
        return Candidate(
            offer.id,
            offer.version,
            transition.geofence_id,
            transition,
            tuple(self.verdicts),
            self.message,
            self.limits,
            self.rank,
            offer.brand,
            self.variant,
            self.held_out,
            offer.transactional,
            offer.channels,
            self._expires_at_ms() if self.message else 0,
            self.offer.supply,
        )

    def _expires_at_ms(self) -> int:
        """When the message is stale: after its time to live, and no later than the offer ends or the store closes."""
        ttl_s = self.message.ttl_s if self.message else 0
        at_ms = self.occasion.situation.at_ms
        memo, key = self.occasion.memo, ("ends", self.offer.timetable)
        if key not in memo:  # offers that run at the same times share a timetable
            memo[key] = self.offer.timetable.ends_ms(self.occasion.store, at_ms)
        end_ms = memo[key]
        expires_ms = at_ms + ttl_s * 1000
        return expires_ms if end_ms is None else min(expires_ms, end_ms)
