"""How many users an offer would reach in a week, from who entered its geofences lately. docs/maps.md explains it.

Different users who entered, week by week (``store.traffic``); of these, those who come while the offer runs, who have
consented, and who are neither held out nor outside the roll-out. An audience, and triggers that ask for more than
entering, are not estimated: they make the reach smaller, never larger.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import NotFound
from gateway.ops.running import running_share
from gateway.store import Store
from gateway.store.statistics import DAY_MS, day_of
from gateway.store.traffic import ERROR_RATIO, HOURS_PER_DAY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import json_answer, path_id
from gateway.web.faults import decode_object, refused
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from geofences.index import GeofenceIndex
from geofences.model import Geofence, TransitionKind
from rules.compiled import CompiledOffer
from rules.document import Offer, Targets
from rules.offers import OfferErrors, parse_offer

WEEK_DAYS: Final = 7
BASIS_DAYS: Final = 28
"""Four weeks: a month's habits, and as far back as traffic is kept."""
WEEK_S: Final = WEEK_DAYS * 86_400
WEEK_HOURS: Final = WEEK_DAYS * HOURS_PER_DAY
MAX_COUNTED: Final = 2_000
"""Geofences whose traffic is joined; of more, so many are taken evenly. Joining them over four weeks costs Redis 0.7 s,
in pieces that let others in between, and is kept for an hour."""


class Reach(msgspec.Struct, frozen=True):
    """An estimate, rounded to two digits. ``notes`` say what it rests on and what it leaves out.

    ``users_per_week`` lies between ``low`` and ``high``: the weakest and the strongest of the weeks seen. It is
    ``entering_per_week`` narrowed by the three shares; ``consent_share`` is null where nobody was asked yet.
    """

    users_per_week: int
    low: int
    high: int
    pushes_per_week: int
    geofences: int
    basis_days: int
    entering_per_week: int
    running_share: float
    consent_share: float | None
    treated_share: float
    notes: tuple[str, ...]


class _Week(msgspec.Struct, frozen=True):
    """Different users who enter in a week: estimate and bounds, on how many of its days each, from how many days."""

    users: float
    low: float
    high: float
    visits: float
    days: int


async def estimate(context: Context, offer: Offer, *, at_ms: int | None = None) -> Reach:
    """The reach of an offer, stored or not, by the present geofences and policy, and the traffic up to ``at_ms``."""
    snapshot, at_ms = context.catalog.current, now_ms() if at_ms is None else at_ms
    targeted = await asyncio.to_thread(_targeted, snapshot.index, offer.targets)
    days = [day_of(at_ms - back * DAY_MS) for back in range(BASIS_DAYS, -1, -1)]
    week = await _week(context.store, targeted, offer.targets.all, days)
    hours = await context.store.traffic.hours(days)
    compiled = CompiledOffer(offer, snapshot.rulebook.policy)
    share = await asyncio.to_thread(running_share, compiled, targeted, _hourly(hours, at_ms), at_ms)
    asked, willing = await context.store.traffic.consenting(days)
    least = context.settings.activity_min_users
    return _reach(compiled, week, share, willing / asked if asked >= least else None, len(targeted), least)


def _targeted(index: GeofenceIndex, targets: Targets) -> list[Geofence]:
    if targets.all:
        return list(index)
    ids, tags = set(targets.geofences), set(targets.tags)
    if not tags:
        return [geofence for one in ids if (geofence := index.get(one)) is not None]
    return [geofence for geofence in index if geofence.id in ids or not tags.isdisjoint(geofence.tags)]


async def _week(store: Store, targeted: Sequence[Geofence], is_everywhere: bool, days: Sequence[str]) -> _Week:  # noqa: FBT001
    """How many different users enter the geofences in a week; ``days`` end with today, which is not over."""
    first = await store.traffic.first_day(days)
    if first is None or not targeted:
        return _Week(0, 0, 0, 1, 0)
    seen = [day for day in days if day >= first]
    over = seen[:-1]
    begin = len(over) % WEEK_DAYS
    spans = [over[start : start + WEEK_DAYS] for start in range(begin, len(over), WEEK_DAYS)] or [seen]
    asked = [day for span in spans for day in span]
    ids = sorted(geofence.id for geofence in targeted)
    counted = ids[:: math.ceil(len(ids) / MAX_COUNTED)]
    footfall = await store.traffic.footfall(None if is_everywhere else counted, asked, spans)
    users = fmean(footfall.by_span)
    visits = max(1.0, sum(footfall.by_day) / max(1, sum(footfall.by_span)))
    low, high = (1 - 2 * ERROR_RATIO) * min(footfall.by_span), (1 + 2 * ERROR_RATIO) * max(footfall.by_span)
    stretch = WEEK_DAYS / len(spans[0])
    if not is_everywhere:
        stretch *= len(ids) / len(counted)
    return _Week(users * stretch, low, high * stretch, visits, len(asked))


def _hourly(hours: Sequence[Sequence[int]], at_ms: int) -> Iterator[tuple[int, int]]:
    """Entries by hours since the epoch; the last of ``hours`` is today's."""
    first_day = at_ms // DAY_MS - len(hours) + 1
    for day, counts in enumerate(hours, first_day):
        for hour, count in enumerate(counts):
            yield day * HOURS_PER_DAY + hour, count


