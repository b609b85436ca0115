"""In which share of a week's entries an offer runs: its weekly windows, the stores' opening hours, quiet hours.

Worked out hour by hour over the last seven days, each hour weighed by how many entered anything in it, at some of the
stores. Campaign dates and dates with other hours are left out: what is asked for is an ordinary week.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from geofences.model import Geofence
from rules.compiled import CompiledOffer
from rules.schedule import local, minute_of_week
from rules.stores import Store

HOUR_MS: Final = 3_600_000
WEEK_HOURS: Final = 168
STORES_ASKED: Final = 12
"""Spread evenly over the offer's stores: those of one chain keep similar hours."""


def running_share(
    offer: CompiledOffer, geofences: Sequence[Geofence], entries: Iterable[tuple[int, int]], now_ms: int
) -> float:
    """Share of ``entries`` (hours since the epoch, how many entered) that fall into hours in which the offer runs.

    Without any entry all hours of the week weigh the same; without a store the share is 1. Takes some ten
    milliseconds.
    """
    weights = [0] * WEEK_HOURS
    for hour, count in entries:
        weights[hour % WEEK_HOURS] += count
    if not any(weights):
        weights = [1] * WEEK_HOURS
    last_hour = now_ms // HOUR_MS
    stores = [Store(geofence) for geofence in geofences[:: max(1, len(geofences) // STORES_ASKED)][:STORES_ASKED]]
    if not stores:
        return 1.0
    total = running = 0
    for hour in range(last_hour - WEEK_HOURS, last_hour):
        weight = weights[hour % WEEK_HOURS]
        total += weight * len(stores)
        if weight:
            middle_ms = hour * HOUR_MS + HOUR_MS // 2
            running += weight * sum(_runs(offer, store, middle_ms) for store in stores)
    return running / total


def _runs(offer: CompiledOffer, store: Store, at_ms: int) -> bool:
    timetable = offer.timetable
    hours, weekly, quiet = timetable.hours(store), timetable.weekly, offer.quiet_windows
    if hours is not None and not hours.is_open(at_ms):
        return False
    if weekly is not None and not weekly.holds(minute_of_week(local(at_ms, timetable.zone(store)))):
        return False
    return quiet is None or not quiet.holds(minute_of_week(local(at_ms, store.zone)))
