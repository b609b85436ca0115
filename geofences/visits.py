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

from geofences.geodesy import M_PER_DEG, lng_delta_deg
from geofences.model import Ping, Reason, Transition, TransitionKind
from geofences.stays import Stay, StaySettings, advanced, begun, is_usable
from geofences.storefield import StoreField


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """How stays become visits: the model's widths and the decision's thresholds."""

    stay: StaySettings = field(default_factory=StaySettings)
    first_look_s: float = 60.0
    """Shorter stops are doorways and shop windows."""
    sure_probability: float = 0.7
    """From the first look on, a store this likely is announced at once…"""
    settled_s: float = 105.0
    """…and after this long…"""
    min_probability: float = 0.45
    """…one that is merely likelier than not to be worth naming."""
    every_s: float = 10.0
    """How often a stay is judged again."""
    correction_ratio: float = 1.2
    """Another store must be this much likelier than the announced one: each correction costs a message."""
    noise_memory_s: float = 19.0
    """Correlation time of street GPS errors: fixes closer in time repeat each other's error."""
    browse_memory_s: float = 45.0
    """Correlation time of where in a store somebody is."""
    scatter_memory_s: float = 700.0
    """How long a stay must last for its scatter to count as one observation: phones smooth, so it says little."""
    area_exponent: float = 0.35
    """Visits grow with the floor area to this power."""
    entry_m: float = 5.0
    """How far from the store the last walking fix may be, beside its own error, before that counts against it…"""
    entry_weight: float = 0.8
    """…as this power of a heavy-tailed distance: people also walk in backwards through the mall."""
    street_nats: float = 5.0
    """Log odds, against a store whose centre is one metre off, of resting outside any store."""
    indoor_share: float = 0.7
    """Share of phones whose reported accuracy worsens indoors, believed of a phone before it shows: strictly between 0
    and 1."""
    indoor_ln_accuracy: float = 0.4
    """By how much, as a logarithm: half as much again…"""
    indoor_spread: float = 0.13
    """…give or take this much, which is also how much it wanders outdoors."""
    indoor_learning_s: float = 120.0
    """How long a rest must last to count as one observation of whether this phone's accuracy tells indoors."""
    indoor_certainty: float = 4.0
    """Bound of the log odds learned: a phone may change hands, or its system."""


class CurrentVisit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The visit that was announced and has not ended."""

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
    """The state after one ping, and what it proved: a visit begun, ended, or corrected (an end, then a begin)."""
    if state is None:
        if not is_usable(ping, settings.stay):
            return None, ()
        share = settings.indoor_share
        return VisitState(begun(ping, settings.stay), indoor_log_odds=math.log(share / (1.0 - share))), ()
    before, current, tells_indoors = state.stay, state.current, state.indoor_log_odds
    stay = advanced(before, ping, settings.stay)
    if stay is before:
        return state, ()
    if stay.since_ms is None or stay.since_ms != before.since_ms:
        look_at_ms = (stay.since_ms or 0) + int(settings.first_look_s * 1000)
        events = () if current is None else (_ended(current, ping, None),)
        return VisitState(stay, look_at_ms, None, tells_indoors), events
    if ping.at_ms < state.look_at_ms or stay.speed_mps > settings.stay.rest_mps:
        return VisitState(stay, state.look_at_ms, current, tells_indoors), ()
    tells_indoors = _learned(tells_indoors, stay, settings)
    now_current, events = _judged(stay, current, tells_indoors, ping, stores, settings)
    return VisitState(stay, ping.at_ms + int(settings.every_s * 1000), now_current, tells_indoors), events


def _judged(
    stay: Stay,
    current: CurrentVisit | None,
    tells_indoors: float,
    ping: Ping,
    stores: StoreField,
    settings: VisitSettings,
) -> tuple[CurrentVisit | None, Events]:
    if current is not None and current.geofence_id not in stores:
        return None, (_ended(current, ping, Reason.FENCE_DELETED),)
    likely = probabilities(stay, tells_indoors, stores, settings)
    best = max(likely, key=likely.__getitem__, default=None)
    if best is None:
        return current, ()
    p = likely[best]
    if current is None:
        dwell_ms = stay.at_ms - (stay.since_ms or stay.at_ms)
        needed = settings.min_probability if dwell_ms >= settings.settled_s * 1000 else settings.sure_probability
        return _announced(best, p, stay, ping, None) if p >= needed else (None, ())
    if best == current.geofence_id:
        return current, ()
    if p < settings.min_probability or p <= settings.correction_ratio * likely.get(current.geofence_id, 0.0):
        return current, ()
    visit, events = _announced(best, p, stay, ping, Reason.CORRECTED)
    return visit, (_ended(current, ping, Reason.CORRECTED), *events)


def probabilities(stay: Stay, tells_indoors: float, stores: StoreField, settings: VisitSettings) -> dict[str, float]:
    """The probability of each nearby store that it is the one being visited; they sum to less than 1."""
    lat, lng = stay.mean_lat, stay.mean_lng
    dwell_s = max(1.0, (stay.at_ms - (stay.since_ms or stay.began_ms)) / 1000.0)
    to_x = M_PER_DEG * math.cos(math.radians(lat))
    noise = stay.noise
    browse = _mean_variance_ratio(dwell_s, settings.browse_memory_s)
    noise_mean = noise * _mean_variance_ratio(dwell_s, settings.noise_memory_s)
    noise_rest = noise - noise_mean
    weight = dwell_s / settings.scatter_memory_s
    entry_x, entry_y = stay.entry_x - stay.mean_x, stay.entry_y - stay.mean_y
    entry_m2 = settings.entry_m**2 + noise
    reach_m = 30.0 + 3.0 * math.sqrt(noise)
    scores: dict[str, float] = {}
    for store in stores.near(lat, lng):
        dx = lng_delta_deg(store.lng, lng) * to_x
        dy = (lat - store.lat) * M_PER_DEG
        if not (
            store.west - reach_m < dx < store.east + reach_m and store.south - reach_m < dy < store.north + reach_m
        ):
            continue
        xx, xy, yy = store.xx, store.xy, store.yy
        mean_xx, mean_xy, mean_yy = xx * browse + noise_mean, xy * browse, yy * browse + noise_mean
        mean_det = mean_xx * mean_yy - mean_xy * mean_xy
        mean_fit = (mean_yy * dx * dx + mean_xx * dy * dy - 2.0 * mean_xy * dx * dy) / mean_det + math.log(mean_det)
        rest = 1.0 - browse
        xx, xy, yy = xx * rest + noise_rest, xy * rest, yy * rest + noise_rest
        det = xx * yy - xy * xy
        scatter_fit = (yy * stay.xx + xx * stay.yy - 2.0 * xy * stay.xy) / det + math.log(det)
        gap_x = max(0.0, store.west - dx - entry_x, dx + entry_x - store.east)
        gap_y = max(0.0, store.south - dy - entry_y, dy + entry_y - store.north)
        scores[store.geofence_id] = (
            -0.5 * (mean_fit + weight * scatter_fit)
            + settings.area_exponent * store.ln_area
            + store.ln_popularity
            - settings.entry_weight * math.log1p((gap_x * gap_x + gap_y * gap_y) / (2.0 * entry_m2))
        )
    return _normalised(scores, -settings.street_nats - math.log(_indoor_odds(stay, tells_indoors, settings)))


def _indoor_odds(stay: Stay, tells_indoors: float, settings: VisitSettings) -> float:
    """How much likelier the reported accuracy is indoors than outdoors.

    ``tells_indoors`` is the log odds that this phone's accuracy worsens indoors. One that reports the same everywhere
    cannot lower the answer below the probability that it is such a phone: soft evidence, never a gate.
    """
    share = 1.0 / (1.0 + math.exp(-tells_indoors))
    return 1.0 - share * (1.0 - math.exp(_rise_log_ratio(stay, settings)))


def _learned(tells_indoors: float, stay: Stay, settings: VisitSettings) -> float:
    """The log odds that this phone's accuracy tells indoors, after one more look at a rest in or out of doors."""
    evidence = math.log(0.5 + 0.5 * math.exp(_rise_log_ratio(stay, settings)))
    learned = tells_indoors + evidence * settings.every_s / settings.indoor_learning_s
    return max(-settings.indoor_certainty, min(settings.indoor_certainty, learned))


