"""What an offer achieved, from its counters: the funnel, rates with intervals, lift over ghosts, and a winner if any.

Groups of fewer than ten are suppressed: their rates would tell on people. A rate is of deliveries; lift compares
those claimed with held-out users who would have been claimed (ghosts), whatever was delivered or opened, so that
nobody is chosen by what he did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rules.document import Experiment
from rules.experiment import Interval, lift, sample_ratio_p, wilson

SMALLEST_GROUP = 10
SRM_ALARM_P = 0.001
"""A split this unlikely means that assignment or counting is broken (Fabijan et al. 2019)."""

Counts = Mapping[tuple[str, str, str], int]
"""Counters by (what, geofence, variant), as ``gateway.store.statistics`` keeps them per day."""


class Funnel(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many candidates came how far. ``revenue_cents`` belongs to conversions."""

    matched: int = 0
    refused: Mapping[str, int] = {}
    held_out: int = 0
    claimed: int = 0
    delivered: int = 0
    undelivered: int = 0
    opened: int = 0
    dismissed: int = 0
    converted: int = 0
    revenue_cents: int = 0
    opted_out: int = 0


class Rates(msgspec.Struct, frozen=True):
    """Of deliveries, with Wilson's 95 % intervals; None where the group is too small to show."""

    opened: Interval | None
    converted: Interval | None
    opted_out: Interval | None


class Part(msgspec.Struct, frozen=True):
    """One variant's or one store's share of the report."""

    name: str
    funnel: Funnel
    rates: Rates


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one offer over some days.

    ``lift`` is the conversion of treated users minus that of ghosts (Newcombe's interval). ``sample_ratio_p`` is how
    likely the split over variants is by chance; ``alarms`` lists what forbids reading results off. ``winner`` is
    named only past the planned sample, and only where the best arm beats the second beyond its interval.
    """

    funnel: Funnel
    rates: Rates
    variants: tuple[Part, ...]
    stores: tuple[Part, ...]
    lift: Interval | None
    sample_ratio_p: float | None
    alarms: tuple[str, ...]
    winner: str | None


def report(counts: Counts, experiment: Experiment | None) -> Report:
    """The report over counters summed over the days asked for."""
    arms = experiment.variants if experiment else ()
    variants = tuple(_part(arm.name, _summed(counts, variant=arm.name)) for arm in arms)
    stores = tuple(
        _part(name, _summed(counts, store=name)) for name in sorted({store for _, store, _ in counts} - {""})
    )
    whole = _summed(counts)
    ratio_p = None
    if len(arms) > 1:
        claims = [part.funnel.claimed for part in variants]
        ratio_p = sample_ratio_p(claims, [float(arm.weight) for arm in arms])
    alarms = ("sample_ratio_mismatch",) if ratio_p is not None and ratio_p < SRM_ALARM_P else ()
    planned = experiment.planned_sample if experiment else 0
    return Report(
        funnel=_funnel(whole),
        rates=_rates(_funnel(whole)),
        variants=variants,
        stores=tuple(part for part in stores if part.funnel.matched >= SMALLEST_GROUP),
        lift=_lift(whole),
        sample_ratio_p=ratio_p,
        alarms=alarms,
        winner=None if alarms else _winner(variants, planned),
    )


def _summed(counts: Counts, *, store: str | None = None, variant: str | None = None) -> dict[str, int]:
    summed: dict[str, int] = {}
    for (what, where, arm), amount in counts.items():
        if store in (None, where) and variant in (None, arm):
            summed[what] = summed.get(what, 0) + amount
    return summed


def _part(name: str, summed: Mapping[str, int]) -> Part:
    funnel = _funnel(summed)
    return Part(name, funnel, _rates(funnel))


def _funnel(summed: Mapping[str, int]) -> Funnel:
    plain = {name: summed[name] for name in Funnel.__struct_fields__ if name in summed and name != "refused"}
    plain["undelivered"] = sum(amount for what, amount in summed.items() if what.startswith("undelivered"))
    refused = {what[8:]: amount for what, amount in sorted(summed.items()) if what.startswith("refused:")}
    return Funnel(refused=refused, **plain)


def _rates(funnel: Funnel) -> Rates:
    def rate(successes: int) -> Interval | None:
        if funnel.delivered < SMALLEST_GROUP:
            return None
        return wilson(min(successes, funnel.delivered), funnel.delivered)

    return Rates(rate(funnel.opened), rate(funnel.converted), rate(funnel.opted_out))


def _lift(summed: Mapping[str, int]) -> Interval | None:
    treated, ghosts = summed.get("claimed", 0), summed.get("held_out", 0)
    if min(treated, ghosts) < SMALLEST_GROUP:
        return None
    bought = min(summed.get("converted", 0), treated)
    bought_anyway = min(summed.get("held_out_converted", 0), ghosts)
    return lift((bought, treated), (bought_anyway, ghosts))


def _winner(variants: Iterable[Part], planned: int) -> str | None:
    parts = sorted(variants, key=_conversion, reverse=True)
    if planned == 0 or len(parts) < 2 or any(part.funnel.delivered < planned for part in parts):
        return None
    best, second = parts[0].funnel, parts[1].funnel
    gap = lift((best.converted, best.delivered), (second.converted, second.delivered))
    return parts[0].name if gap.low > 0 else None


def _conversion(part: Part) -> float:
    return part.funnel.converted / part.funnel.delivered if part.funnel.delivered else 0.0
