"""What offers achieved: the funnel from matched to converted, per offer, variant, store and day."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import BadRequest, NotFound
from gateway.store.statistics import day_of
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, path_id
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from rules.conclusions import Conclusions, conclude

DEFAULT_DAYS = 30
MAX_DAYS = 400
DAY_MS = 86_400_000
CENTS = 100
GROUPS = ("day", "variant", "geofence")
SHOWN_FROM = 10
"""Groups with fewer pushes keep to themselves what people did with them (k-anonymity)."""
_PERSONAL = ("opened", "dismissed", "converted", "opted_out")


class Funnel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Steps of a funnel. ``refused`` counts by gate; ``is_suppressed``: too few pushes to tell what became of them.

    ``visited`` counts claimed pushes that brought their user to the store, for a minute or longer, within a day;
    ``purchased`` those that a purchase followed within a week, ``spent`` is what it was worth. ``held_out_…`` are the
    same of pushes that were withheld from held-out users.
    """

    matched: int = 0
    refused: Mapping[str, int] = {}
    held_out: int = 0
    claimed: int = 0
    delivered: int = 0
    undelivered: Mapping[str, int] = {}
    opened: int = 0
    dismissed: int = 0
    converted: int = 0
    opted_out: int = 0
    revenue: float = 0.0
    visited: int = 0
    purchased: int = 0
    spent: float = 0.0
    held_out_visited: int = 0
    held_out_purchased: int = 0
    held_out_spent: float = 0.0
    is_suppressed: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The funnel of one day, variant or store."""

    key: str
    funnel: Funnel


class OfferReport(msgspec.Struct, frozen=True, kw_only=True):
    """An offer's funnel between two UTC days, inclusive, whole and by ``group``, and what it allows to conclude."""

    offer_id: str
    first_day: str
    last_day: str
    total: Funnel
    group: str
    rows: list[Row]
    conclusions: Conclusions


@operation(
    "GET",
    "/v1/reports/offers/{offer_id}",
    needs=Permission.READ_REPORTS,
    answer=OfferReport,
    parameters=(
        Parameter("from", "First UTC day, YYYY-MM-DD; by default 30 days back."),
        Parameter("to", "Last UTC day, YYYY-MM-DD; by default today."),
        Parameter("by", "What to split by.", {"type": "string", "enum": list(GROUPS)}),
    ),
)
async def offer_report(request: web.Request) -> web.StreamResponse:
    """Report an offer's funnel: matched, refused by gate, held out, claimed, delivered, opened, visited, converted.

    Outcomes count on the day their push was claimed. Counters are written out every few seconds.
    """
    context = request.app[CONTEXT]
    offer_id = path_id(request, "offer_id")
    group = request.query.get("by", "day")
    if group not in GROUPS:
        raise BadRequest(f"by must be one of {', '.join(GROUPS)}", parameter="by")
    days = _days(request)
    counted = await context.store.statistics.read(offer_id, days)
    offer = context.catalog.current.rulebook.get(offer_id)
    if offer is None and not any(counted.values()):
        raise NotFound(f"there is no offer {offer_id!r}, and nothing was ever counted for it")
    total: Counter[str] = Counter()
    groups: dict[str, Counter[str]] = {}
    variants: dict[str, Counter[str]] = {}
    for day, counters in counted.items():
        for (what, geofence_id, variant), amount in counters.items():
            key = {"day": day, "variant": variant, "geofence": geofence_id}[group]
            groups.setdefault(key, Counter())[what] += amount
            variants.setdefault(variant, Counter())[what] += amount
            total[what] += amount
    report = OfferReport(
        offer_id=offer_id,
        first_day=days[0],
        last_day=days[-1],
        total=_funnel(total),
        group=group,
        rows=[Row(key=key, funnel=_funnel(counts)) for key, counts in sorted(groups.items())],
        conclusions=conclude(total, variants, offer.experiment if offer else None),
    )
    return json_answer(report)


OPERATIONS = (offer_report,)


def _funnel(counts: Mapping[str, int]) -> Funnel:
    delivered = counts.get("delivered", 0)
    is_suppressed = 0 < delivered < SHOWN_FROM
    personal = {what: 0 if is_suppressed else counts.get(what, 0) for what in _PERSONAL}
    return Funnel(
        matched=counts.get("matched", 0),
        refused=_by_reason(counts, "refused:"),
        held_out=counts.get("held_out", 0),
        claimed=counts.get("claimed", 0),
        delivered=delivered,
        undelivered=_by_reason(counts, "undelivered:"),
        revenue=0.0 if is_suppressed else counts.get("revenue_cents", 0) / CENTS,
        is_suppressed=is_suppressed,
        **personal,
        **_followed(counts, "claimed", ""),
        **_followed(counts, "held_out", "held_out_"),
    )


def _followed(counts: Mapping[str, int], of: str, arm: str) -> dict[str, Any]:
    """Visits and purchases after pushes, or after ghosts; nothing where those are too few to tell."""
    if counts.get(of, 0) < SHOWN_FROM:
        return {}
    told = {what: counts.get(what, 0) for what in (f"{arm}visited", f"{arm}purchased")}
    return {**told, f"{arm}spent": counts.get(f"{arm}spent_cents", 0) / CENTS}


def _by_reason(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {what.removeprefix(prefix): amount for what, amount in sorted(counts.items()) if what.startswith(prefix)}


def _days(request: web.Request) -> list[str]:
    """The UTC days asked for, YYYYMMDD, oldest first. Raises BadRequest."""
    last_ms = _day_ms(request, "to", now_ms())
    first_ms = _day_ms(request, "from", last_ms - (DEFAULT_DAYS - 1) * DAY_MS)
    if not 0 <= last_ms - first_ms < MAX_DAYS * DAY_MS:
        raise BadRequest(f"from must not be after to, nor more than {MAX_DAYS} days before it", parameter="from")
    return list(_each_day(first_ms, last_ms))


def _each_day(first_ms: int, last_ms: int) -> Iterable[str]:
    return (day_of(at_ms) for at_ms in range(first_ms, last_ms + 1, DAY_MS))


def _day_ms(request: web.Request, name: str, default_ms: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default_ms - default_ms % DAY_MS
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name} must be a day, YYYY-MM-DD", parameter=name) from None
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000)