def _rise_log_ratio(stay: Stay, settings: VisitSettings) -> float:
    """Log likelihood ratio, indoors to outdoors, of the accuracy's rise since the street, for a phone that tells."""
    rise, expected, spread = (
        math.log(stay.accuracy_m / stay.street_accuracy_m),
        settings.indoor_ln_accuracy,
        settings.indoor_spread,
    )
    return min(8.0, expected * (rise - expected / 2.0) / (spread * spread))


def _normalised(scores: dict[str, float], outside: float) -> dict[str, float]:
    top = max(scores.values(), default=outside)
    top = max(top, outside)
    shares = {geofence_id: math.exp(score - top) for geofence_id, score in scores.items()}
    total = sum(shares.values()) + math.exp(outside - top)
    return {geofence_id: share / total for geofence_id, share in shares.items()}


def _mean_variance_ratio(span_s: float, memory_s: float) -> float:
    """Variance of the mean over ``span_s`` of a first-order Markov process, relative to the process' own."""
    z = span_s / memory_s
    return 2.0 / z * (1.0 - (1.0 - math.exp(-z)) / z)


def _announced(
    geofence_id: str, probability: float, stay: Stay, ping: Ping, reason: Reason | None
) -> tuple[CurrentVisit, Events]:
    entered_at_ms = stay.since_ms or stay.began_ms
    digest = blake2b(f"{ping.user_id}\n{geofence_id}\n{ping.at_ms}".encode(), digest_size=8).hexdigest()
    visit = CurrentVisit(geofence_id, f"v{digest}", entered_at_ms, ping.at_ms, probability)
    return visit, (
        Transition(
            user_id=ping.user_id,
            geofence_id=geofence_id,
            kind=TransitionKind.VISIT,
            at_ms=ping.at_ms,
            visit_id=visit.visit_id,
            reason=reason,
            entered_at_ms=entered_at_ms,
            duration_ms=ping.at_ms - entered_at_ms,
            probability=probability,
            accuracy_m=ping.accuracy_m,
        ),
    )


def _ended(visit: CurrentVisit, ping: Ping, reason: Reason | None) -> Transition:
    return Transition(
        user_id=ping.user_id,
        geofence_id=visit.geofence_id,
        kind=TransitionKind.VISIT_END,
        at_ms=ping.at_ms,
        visit_id=visit.visit_id,
        reason=reason,
        entered_at_ms=visit.entered_at_ms,
        duration_ms=ping.at_ms - visit.entered_at_ms,
        probability=visit.probability,
        accuracy_m=ping.accuracy_m,
    )
