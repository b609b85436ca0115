"""An offer ready to decide by. What costs (Liquid, CEL, hours) is compiled when first needed, then kept.

Documents were validated when saved, so that a late compile cannot fail; a catalog of 50,000 offers starts in
seconds and holds compiled only what its shoppers wake.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from geofences.model import Transition, TransitionKind
from rules.audience import Audience, audience
from rules.behaviour import names_read
from rules.document import MessageTemplate, Offer, Trigger
from rules.model import Limit, Supply
from rules.policy import BrandPolicy, Cap, QuietHours
from rules.schedule import DAY_NUMBERS, WeeklyWindows, midnight_ms
from rules.timetable import Timetable, timetable_of

_CAP_FIELDS = {"user": "any", "brand": "brand", "offer": "offer", "store": "store"}


class CompiledOffer:
    """One offer under its brand's policy."""

    def __init__(self, offer: Offer, policy: BrandPolicy) -> None:
        """Cheap; parts compile on first use."""
        self.offer = offer
        self.policy = policy
        self.id = offer.id
        self.kind = offer.trigger.type
        self.quiet_hours: QuietHours = offer.quiet_hours or policy.quiet_hours

    def is_reached_by(self, transition: Transition) -> bool:
        """Whether the threshold that a dwell or a nearby passed is this offer's; any other transition has none."""
        if self.kind is TransitionKind.DWELL:
            return transition.dwell_s == self.offer.trigger.dwell_s
        if self.kind is TransitionKind.NEARBY:
            return transition.nearby_m == self.offer.trigger.nearby_m
        return True

    def is_behind(self, transition: Transition) -> bool:
        """Whether a dwell or a nearby is past this offer's threshold, which had its own transition before."""
        if self.kind is TransitionKind.NEARBY and transition.nearby_m is not None:
            return transition.nearby_m < (self.offer.trigger.nearby_m or 0)
        return self.kind is TransitionKind.DWELL and (transition.dwell_s or 0) > (self.offer.trigger.dwell_s or 0)

    @cached_property
    def asks_only_what_happened(self) -> bool:
        """Whether the kind of transition is all that its trigger asks for."""
        trigger = self.offer.trigger
        return trigger == Trigger(type=trigger.type) and trigger.type is not TransitionKind.VISIT

    @cached_property
    def needs_profiling(self) -> bool:
        """Whether it looks at what the person is or did: an audience, events in its texts, or numbered visits."""
        trigger = self.offer.trigger
        looks = bool(self.offer.audience) or self.event_names != frozenset()
        return not self.offer.transactional and (looks or trigger.first_visit or trigger.nth_visit is not None)

    @cached_property
    def supply(self) -> Supply | None:
        """What it may give out in all, or None for no bound."""
        offer = self.offer
        found = Supply(offer.total_cap, offer.stock, offer.max_per_hour, offer.code_pool)
        return None if found == Supply() else found

    @cached_property
    def timetable(self) -> Timetable:
        """When it runs."""
        return timetable_of(self.offer)

    @cached_property
    def quiet_windows(self) -> WeeklyWindows | None:
        """Quiet hours, or None where there are none."""
        quiet = self.quiet_hours
        if not quiet.enabled or self.offer.transactional:
            return None
        return _every_day(quiet.start, quiet.end)

    @cached_property
    def audience(self) -> Audience | None:
        """The compiled expression, or None for everyone."""
        return audience(self.offer.audience, self.policy.attributes) if self.offer.audience else None

    @cached_property
    def event_names(self) -> frozenset[str] | None:
        """Names of the behaviour events that its audience and messages read; None for all."""
        found: set[str] = set()
        for text in self.offer.texts():
            if "events" in text:
                names = names_read(text)
                if names is None:
                    return None
                found |= names
        return frozenset(found)

    def messages(self, variant: str) -> dict[str, MessageTemplate]:
        """Messages of a variant, or the offer's own."""
        experiment = self.offer.experiment
        arms = experiment.variants if experiment else ()
        own = next((arm.messages for arm in arms if arm.name == variant), {})
        return own or self.offer.messages

    @cached_property
    def _spans(self) -> tuple[tuple[str, str, int, int], ...]:
        """Rolling limits as (name, field, length in ms, most)."""
        offer, policy = self.offer, self.policy
        own = offer.cooldowns
        if offer.transactional:
            return (("user_offer", "offer", own.user_offer_s * 1000, 1),) if own.user_offer_s else ()
        cooldowns = (
            ("user_offer", "offer", policy.user_offer_s if own.user_offer_s is None else own.user_offer_s),
            ("user_store", "store", policy.user_store_s if own.user_store_s is None else own.user_store_s),
            ("user_brand", "brand", policy.user_brand_s if own.user_brand_s is None else own.user_brand_s),
            ("min_gap", "any", policy.min_gap_s if own.min_gap_s is None else own.min_gap_s),
        )
        spans = [(name, field, length_s * 1000, 1) for name, field, length_s in cooldowns if length_s]
        spans += [
            (f"{cap.scope}_cap", _CAP_FIELDS[cap.scope], cap.window_s * 1000, cap.max)
            for cap in self._caps
            if cap.per == "rolling"
        ]
        return tuple(spans)

    @cached_property
    def _caps(self) -> tuple[Cap, ...]:
        return () if self.offer.transactional else (*self.policy.caps, *self.offer.caps)

    @cached_property
    def _calendar_caps(self) -> tuple[Cap, ...]:
        return tuple(cap for cap in self._caps if cap.per == "calendar_day")

    def limits(self, geofence_id: str, at_ms: int, zone: ZoneInfo) -> tuple[Limit, ...]:
        """Every cooldown and cap at an instant; calendar days are those of ``zone``, the user's."""
        values = {"any": "", "offer": self.id, "store": geofence_id, "brand": self.offer.brand}
        rolling = tuple(
            Limit(name, field, values[field], at_ms - length_ms, most, length_ms)  # type: ignore[arg-type]
            for name, field, length_ms, most in self._spans
        )
        if not self._calendar_caps:
            return rolling
        since_ms = midnight_ms(at_ms, zone) - 1
        return rolling + tuple(
            Limit(f"{cap.scope}_day_cap", _CAP_FIELDS[cap.scope], values[_CAP_FIELDS[cap.scope]], since_ms, cap.max)  # type: ignore[arg-type]
            for cap in self._calendar_caps
        )


@lru_cache(maxsize=256)
def _every_day(start: str, end: str) -> WeeklyWindows:
    return WeeklyWindows.of([(tuple(DAY_NUMBERS), start, end)])
