"""Which offers a transition wakes: immutable, indexed by geofence, tag and kind; one edit copies only what it must.

Tags and "all stores" are not spelled out per geofence: a look-up joins the geofence's own offers, those of its
tags and those of every store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from geofences.model import Geofence, Reason, Transition, TransitionKind
from rules.compiled import CompiledOffer
from rules.document import Offer, Trigger
from rules.policy import DEFAULT_POLICY, BrandPolicy
from rules.stores import Geofences, Store

_Key = tuple[str, str]
_EVERYWHERE: _Key = ("all", "")
_VISITS: _Key = ("reads", "visits")
_COUNTERS: _Key = ("reads", "counters")


class Waiting(NamedTuple):
    """Offers that one kind of transition at one geofence concerns; ``live`` are the active ones of ``every``."""

    every: tuple[CompiledOffer, ...]
    live: tuple[CompiledOffer, ...]
    event_names: frozenset[str] | None
    """Behaviour events that they read; None for all."""


class Rulebook:
    """All offers of a catalog under one policy. Build it with ``Rulebook.build``; change it with ``updated``."""

    __slots__ = ("_geofences", "_index", "_memo", "_offers", "_shared", "_stores", "policy", "wants_visits")

    def __init__(
        self,
        offers: dict[str, CompiledOffer],
        index: dict[_Key, tuple[CompiledOffer, ...]],
        geofences: Geofences,
        policy: BrandPolicy,
        stores: dict[str, Store],
    ) -> None:
        """Internal: the parts, already consistent."""
        self._offers = offers
        self._index = index
        self._geofences = geofences
        self._stores = stores
        self._memo: dict[tuple[str, TransitionKind], Waiting] = {}
        self._shared: dict[tuple[tuple[_Key, ...], TransitionKind], Waiting] = {}
        self.policy = policy
        self.wants_visits = _VISITS in index
        """Whether a live offer waits for a visit: only then need visits be worked out."""

    @classmethod
    def build(cls, offers: Iterable[Offer], geofences: Geofences, policy: BrandPolicy = DEFAULT_POLICY) -> Rulebook:
        """The rulebook of ``offers``; ``geofences`` (a dict or the engine's index) is asked when a store is woken."""
        compiled = {offer.id: CompiledOffer(offer, policy) for offer in offers}
        gathered: dict[_Key, list[CompiledOffer]] = {}
        for offer in compiled.values():
            for key in _keys(offer.offer):
                gathered.setdefault(key, []).append(offer)
        return cls(compiled, {key: tuple(found) for key, found in gathered.items()}, geofences, policy, {})

    def updated(
        self,
        put: Iterable[Offer] = (),
        removed: Iterable[str] = (),
        geofences: Geofences | None = None,
        policy: BrandPolicy | None = None,
    ) -> Rulebook:
        """This rulebook with offers added, replaced or removed, and with other geofences or another policy.

        A changed policy compiles every offer anew; everything else costs about a copy of the index.
        """
        if policy is not None and policy != self.policy:
            kept = {o.id: o.offer for o in self._offers.values()}
            kept.update((offer.id, offer) for offer in put)
            for gone in removed:
                kept.pop(gone, None)
            return Rulebook.build(kept.values(), geofences or self._geofences, policy)
        changed = {offer.id: CompiledOffer(offer, self.policy) for offer in put}
        leaving = {*removed, *changed} & self._offers.keys()
        offers = {**self._offers, **changed}
        for gone in leaving - changed.keys():
            del offers[gone]
        index = dict(self._index)
        for gone in leaving:
            for key in _keys(self._offers[gone].offer):
                left = tuple(o for o in index.get(key, ()) if o.id != gone)
                if left:
                    index[key] = left
                else:
                    index.pop(key, None)
        for new in changed.values():
            for key in _keys(new.offer):
                index[key] = (*index.get(key, ()), new)
        return Rulebook(offers, index, geofences or self._geofences, self.policy, self._stores)

    def __len__(self) -> int:
        """How many offers there are, of any status."""
        return len(self._offers)

    def __iter__(self) -> Iterator[Offer]:
        """Every offer."""
        return (compiled.offer for compiled in self._offers.values())

    def get(self, offer_id: str) -> Offer | None:
        """The offer, or None."""
        held = self._offers.get(offer_id)
        return held.offer if held else None

    def counted(self) -> tuple[str, ...]:
        """Live offers that name ``offer.left`` or ``offer.taken``: ``evaluate`` needs their counters."""
        return tuple(o.id for o in self._index.get(_COUNTERS, ()))

    def store(self, geofence_id: str) -> Store | None:
        """What rules may know of a geofence, or None where it is gone."""
        geofence = self._geofences.get(geofence_id)
        if geofence is None:
            return None
        held = self._stores.get(geofence_id)
        if held is None or held.geofence is not geofence:
            held = self._stores[geofence_id] = Store(geofence)
        return held

    def wakes(self, transition: Transition, *, sleeping: bool = False) -> tuple[CompiledOffer, ...]:
        """The live offers that the transition may trigger; a deleted geofence triggers none.

        With ``sleeping`` also drafts, paused and ended ones, and those whose threshold is not reached yet, so that
        an explanation can say what is missing.
        """
        if transition.reason is Reason.FENCE_DELETED:
            return ()
        waiting = self._waiting(transition.geofence_id, transition.kind)
        if sleeping:
            return tuple(o for o in waiting.every if not o.is_behind(transition))
        if transition.kind is TransitionKind.DWELL or transition.kind is TransitionKind.NEARBY:
            return tuple(o for o in waiting.live if o.is_reached_by(transition))
        return waiting.live

    def event_names(self, transitions: Iterable[Transition]) -> frozenset[str] | None:
        """Behaviour events that offers concerned by the transitions read; None for all."""
        return _union(self._waiting(t.geofence_id, t.kind).event_names for t in transitions)

    def dwells_s(self, geofence_id: str) -> tuple[int, ...]:
        """Dwell thresholds that live offers wait for at a geofence, ascending."""
        waiting = self._waiting(geofence_id, TransitionKind.DWELL).live
        return tuple(sorted({o.offer.trigger.dwell_s for o in waiting if o.offer.trigger.dwell_s}))

    def nearby_m(self, geofence_id: str) -> tuple[int, ...]:
        """Distances at which live offers wait for a shopper near a geofence, ascending."""
        waiting = self._waiting(geofence_id, TransitionKind.NEARBY).live
        return tuple(sorted({o.offer.trigger.nearby_m for o in waiting if o.offer.trigger.nearby_m}))

    def pass_by(self, geofence_id: str) -> bool:
        """Whether a live offer waits for shoppers who pass a geofence by."""
        return bool(self._waiting(geofence_id, TransitionKind.PASS_BY).live)

    def nearby_reach_m(self, geofences: Iterable[Geofence]) -> dict[str, int]:
        """How far around each geofence live offers ask for shoppers; geofences around which none asks are left out.

        For all geofences of a catalog at once: a microsecond each, where ``nearby_m`` would remember every one.
        """
        return self._reach(geofences, TransitionKind.NEARBY, lambda trigger: trigger.nearby_m or 0)

    def passed_by(self, geofences: Iterable[Geofence]) -> frozenset[str]:
        """The geofences at which live offers wait for shoppers who pass by."""
        return frozenset(self._reach(geofences, TransitionKind.PASS_BY, lambda _: 1))

    def _reach(
        self, geofences: Iterable[Geofence], kind: TransitionKind, asked: Callable[[Trigger], int]
    ) -> dict[str, int]:
        by_key: dict[_Key, int] = {}
        for compiled in self._offers.values():
            if compiled.kind is kind and compiled.offer.is_live:
                for key in _keys(compiled.offer):
                    by_key[key] = max(by_key.get(key, 0), asked(compiled.offer.trigger))
        if not by_key:
            return {}
        everywhere = by_key.get(_EVERYWHERE, 0)
        found = {}
        for geofence in geofences:
            reach = max(everywhere, by_key.get(("geofence", geofence.id), 0))
            for tag in geofence.tags:
                reach = max(reach, by_key.get(("tag", tag), 0))
            if reach:
                found[geofence.id] = reach
        return found

    def _waiting(self, geofence_id: str, kind: TransitionKind) -> Waiting:
        """Worked out once and kept until the next rulebook; geofences that the same targets meet share it."""
        held = self._memo.get((geofence_id, kind))
        if held is None:
            geofence = self._geofences.get(geofence_id)
            keys = _keys_of_geofence(geofence) if geofence else [("geofence", geofence_id), _EVERYWHERE]
            met = tuple(key for key in keys if key in self._index)
            held = self._shared.get((met, kind)) or self._joined(met, kind)
            self._memo[geofence_id, kind] = self._shared[met, kind] = held
        return held

    def _joined(self, keys: tuple[_Key, ...], kind: TransitionKind) -> Waiting:
        every = tuple({o.id: o for key in keys for o in self._index[key] if o.kind is kind}.values())
        return Waiting(every, tuple(o for o in every if o.offer.is_live), _union(o.event_names for o in every))


def _union(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    union: frozenset[str] = frozenset()
    for names in sets:
        if names is None:
            return None
        union |= names
    return union


def _keys(offer: Offer) -> list[_Key]:
    targets = offer.targets
    keys: list[_Key] = []
    if offer.is_live and offer.trigger.type is TransitionKind.VISIT:
        keys.append(_VISITS)
    if offer.is_live and any("offer.left" in text or "offer.taken" in text for text in offer.texts()):
        keys.append(_COUNTERS)
    if targets.all:
        return [*keys, _EVERYWHERE]
    keys += [("geofence", geofence_id) for geofence_id in dict.fromkeys(targets.geofences)]
    return keys + [("tag", tag) for tag in dict.fromkeys(targets.tags)]


def _keys_of_geofence(geofence: Geofence) -> list[_Key]:
    return [("geofence", geofence.id), *(("tag", tag) for tag in sorted(geofence.tags)), _EVERYWHERE]
