"""What a profile remembers of a shopper's behaviour and visits, and how rules read it: bounded, pure, additive.

One record per event name holds totals, the last occurrence and counts per UTC day; sliding windows are sums of
days. One record per store holds the number of visits and when the latest began.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from geofences.model import Transition

DAY_MS = 86_400_000
WINDOWS_DAYS = (1, 7, 30, 90)
"""Windows that audiences may ask for: count_7d, value_30d and so on."""
KEPT_DAYS = max(WINDOWS_DAYS)
MAX_EVENT_NAMES = 64
"""Per user; the name seen longest ago makes room."""
KEPT_VISITS = 32


_READ = re.compile(
    r"""\bevents\s*(?:\.\s*(\w+)|\[\s*(?:"([^"]*)"|'([^']*)'))|(?:"([^"]*)"|'([^']*)')\s+in\s+events\b""",
)
_MENTION = re.compile(r"\bevents\b")
_OVER_ALL = frozenset({"all", "exists", "exists_one", "filter", "map", "size"})


def names_read(source: str) -> frozenset[str] | None:
    """The event names that an expression or a template reads; None where it looks at all of them."""
    found = ["".join(groups) for groups in _READ.findall(source)]
    if len(found) < len(_MENTION.findall(source)) or not _OVER_ALL.isdisjoint(found):
        return None
    return frozenset(found)


class EventRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is kept of one event name. ``days`` is (UTC day number, count, value) in order, 90 days back."""

    count: int = 0
    value: float = 0.0
    first_at_ms: int = 0
    last_at_ms: int = 0
    last: Mapping[str, Any] = {}
    days: tuple[tuple[int, int, float], ...] = ()


class VisitRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Visits of one store: how many ever, and when the latest 32 began, oldest first."""

    count: int = 0
    recent_at_ms: tuple[int, ...] = ()


def with_event(
    events: Mapping[str, EventRecord], name: str, at_ms: int, value: float = 0.0, properties: Mapping[str, Any] = {}
) -> dict[str, EventRecord]:
    """The records after one more event; an event older than the last keeps the last's properties."""
    held = events.get(name, EventRecord(first_at_ms=at_ms))
    day = at_ms // DAY_MS
    by_day = {d: (count, worth) for d, count, worth in held.days}
    count, worth = by_day.get(day, (0, 0.0))
    by_day[day] = (count + 1, worth + value)
    newest = max(by_day)
    record = EventRecord(
        count=held.count + 1,
        value=held.value + value,
        first_at_ms=min(held.first_at_ms, at_ms),
        last_at_ms=max(held.last_at_ms, at_ms),
        last=properties if at_ms >= held.last_at_ms else held.last,
        days=tuple((d, *by_day[d]) for d in sorted(by_day) if d > newest - KEPT_DAYS),
    )
    kept = {**events, name: record}
    if len(kept) > MAX_EVENT_NAMES:
        del kept[min(kept, key=lambda n: kept[n].last_at_ms)]
    return kept


def visited(record: VisitRecord, entered_at_ms: int) -> VisitRecord:
    """The record after a visit that began at ``entered_at_ms``; the same one, where that visit is counted already."""
    if entered_at_ms in record.recent_at_ms:
        return record
    return VisitRecord(record.count + 1, tuple(sorted((*record.recent_at_ms, entered_at_ms))[-KEPT_VISITS:]))


def events_of(profile: Mapping[str, Any]) -> dict[str, EventRecord]:
    """Records read back from a profile's JSON; what is not one is left out."""
    return _records(profile, EventRecord)


def visits_of(profile: Mapping[str, Any]) -> dict[str, VisitRecord]:
    """Records read back from a profile's JSON; what is not one is left out."""
    return _records(profile, VisitRecord)


def _records(profile: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    found = {}
    for name, record in profile.items():
        try:
            found[name] = record if isinstance(record, kind) else msgspec.convert(record, kind)
        except msgspec.ValidationError:
            continue
    return found


def event_view(record: EventRecord, at_ms: int) -> dict[str, Any]:
    """What an audience reads as ``events["name"]``: count, value, ages, last, count_7d, value_7d and the rest."""
    age_s = max(0, (at_ms - record.last_at_ms) // 1000)
    view: dict[str, Any] = {
        "count": record.count,
        "value": record.value,
        "age_s": age_s,
        "age_days": age_s / 86_400,
        "first_age_days": max(0, at_ms - record.first_at_ms) / DAY_MS,
        "last_at_ms": record.last_at_ms,
        "last": {name: value for name, value in record.last.items() if value is not None},
    }
    today = at_ms // DAY_MS
    counts, values = dict.fromkeys(WINDOWS_DAYS, 0), dict.fromkeys(WINDOWS_DAYS, 0.0)
    for day, count, value in record.days:
        for window in WINDOWS_DAYS:
            if day > today - window:
                counts[window] += count
                values[window] += value
    for window in WINDOWS_DAYS:
        view[f"count_{window}d"] = counts[window]
        view[f"value_{window}d"] = values[window]
    return view


def visit_number(visits: Mapping[str, Any], transition: Transition, within_days: int | None = None) -> int:
    """Which visit of the store this one is, from 1; with ``within_days`` only visits that began since count.

    The running visit counts once, whether the profile holds it already or not.
    """
    began = transition.entered_at_ms if transition.entered_at_ms is not None else transition.at_ms
    held = visits.get(transition.geofence_id)
    if held is None:
        return 1
    record = held if isinstance(held, VisitRecord) else visits_of({"": held}).get("", VisitRecord())
    if within_days is None:
        return record.count + (began not in record.recent_at_ms)
    since = began - within_days * DAY_MS
    return 1 + sum(since < at < began for at in record.recent_at_ms)


def visit_total(visits: Mapping[str, Any], transition: Transition) -> int:
    """Visits of any store, this one included."""
    others = sum(r.count for name, r in visits_of(visits).items() if name != transition.geofence_id)
    return others + visit_number(visits, transition)
