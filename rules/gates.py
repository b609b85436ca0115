"""The gates between a transition and arbitration, in order. Each answers with what it saw and what it asked for.

A gate is a pure function of one occasion and one offer. Words about what would have passed are only made where
a gate refuses, because only there does anyone read them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from geofences.model import UNKNOWN_ACCURACY_M, TransitionKind
from rules.behaviour import visit_number
from rules.compiled import CompiledOffer
from rules.experiment import BUCKETS, bucket, choose, is_within
from rules.hours import Hours
from rules.model import Gate, Verdict
from rules.policy import QuietHours
from rules.schedule import MINUTE_MS, WeeklyWindows, wall_at
from rules.situation import Occasion
from rules.timetable import Timetable
from rules.words import after, metres, span

Check = Callable[[Occasion, CompiledOffer], Verdict]

_CONSENTED = Verdict(Gate.CONSENT, True)
_BY_TIMER = Verdict(Gate.FIX_QUALITY, True, "timer")
_TRIGGERED = Verdict(Gate.TRIGGER, True)
_NEVER_QUIET = Verdict(Gate.QUIET_HOURS, True, "none")
_EVERYONE = Verdict(Gate.AUDIENCE, True, "everyone")
_TREATED = Verdict(Gate.EXPERIMENT, True)
HELD_OUT = "held_out"
"""Rule of a passed experiment verdict that makes the candidate a ghost: decided to the end, never sent."""


def consent(occasion: Occasion, offer: CompiledOffer) -> Verdict:
    """Location and push for every offer; profiling where it looks at the person."""
    shopper = occasion.situation.shopper
    if shopper.erased:
        return Verdict(Gate.CONSENT, False, "erased", True, False)
    given = shopper.consent
    if not given.location:
        missing = "location"
    elif not given.push:
        missing = "push"
    elif offer.needs_profiling and not given.profiling:
        missing = "profiling"
    else:
        return _CONSENTED
    return Verdict(Gate.CONSENT, False, missing, False, True, f"with {missing} consent")


def fix_quality(occasion: Occasion, _offer: CompiledOffer) -> Verdict:
    """Fresh enough, accurate enough, not mocked. A timer has no fix to judge."""
    held: Verdict | None = occasion.memo.get(Gate.FIX_QUALITY)
    if held is None:
        held = occasion.memo[Gate.FIX_QUALITY] = _quality(occasion)
    return held


def _quality(occasion: Occasion) -> Verdict:
    situation, transition = occasion.situation, occasion.transition
    fix = situation.fix
    if fix is None:
        return _BY_TIMER
    if fix.mock:
        return Verdict(Gate.FIX_QUALITY, False, "mock", True, False, "with a real fix")
    age_s = max(0, situation.at_ms - transition.at_ms) / 1000
    if age_s > situation.policy.max_fix_age_s:
        late_s = age_s - situation.policy.max_fix_age_s
        return Verdict(
            Gate.FIX_QUALITY, False, "age_s", age_s, situation.policy.max_fix_age_s, f"{span(late_s)} fresher"
        )
    accuracy_m = transition.accuracy_m if transition.accuracy_m is not None else fix.accuracy_m
    accuracy_m = UNKNOWN_ACCURACY_M if accuracy_m is None else accuracy_m
    most_m = max(situation.policy.max_accuracy_m, occasion.store.radius_m / 2)
    if accuracy_m > most_m:
        words = f"{metres(accuracy_m - most_m)} more accurate"
        return Verdict(Gate.FIX_QUALITY, False, "accuracy_m", accuracy_m, most_m, words)
    return Verdict(Gate.FIX_QUALITY, True, "accuracy_m", accuracy_m, most_m)


def trigger(occasion: Occasion, offer: CompiledOffer) -> Verdict:
    """The offer's trigger against what happened: thresholds, visit number, delay."""
    if offer.asks_only_what_happened:
        return _TRIGGERED
    wanted, transition = offer.offer.trigger, occasion.transition
    if wanted.type is TransitionKind.DWELL and (transition.dwell_s or 0) < (wanted.dwell_s or 0):
        missing_s = (wanted.dwell_s or 0) - (transition.dwell_s or 0)
        return Verdict(
            Gate.TRIGGER, False, "dwell_s", transition.dwell_s, wanted.dwell_s, f"stays {span(missing_s)} longer"
        )
    if wanted.type is TransitionKind.NEARBY and wanted.nearby_m is not None:
        away_m = transition.distance_m or 0.0
        if away_m > wanted.nearby_m:
            words = f"{metres(away_m - wanted.nearby_m)} closer"
            return Verdict(Gate.TRIGGER, False, "nearby_m", round(away_m, 1), wanted.nearby_m, words)
    if wanted.type is TransitionKind.VISIT and (transition.probability or 0.0) < wanted.min_probability:
        words = f"{wanted.min_probability - (transition.probability or 0.0):.2f} surer"
        return Verdict(Gate.TRIGGER, False, "min_probability", transition.probability, wanted.min_probability, words)
    if wanted.first_visit and occasion.visit["total"] != 1:
        return Verdict(Gate.TRIGGER, False, "first_visit", occasion.visit["total"], 1)
    if wanted.nth_visit is not None:
        number = visit_number(occasion.situation.shopper.visits, transition, wanted.within_days)
        if number != wanted.nth_visit:
            short = wanted.nth_visit - number
            words = f"after {short} more visit{'s' if short > 1 else ''}" if short > 0 else ""
            return Verdict(Gate.TRIGGER, False, "nth_visit", number, wanted.nth_visit, words)
    wait_ms = transition.at_ms + wanted.delay_s * 1000 - occasion.situation.at_ms
    if wanted.delay_s and wait_ms > 0:
        return Verdict(
            Gate.TRIGGER,
            False,
            "delay_s",
            wanted.delay_s - wait_ms // 1000,
            wanted.delay_s,
            f"in {span(wait_ms / 1000)}",
        )
    return _TRIGGERED