def _reach(
    compiled: CompiledOffer, week: _Week, share: float, consent: float | None, geofences: int, least: int
) -> Reach:
    offer, policy = compiled.offer, compiled.policy
    is_shown = week.users >= least
    meeting = 1 - (1 - share) ** week.visits
    held_out = 0.0 if offer.transactional else policy.holdout_ratio
    own_holdout = offer.experiment.holdout_ratio if offer.experiment else 0.0
    treated = offer.rollout_percent / 100 * (1 - held_out) * (1 - own_holdout)
    narrowed = meeting * (1.0 if consent is None else consent) * treated if is_shown else 0.0
    supply = _supply(offer)
    users = min(week.users * narrowed, supply)
    pushes = min(
        week.users * narrowed * _pushes_each(compiled, week.visits * share / meeting if meeting else 1), supply
    )
    return Reach(
        users_per_week=_rounded(users),
        low=_rounded(min(week.low * narrowed, supply)),
        high=_rounded(min(week.high * narrowed, supply)) if is_shown else least,
        pushes_per_week=_rounded(pushes),
        geofences=geofences,
        basis_days=week.days,
        entering_per_week=_rounded(week.users) if is_shown else 0,
        running_share=round(share, 3),
        consent_share=None if consent is None else round(consent, 3),
        treated_share=round(treated, 3),
        notes=tuple(_notes(offer, week, consent, geofences, least)),
    )


def _pushes_each(compiled: CompiledOffer, visits: float) -> float:
    """Pushes a week of a user who comes ``visits`` times while the offer runs: as often as its cooldown lets him."""
    offer = compiled.offer
    cooldown_s = offer.cooldowns.user_offer_s
    if cooldown_s is None:
        cooldown_s = 0 if offer.transactional else compiled.policy.user_offer_s
    return min(visits, WEEK_S / cooldown_s) if cooldown_s else visits


def _supply(offer: Offer) -> float:
    hourly = offer.max_per_hour * WEEK_HOURS if offer.max_per_hour is not None else None
    return min((bound for bound in (offer.total_cap, offer.stock, hourly) if bound is not None), default=math.inf)


def _rounded(number: float) -> int:
    """Two digits: more would claim what an estimate does not know, and would let single users be told apart."""
    return int(round(number, 2 - max(2, len(str(round(number))))))


def _notes(offer: Offer, week: _Week, consent: float | None, geofences: int, least: int) -> Iterator[str]:
    if not geofences:
        yield "No geofence meets the targets."
    elif not week.days:
        yield f"Nobody has entered any geofence in the last {BASIS_DAYS} days: there is nothing to estimate from."
    elif week.users < least:
        yield f"Fewer than {least} users enter in a week; how many is not told."
    elif week.days < WEEK_DAYS:
        yield f"Only {week.days} of a week's days have been seen; the rest is taken to be like them."
    if geofences > MAX_COUNTED and not offer.targets.all:
        yield f"Of {geofences} geofences {MAX_COUNTED} were counted, and the rest taken to have visitors of their own."
    if consent is None:
        yield "Too few users have been asked for consent by a live offer yet: all are counted as willing."
    if offer.audience:
        yield "The audience is not estimated: fewer will match it."
    trigger = offer.trigger
    if trigger.type in {TransitionKind.NEARBY, TransitionKind.PASS_BY}:
        yield "Only those who enter are counted; those who come near or pass by are more."
    elif trigger.type is not TransitionKind.ENTER or trigger.first_visit or trigger.nth_visit is not None:
        yield "All who enter are counted; the trigger asks for more, so fewer will be reached."


@operation(
    "POST",
    "/v1/reach",
    needs=Permission.SIMULATE,
    body=dict[str, Any],
    answer=Reach,
    example={"targets": {"tags": ["cafe"]}, "trigger": {"type": "enter"}},
)
async def estimate_draft(request: web.Request) -> web.StreamResponse:
    """Estimate how many users an offer would reach in a week, before it is stored.

    The body is an offer; its id, name and messages may be missing yet. Refused with a JSON pointer for every fault.
    """
    context = request.app[CONTEXT]
    document = decode_object(await read_body(request, context.settings.max_body_bytes))
    unwritten = {"id": "draft", "name": "draft", "messages": {"en": {"title": "draft", "body": "draft"}}}
    given = {name: value for name, value in document.items() if name not in unwritten or value}
    try:
        offer = parse_offer(unwritten | given, context.catalog.current.rulebook.policy)
    except OfferErrors as found:
        raise refused(found) from None
    return json_answer(await estimate(context, offer))


@operation("GET", "/v1/offers/{offer_id}/reach", needs=Permission.READ_CATALOG, answer=Reach)
async def estimate_stored(request: web.Request) -> web.StreamResponse:
    """Estimate how many users an offer reaches in a week, whatever its status."""
    context, offer_id = request.app[CONTEXT], path_id(request, "offer_id")
    await context.catalog.refresh()
    offer = context.catalog.current.rulebook.get(offer_id)
    if offer is None:
        raise NotFound(f"there is no offer {offer_id!r}")
    return json_answer(await estimate(context, offer))


OPERATIONS = (estimate_draft, estimate_stored)
