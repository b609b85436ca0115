"""When an offer runs: campaign, weekly windows, opening hours, exceptions, on the store's clock or its own.

Offers with the same times share one timetable, so that a store where twenty of them wait is asked once.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from rules.document import Campaign, DateException, Offer, Window
from rules.hours import Exceptions, Hours, opening_hours
from rules.packs import windows_of
from rules.schedule import WeeklyWindows, campaign_bound_ms, instant_ms, local, minute_of_week, zone_named
from rules.stores import Store


class Timetable:
    """Built by ``timetable_of``; compared by identity."""

    def __init__(
        self,
        campaign: Campaign,
        windows: tuple[Window, ...],
        hours_source: str,
        exceptions: tuple[DateException, ...],
        zone: str | None,
    ) -> None:
        """Cheap; parts compile on first use."""
        self.campaign = campaign
        self._windows = windows
        self._hours_source = hours_source
        self._exceptions = exceptions
        self._zone = zone
        self._bounds: dict[ZoneInfo, tuple[int | None, int | None]] = {}

    @cached_property
    def own_zone(self) -> ZoneInfo | None:
        """The zone that wins over the store's, or None."""
        return zone_named(self._zone) if self._zone else None

    def zone(self, store: Store) -> ZoneInfo:
        """Whose clock it follows at a store."""
        return self.own_zone or store.zone

    @cached_property
    def weekly(self) -> WeeklyWindows | None:
        """The weekly windows, or None for always."""
        return WeeklyWindows.of((w.days, w.start, w.end) for w in self._windows) if self._windows else None

    @cached_property
    def weekly_text(self) -> str:
        """The weekly windows in words."""
        return "; ".join(f"{','.join(w.days)} {w.start}-{w.end}" for w in self._windows)

    @cached_property
    def exceptions(self) -> Exceptions | None:
        """Its own dates, or None."""
        return Exceptions.of((e.date, e.hours) for e in self._exceptions) if self._exceptions else None

    def bounds_ms(self, zone: ZoneInfo) -> tuple[int | None, int | None]:
        """Start and end of the campaign as instants, on the clock of ``zone`` where they carry no offset."""
        held = self._bounds.get(zone)
        if held is None:
            start, end = self.campaign.start, self.campaign.end
            held = self._bounds[zone] = (
                campaign_bound_ms(start, zone, is_end=False) if start else None,
                campaign_bound_ms(end, zone, is_end=True) if end else None,
            )
        return held

    def hours(self, store: Store) -> Hours | None:
        """The hours it keeps at a store: the store's, its own expression, or None."""
        if self._hours_source == "store":
            return store.hours
        if self._hours_source == "ignore":
            return None
        return opening_hours(self._hours_source, store.zone, store.country, store.point)

    def ends_ms(self, store: Store, at_ms: int) -> int | None:
        """When, of an offer that runs at the instant, the first comes of campaign's end, closing, and window's end."""
        zone, hours = self.zone(store), self.hours(store)
        wall = local(at_ms, zone)
        ends = [self.bounds_ms(zone)[1], None if hours is None else hours.closes_ms(at_ms)]
        if self.weekly is not None and self.weekly.holds(minute_of_week(wall)):
            ends.append(instant_ms(self.weekly.end_of(wall)))
        return min((end for end in ends if end is not None), default=None)


def timetable_of(offer: Offer) -> Timetable:
    """The timetable of an offer, shared with all that have the same times."""
    windows = windows_of(offer.pack, offer.weekly)
    return _shared(offer.campaign, windows, offer.opening_hours, offer.exceptions, offer.zone)


@lru_cache(maxsize=16_384)
def _shared(
    campaign: Campaign,
    windows: tuple[Window, ...],
    hours_source: str,
    exceptions: tuple[DateException, ...],
    zone: str | None,
) -> Timetable:
    return Timetable(campaign, windows, hours_source, exceptions, zone)
