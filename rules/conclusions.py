"""What may be concluded from an offer's counters: rates with intervals, lift over ghosts, and a winner if there is one.

A rate is of deliveries. Lift compares who came, or bought, of those claimed with who did of the held-out users who
would have been (ghosts), whatever was delivered or opened, so that nobody is chosen by what he did. Groups of fewer
than ten are suppressed: their rates would tell on people.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rules.document import Experiment
from rules.experiment import Interval, lift, sample_ratio_p, wilson

SMALLEST_GROUP = 10
SRM_ALARM_P = 0.001
"""A split this unlikely means that assignment or counting is broken (Fabijan et al. 2019)."""

Counts = Mapping[str, int]
"""Counters by what was counted: ``claimed``, ``delivered``, ``opened``, ``converted``, ``held_out`` and the rest.
Money is in hundredths."""


class Rates(msgspec.Struct, frozen=True):
    """Of deliveries, with Wilson's 95 % intervals; None where the group is too small to show."""

    opened: Interval | None
    converted: Interval | None
    opted_out: Interval | None


class Conclusions(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures of some days allow to say.

    ``lift`` is the share of claimed pushes that a purchase followed minus that of ghosts (Newcombe's interval),
    ``visit_lift`` the same of visits to the store.
    ``added_revenue`` is what was spent after the pushes beyond what was spent after as many ghosts: an estimate, to be
    believed as far as the lift is. ``sample_ratio_p`` is how likely the split over variants is by chance; ``alarms``
    lists what forbids reading results off. ``winner`` is named only past the planned sample, and only where the best
    variant beats the second beyond its interval.
    """

    rates: Rates
    variants: Mapping[str, Rates]
    lift: Interval | None
    visit_lift: Interval | None
    added_revenue: float | None
    sample_ratio_p: float | None
    alarms: tuple[str, ...]
    winner: str | None


def conclude(total: Counts, by_variant: Mapping[str, Counts], experiment: Experiment | None) -> Conclusions:
    """Conclusions from the counters of all, and of each variant, summed over the days asked for."""
    arms = {arm.name: by_variant.get(arm.name, {}) for arm in experiment.variants} if experiment else {}
    ratio_p = None
    if experiment and len(arms) > 1:
        claimed = [counts.get("claimed", 0) for counts in arms.values()]
        ratio_p = sample_ratio_p(claimed, [float(arm.weight) for arm in experiment.variants])
    alarms = ("sample_ratio_mismatch",) if ratio_p is not None and ratio_p < SRM_ALARM_P else ()
    return Conclusions(
        rates=_rates(total),
        variants={name: _rates(counts) for name, counts in arms.items()},
        lift=_lift(total, "purchased"),
        visit_lift=_lift(total, "visited"),
        added_revenue=_added_revenue(total),
        sample_ratio_p=ratio_p,
        alarms=alarms,
        winner=_winner(arms, experiment.planned_sample) if experiment and not alarms else None,
    )


def _rates(counts: Counts) -> Rates:
    delivered = counts.get("delivered", 0)

    def rate(what: str) -> Interval | None:
        return wilson(min(counts.get(what, 0), delivered), delivered) if delivered >= SMALLEST_GROUP else None

    return Rates(rate("opened"), rate("converted"), rate("opted_out"))


def _lift(counts: Counts, what: str) -> Interval | None:
    treated, ghosts = _arms(counts)
    if min(treated, ghosts) < SMALLEST_GROUP:
        return None
    did = min(counts.get(what, 0), treated)
    did_anyway = min(counts.get(f"held_out_{what}", 0), ghosts)
    return lift((did, treated), (did_anyway, ghosts))


def _added_revenue(counts: Counts) -> float | None:
    treated, ghosts = _arms(counts)
    if min(treated, ghosts) < SMALLEST_GROUP:
        return None
    expected_cents = counts.get("held_out_spent_cents", 0) * treated / ghosts
    return round(counts.get("spent_cents", 0) - expected_cents) / 100


def _arms(counts: Counts) -> tuple[int, int]:
    return counts.get("claimed", 0), counts.get("held_out", 0)


def _winner(arms: Mapping[str, Counts], planned: int) -> str | None:
    if planned == 0 or len(arms) < 2 or any(counts.get("delivered", 0) < planned for counts in arms.values()):
        return None
    results = sorted(
        ((counts.get("converted", 0), counts["delivered"], name) for name, counts in arms.items()),
        key=lambda result: result[0] / result[1],
        reverse=True,
    )
    (best, of_best, name), (second, of_second, _) = results[:2]
    return name if lift((best, of_best), (second, of_second)).low > 0 else None
