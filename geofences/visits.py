"""Visits: the store a stay most likely is in, and how likely.

Presence says which polygons a fix lies in. A visit says which one store the user is in, with a probability that an
offer can require. Pure and causal: ``observe`` takes the state after the last ping and answers the next; a few hundred
bytes a user, one evaluation over nearby stores every few seconds of a stay and none otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from geofences.attribution import AttributionSettings, learned_log_odds, probabilities
from geofences.model import Ping, Reason, Transition, TransitionKind
from geofences.stays import Stay, StaySettings, advanced, begun, is_usable
from geofences.storefield import StoreField


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """How stays become visits: the model's widths and the decision's thresholds."""

    stay: StaySettings = field(default_factory=StaySettings)
    attribution: AttributionSettings = field(default_factory=AttributionSettings)
    first_look_s: float = 60.0
    """Shorter stops are doorways and shop windows."""
    sure_probability: float = 0.7
    """From the first look on, a store this likely is announced at once…"""
    settled_s: float = 105.0
    """…and after this long…"""
    min_probability: float = 0.45
    """…one that is merely likelier than not to be worth naming."""
    every_s: float = 10.0
    """How often a stay is judged again…"""
    every_ratio: float = 0.05
    """…or at this share of its length where that is longer: ten more seconds of an hour prove nothing."""
    confirm_at: tuple[float, ...] = ()
    """Probabilities at which an announced visit is announced once more, ascending: what live offers ask for."""
    correction_ratio: float = 1.2
    """Another store must be this much likelier than the announced one: each correction costs a message."""


class CurrentVisit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The visit that was announced and has not ended. ``probability`` is the highest one told of it."""

    geofence_id: str
    visit_id: str
    entered_at_ms: int
    announced_at_ms: int
    probability: float


class VisitState(msgspec.Struct, frozen=True, array_like=True):
    """All that visit attribution remembers of one user. Holds coordinates: to be stored sealed."""

    stay: Stay
    look_at_ms: int = 0
    current: CurrentVisit | None = None
    indoor_log_odds: float = 0.0


Events = tuple[Transition, ...]


def observe(
    state: VisitState | None, ping: Ping, stores: StoreField, settings: VisitSettings
) -> tuple[VisitState | None, Events]:
    """The state after one ping, and what it proved: a visit begun, confirmed, corrected (an end, a begin) or ended."""
    if state is None:
        if not is_usable(ping, settings.stay):
            return None, ()
        share = settings.attribution.indoor_share
        return VisitState(begun(ping, settings.stay), indoor_log_odds=math.log(share / (1.0 - share))), ()
    before, current, tells_indoors = state.stay, state.current, state.indoor_log_odds
    stay = advanced(before, ping, settings.stay)
    if stay is before:
        return state, ()
    if stay.since_ms is None or stay.since_ms != before.since_ms:
        look_at_ms = (stay.since_ms or 0) + int(settings.first_look_s * 1000)
        return VisitState(stay, look_at_ms, None, tells_indoors), _ended(current, ping, None)
    if ping.at_ms < state.look_at_ms or stay.speed_mps > settings.stay.rest_mps:
        return VisitState(stay, state.look_at_ms, current, tells_indoors), ()
    wait_s = max(settings.every_s, settings.every_ratio * (stay.at_ms - stay.since_ms) / 1000.0)
    tells_indoors = learned_log_odds(tells_indoors, stay, wait_s, settings.attribution)
    now_current, events = _judged(stay, current, tells_indoors, ping, stores, settings)
    return VisitState(stay, ping.at_ms + int(wait_s * 1000), now_current, tells_indoors), events


def _judged(
    stay: Stay,
    current: CurrentVisit | None,
    tells_indoors: float,
    ping: Ping,
    stores: StoreField,
    settings: VisitSettings,
) -> tuple[CurrentVisit | None, Events]:
    if current is not None and current.geofence_id not in stores:
        return None, _ended(current, ping, Reason.FENCE_DELETED)
    likely = probabilities(stay, tells_indoors, stores, settings.attribution)
    best = max(likely, key=likely.__getitem__, default=None)
    if best is None:
        return current, ()
    p = likely[best]
    if current is None:
        dwell_ms = stay.at_ms - (stay.since_ms or stay.at_ms)
        needed = settings.min_probability if dwell_ms >= settings.settled_s * 1000 else settings.sure_probability
        return _announced(best, p, stay, ping, None) if p >= needed else (None, ())
    if best == current.geofence_id:
        return _confirmed(current, p, ping, settings)
    if p < settings.min_probability or p <= settings.correction_ratio * likely.get(current.geofence_id, 0.0):
        return current, ()
    visit, events = _announced(best, p, stay, ping, Reason.CORRECTED)
    return visit, _ended(current, ping, Reason.CORRECTED) + events


def _announced(
    geofence_id: str, probability: float, stay: Stay, ping: Ping, reason: Reason | None
) -> tuple[CurrentVisit, Events]:
    digest = blake2b(f"{ping.user_id}\n{geofence_id}\n{ping.at_ms}".encode(), digest_size=8).hexdigest()
    visit = CurrentVisit(geofence_id, f"v{digest}", stay.since_ms or stay.began_ms, ping.at_ms, probability)
    return visit, (_told(visit, TransitionKind.VISIT, ping, reason),)


def _confirmed(
    visit: CurrentVisit, probability: float, ping: Ping, settings: VisitSettings
) -> tuple[CurrentVisit, Events]:
    if not any(visit.probability < level <= probability for level in settings.confirm_at):
        return visit, ()
    visit = msgspec.structs.replace(visit, probability=probability)
    return visit, (_told(visit, TransitionKind.VISIT, ping, Reason.CONFIRMED),)


def _ended(visit: CurrentVisit | None, ping: Ping, reason: Reason | None) -> Events:
    return () if visit is None else (_told(visit, TransitionKind.VISIT_END, ping, reason),)


def _told(visit: CurrentVisit, kind: TransitionKind, ping: Ping, reason: Reason | None) -> Transition:
    return Transition(
        user_id=ping.user_id,
        geofence_id=visit.geofence_id,
        kind=kind,
        at_ms=ping.at_ms,
        visit_id=visit.visit_id,
        reason=reason,
        entered_at_ms=visit.entered_at_ms,
        duration_ms=ping.at_ms - visit.entered_at_ms,
        probability=visit.probability,
        accuracy_m=ping.accuracy_m,
    )