def active(occasion: Occasion, offer: CompiledOffer) -> Verdict:
    """Status and campaign; then the first that speaks of today decides: an exception, else the hours and windows."""
    document, timetable = offer.offer, offer.timetable
    if not document.is_live:
        return Verdict(Gate.ACTIVE, False, "status", str(document.status), "active", "once active")
    held: Verdict | None = occasion.memo.get(timetable)
    if held is None:
        held = occasion.memo[timetable] = _running(occasion, timetable)
    return held


def _running(occasion: Occasion, timetable: Timetable) -> Verdict:
    store, at_ms = occasion.store, occasion.situation.at_ms
    zone = timetable.zone(store)
    wall = occasion.wall(zone)
    start_ms, end_ms = timetable.bounds_ms(zone)
    if start_ms is not None and at_ms < start_ms:
        words = after(datetime.fromtimestamp(start_ms / 1000, zone), wall.time)
        return Verdict(Gate.ACTIVE, False, "campaign_start", wall.shown, timetable.campaign.start, words)
    if end_ms is not None and at_ms >= end_ms:
        return Verdict(Gate.ACTIVE, False, "campaign_end", wall.shown, timetable.campaign.end)
    for rule, exceptions in (("offer_exception", timetable.exceptions), ("store_exception", store.exceptions)):
        opens = exceptions.on(wall.time) if exceptions is not None else None
        if opens is not None:
            return Verdict(Gate.ACTIVE, opens, rule, wall.shown, "open on this date")
    hours, weekly = timetable.hours(store), timetable.weekly
    if hours is not None:
        open_now = _open(occasion, hours)
        if weekly is None or not open_now.passed:
            return open_now
    if weekly is None:
        return Verdict(Gate.ACTIVE, True, "campaign", wall.shown)
    words = "" if weekly.holds(wall.minute) else after(weekly.next_start(wall.time), wall.time)
    return Verdict(Gate.ACTIVE, not words, "weekly", wall.shown, timetable.weekly_text, words)


def _open(occasion: Occasion, hours: Hours) -> Verdict:
    wall = occasion.wall(hours.zone)
    if hours.is_open(occasion.situation.at_ms):
        return Verdict(Gate.ACTIVE, True, "opening_hours", wall.shown, hours.source)
    opening = hours.next_open(occasion.situation.at_ms)
    words = after(opening, wall.time) if opening else ""
    return Verdict(Gate.ACTIVE, False, "opening_hours", wall.shown, hours.source, words)


def quiet_hours(occasion: Occasion, offer: CompiledOffer) -> Verdict:
    """Not at night, by the clock where the shopper stands."""
    windows = offer.quiet_windows
    if windows is None:
        return _NEVER_QUIET
    zone = occasion.quiet_zone
    return _quiet(offer.quiet_hours, windows, occasion.situation.at_ms // MINUTE_MS, zone)


@lru_cache(maxsize=1024)
def _quiet(quiet: QuietHours, windows: WeeklyWindows, minute: int, zone: ZoneInfo) -> Verdict:
    """One for all who are decided about within a minute of a zone."""
    wall = wall_at(minute * MINUTE_MS, zone)
    required = f"outside {quiet.start}-{quiet.end}"
    if not windows.holds(wall.minute):
        return Verdict(Gate.QUIET_HOURS, True, quiet.action, wall.shown, required)
    words = after(windows.end_of(wall.time), wall.time)
    return Verdict(Gate.QUIET_HOURS, False, quiet.action, wall.shown, required, words)


def audience(occasion: Occasion, offer: CompiledOffer) -> Verdict:
    """The CEL expression; what cannot be evaluated is false, with the reason."""
    expression = offer.audience
    if expression is None:
        return _EVERYONE
    answer = expression.answer(occasion.facts_for(offer))
    return Verdict(Gate.AUDIENCE, answer.passed, "cel", answer.reason or answer.passed, expression.source)


def experiment(occasion: Occasion, offer: CompiledOffer) -> Verdict:
    """Roll-out share, then holdouts: a held-out user passes on and ends as a ghost."""
    document, policy = offer.offer, offer.policy
    user_id = occasion.situation.shopper.user_id
    share = document.rollout_percent / 100
    if share < 1 and not is_within(user_id, f"{document.id}/rollout", share):
        place = bucket(user_id, f"{document.id}/rollout")
        return Verdict(Gate.EXPERIMENT, False, "rollout", place, f"below {round(share * BUCKETS)}")
    if not document.transactional and is_within(user_id, policy.holdout_salt, policy.holdout_ratio):
        return Verdict(Gate.EXPERIMENT, True, HELD_OUT, "global holdout")
    if document.experiment is None:
        return _TREATED
    salt = document.experiment.salt or document.id
    if is_within(user_id, f"{salt}/holdout", document.experiment.holdout_ratio):
        return Verdict(Gate.EXPERIMENT, True, HELD_OUT, "offer holdout")
    arms = [(arm.name, arm.weight) for arm in document.experiment.variants]
    return Verdict(Gate.EXPERIMENT, True, "variant", choose(user_id, salt, arms))


GATES: tuple[Check, ...] = (consent, fix_quality, trigger, active, quiet_hours, audience, experiment)
"""The pure gates before rendering, in the order in which they are asked."""
