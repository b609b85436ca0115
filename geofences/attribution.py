"""Attribution: how likely each nearby store is to be the one that a stay is in.

Pure arithmetic over a stay's moments and the stores' moments, no polygon test. The model behind it: where somebody is
in a store, and the error of a phone's fixes, are two first-order Markov processes; over a stay of T seconds their mean
keeps a share of each one's variance that falls with T over its correlation time, and the rest shows as scatter. A store
explains a stay by both, by how near to it the user was last seen walking, and by how much it is visited at all. Resting
in the street is one more candidate, and the phone's own accuracy, where it is known to worsen indoors, speaks for or
against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from geofences.geodesy import M_PER_DEG, lng_delta_deg
from geofences.stays import Stay
from geofences.storefield import StoreField


@dataclass(frozen=True, slots=True)
class AttributionSettings:
    """The model's widths and weights."""

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
    """How far below a perfect fit, as a logarithm, resting outside any store stands. Higher than likelihood asks for:
    lower, it silences phones whose accuracy does not tell indoors (docs/visits.md)."""
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


_MAX_LOG_RATIO = 8.0
"""Beyond this the tails of the model are no longer believed."""

_REACH_SIGMAS = 5.0
"""A store whose bounding box is further from a stay's mean than this many of the mean's errors is not considered."""


def probabilities(
    stay: Stay, tells_indoors: float, stores: StoreField, settings: AttributionSettings
) -> dict[str, float]:
    """The probability of each nearby store that it is the one being visited; they sum to less than 1."""
    lat, lng = stay.mean_lat, stay.mean_lng
    dwell_s = max(1.0, (stay.at_ms - (stay.since_ms or stay.began_ms)) / 1000.0)
    to_x = M_PER_DEG * math.cos(math.radians(lat))
    noise = stay.noise
    browse = _mean_variance_ratio(dwell_s, settings.browse_memory_s)
    noise_mean = noise * _mean_variance_ratio(dwell_s, settings.noise_memory_s)
    noise_rest = noise - noise_mean
    weight = dwell_s / settings.scatter_memory_s
    rest = 1.0 - browse
    stay_xx, stay_xy, stay_yy = stay.xx, stay.xy, stay.yy
    entry_x, entry_y = stay.entry_x - stay.mean_x, stay.entry_y - stay.mean_y
    entry_m2 = 2.0 * (settings.entry_m**2 + noise)
    reach_m = _REACH_SIGMAS * math.sqrt(noise_mean)
    log, log1p, area_exponent, entry_weight = math.log, math.log1p, settings.area_exponent, settings.entry_weight
    scores: dict[str, float] = {}
    for store in stores.near(lat, lng):
        dy = (lat - store.lat) * M_PER_DEG
        south, north = store.south, store.north
        if not south - reach_m < dy < north + reach_m:
            continue
        dx = lng_delta_deg(store.lng, lng) * to_x
        west, east = store.west, store.east
        if not west - reach_m < dx < east + reach_m:
            continue
        store_xx, store_xy, store_yy = store.xx, store.xy, store.yy
        xx, xy, yy = store_xx * browse + noise_mean, store_xy * browse, store_yy * browse + noise_mean
        det = xx * yy - xy * xy
        mean_fit = (yy * dx * dx + xx * dy * dy - 2.0 * xy * dx * dy) / det + log(det)
        xx, xy, yy = store_xx * rest + noise_rest, store_xy * rest, store_yy * rest + noise_rest
        det = xx * yy - xy * xy
        scatter_fit = (yy * stay_xx + xx * stay_yy - 2.0 * xy * stay_xy) / det + log(det)
        at_x, at_y = dx + entry_x, dy + entry_y
        gap_x = west - at_x if at_x < west else at_x - east if at_x > east else 0.0
        gap_y = south - at_y if at_y < south else at_y - north if at_y > north else 0.0
        scores[store.geofence_id] = (
            -0.5 * (mean_fit + weight * scatter_fit)
            + area_exponent * store.ln_area
            + store.ln_popularity
            - entry_weight * log1p((gap_x * gap_x + gap_y * gap_y) / entry_m2)
        )
    return _normalised(scores, -settings.street_nats - math.log(_indoor_odds(stay, tells_indoors, settings)))


def _indoor_odds(stay: Stay, tells_indoors: float, settings: AttributionSettings) -> float:
    """How much likelier the reported accuracy is indoors than outdoors.

    ``tells_indoors`` is the log odds that this phone's accuracy worsens indoors. One that reports the same everywhere
    cannot lower the answer below the probability that it is such a phone: soft evidence, never a gate.
    """
    share = 1.0 / (1.0 + math.exp(-tells_indoors))
    return 1.0 - share * (1.0 - math.exp(_rise_log_ratio(stay, settings)))


def learned_log_odds(tells_indoors: float, stay: Stay, elapsed_s: float, settings: AttributionSettings) -> float:
    """The log odds that this phone's accuracy tells indoors, after one more look at a rest in or out of doors."""
    evidence = math.log(0.5 + 0.5 * math.exp(_rise_log_ratio(stay, settings)))
    learned = tells_indoors + evidence * elapsed_s / settings.indoor_learning_s
    return max(-settings.indoor_certainty, min(settings.indoor_certainty, learned))


def _rise_log_ratio(stay: Stay, settings: AttributionSettings) -> float:
    """Log likelihood ratio, indoors to outdoors, of the accuracy's rise since the street, for a phone that tells."""
    rise = math.log(stay.accuracy_m / stay.street_accuracy_m)
    expected = settings.indoor_ln_accuracy
    return min(_MAX_LOG_RATIO, expected * (rise - expected / 2.0) / settings.indoor_spread**2)


def _normalised(scores: dict[str, float], outside: float) -> dict[str, float]:
    top = max(outside, *scores.values()) if scores else outside
    shares = {geofence_id: math.exp(score - top) for geofence_id, score in scores.items()}
    total = sum(shares.values()) + math.exp(outside - top)
    return {geofence_id: share / total for geofence_id, share in shares.items()}


def _mean_variance_ratio(span_s: float, memory_s: float) -> float:
    """Variance of the mean over ``span_s`` of a first-order Markov process, relative to the process' own."""
    z = span_s / memory_s
    return 2.0 / z * (1.0 - (1.0 - math.exp(-z)) / z)
