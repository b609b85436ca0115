"""What the gates look at: one user at one instant, and one transition of theirs at one store, worked out lazily."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from math import exp
from typing import Any
from zoneinfo import ZoneInfo

from geofences.geodesy import distance_m
from geofences.model import Ping, Transition
from rules.audience import Facts
from rules.behaviour import event_view, events_of, visit_number, visit_total
from rules.compiled import CompiledOffer
from rules.message import CODE_PLACEHOLDER
from rules.model import Shopper
from rules.places import zone_around
from rules.policy import BrandPolicy
from rules.schedule import DAY_NUMBERS, Wall, wall_at, zone_named
from rules.stores import Store

_DAY_NAMES = tuple(DAY_NUMBERS)
SHOWN_FROM = 10
"""Live counters below this are hidden: "3 people bought this" persuades nobody, and tells on them."""

Counters = Mapping[str, Mapping[str, int]]
"""Per offer id: ``taken`` (pushes so far) and ``left`` (of stock and total cap)."""

NO_COUNTERS: Counters = {}


class Situation:
    """One user at one instant."""

    def __init__(self, policy: BrandPolicy, shopper: Shopper, at_ms: int, fix: Ping | None, counters: Counters) -> None:
        """``fix`` is None when a timer, not a ping, asks."""
        self.policy = policy
        self.shopper = shopper
        self.at_ms = at_ms
        self.fix = fix
        self.counters = counters
        self.event_names: frozenset[str] | None = None
        """Events that anyone will ask for; None for all."""

    @cached_property
    def now(self) -> datetime:
        """The instant as an aware UTC time."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    @cached_property
    def fix_zone(self) -> ZoneInfo | None:
        """The zone of the fix, or None without one."""
        return zone_around(self.fix.lat, self.fix.lng) if self.fix else None

    @cached_property
    def user_zone(self) -> ZoneInfo | None:
        """The zone that the user's profile names, or None."""
        try:
            return zone_named(self.shopper.time_zone) if self.shopper.time_zone else None
        except ValueError:
            return None

    @cached_property
    def events(self) -> dict[str, dict[str, Any]]:
        """Behaviour as audiences and messages read it."""
        held, wanted = self.shopper.events, self.event_names
        asked = held if wanted is None else {name: held[name] for name in wanted if name in held}
        return {name: event_view(record, self.at_ms) for name, record in events_of(asked).items()}

    @cached_property
    def user(self) -> dict[str, Any]:
        """The user's attributes (nulls are missing) with the built-in fields."""
        shopper = self.shopper
        user = {name: value for name, value in shopper.attributes.items() if value is not None}
        user["id"] = shopper.user_id
        user["locale"] = shopper.locale
        user["platforms"] = sorted(shopper.platforms)
        if shopper.time_zone:
            user["time_zone"] = shopper.time_zone
        return user


class Occasion:
    """One transition of that user, with the store it is about."""

    def __init__(self, situation: Situation, transition: Transition, store: Store) -> None:
        """Cheap; the rest is worked out when a gate asks."""
        self.situation = situation
        self.transition = transition
        self.store = store
        self.memo: dict[object, Any] = {}
        """What gates found out here that is the same for every offer."""

    @property
    def quiet_zone(self) -> ZoneInfo:
        """Where quiet hours are counted: the zone of the fix; without a fix, the store's."""
        return self.situation.fix_zone or self.store.zone

    def wall(self, zone: ZoneInfo) -> Wall:
        """The wall clock in a zone now."""
        return wall_at(self.situation.at_ms, zone)

    @cached_property
    def distance_m(self) -> float:
        """How far the shopper is from the store's middle; for a timer, what the transition says, else 0."""
        fix = self.situation.fix
        if fix is not None:
            return distance_m(self.store.point.lat, self.store.point.lng, fix.lat, fix.lng)
        return self.transition.distance_m or 0.0

    @cached_property
    def nearness(self) -> float:
        """What an offer is worth here, as a share of what it is worth at the door."""
        return exp(-self.distance_m / self.situation.policy.distance_scale_m)

    @cached_property
    def visit(self) -> dict[str, Any]:
        """The visit as audiences and messages read it."""
        transition, visits = self.transition, self.situation.shopper.visits
        return {
            "kind": str(transition.kind),
            "number": visit_number(visits, transition),
            "total": visit_total(visits, transition),
            "dwell_s": (transition.duration_ms or 0) // 1000,
            "distance_m": float(transition.distance_m or 0.0),
            "probability": 1.0 if transition.probability is None else transition.probability,
        }

    @cached_property
    def _clock(self) -> tuple[str, dict[str, Any]]:
        wall = self.wall(self.store.zone).time
        return wall.date().isoformat(), {"hour": wall.hour, "weekday": _DAY_NAMES[wall.weekday()]}

    @cached_property
    def facts(self) -> Facts:
        """What every audience may read here, apart from the offer's own counters."""
        return Facts(self._facts({}))

    def facts_for(self, offer: CompiledOffer) -> Facts:
        """The same; with the offer's counters where there are any."""
        counters = self.situation.counters.get(offer.id)
        return Facts(self._facts(counters)) if counters else self.facts

    def _facts(self, counters: Mapping[str, int]) -> dict[str, Any]:
        situation, store = self.situation, self.store
        today, clock = self._clock
        values: dict[str, Any] = {
            "user": situation.user,
            "device": situation.shopper.devices[0] if situation.shopper.devices else {},
            "store": store.properties,
            "store.id": store.geofence.id,
            "store.tags": store.properties["tags"],
            "events": situation.events,
            "now": situation.now,
            "today": today,
        }
        values.update((f"user.{name}", value) for name, value in situation.user.items())
        values.update((f"visit.{name}", value) for name, value in self.visit.items())
        values.update((f"local.{name}", value) for name, value in clock.items())
        values.update((f"offer.{name}", value) for name, value in counters.items())
        return values

    def variables(self, offer: CompiledOffer) -> dict[str, Any]:
        """What the offer's messages may name."""
        today, clock = self._clock
        named = {"id": offer.id, "name": offer.offer.name, "value": offer.offer.value}
        counters = self.situation.counters.get(offer.id, {})
        if "left" in counters:
            named["left"] = counters["left"]
        if counters.get("taken", 0) >= SHOWN_FROM:
            named["taken"] = counters["taken"] // 10 * 10
        if offer.offer.code_pool:
            named["code"] = CODE_PLACEHOLDER
        return {
            "user": self.situation.user,
            "store": self.store.properties,
            "visit": self.visit,
            "events": self.situation.events,
            "offer": named,
            "today": today,
            "now": self.wall(self.store.zone).time.isoformat(timespec="minutes"),
            "local": clock,
        }
