"""Opening hours: the OpenStreetMap grammar, holidays, exceptions, and a store's own zone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import tzfpy
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from geofences.geodesy import distance_m
from geofences.model import Circle, Geofence, LatLng
from rules.hours import Exceptions, opening_hours
from rules.places import _countries, country_at, zone_around, zone_at
from rules.schedule import local
from rules.stores import Store, lint_store
from rules.timetable import timetable_of
from tests.rules.shop import HELSINKI, at, decide, geofence, offer, only, refusing

SHOP = "Mo-Fr 10:00-21:00; Sa 10:00-19:00; Su 12:00-18:00; PH off"


@pytest.mark.parametrize(
    ("source", "moment", "is_open", "opens"),
    [
        (SHOP, "2026-11-25 12:00", True, None),
        (SHOP, "2026-11-25 21:00", False, "2026-11-26 10:00"),
        (SHOP, "2026-11-28 19:30", False, "2026-11-29 12:00"),
        (SHOP, "2026-12-25 12:00", False, "2026-12-27 12:00"),
        ("24/7", "2026-11-25 03:00", True, None),
        ("Fr-Sa 18:00-04:00", "2026-11-28 03:30", True, None),
        ("Fr-Sa 18:00-04:00", "2026-11-28 04:30", False, "2026-11-28 18:00"),
        ("Su 03:30-04:30", "2026-03-29 02:59", False, "2026-03-29 04:00"),
        ("Su 03:00-03:30", "2026-10-25 03:15", True, None),
        ("Feb 29 10:00-12:00", "2028-02-29 11:00", True, None),
        ("Mo-Fr 10:00-12:00 unknown", "2026-11-25 11:00", True, None),
    ],
)
def test_hours_follow_the_clock_of_the_store(source: str, moment: str, is_open: bool, opens: str | None) -> None:
    """Holidays of the country, nights past midnight, clock changes, leap days; unknown counts as open."""
    hours = opening_hours(source, HELSINKI, "FI")
    assert hours.is_open(at(moment)) is is_open
    if not is_open:
        opening = hours.next_open(at(moment))
        assert opening is not None
        assert opening.replace(tzinfo=None).isoformat(" ", "minutes") == opens


def test_hours_follow_the_sun_of_the_store() -> None:
    """Midsummer and midwinter in Helsinki, on its clock, by its own hours and by an offer's."""
    store = Store(geofence(opening_hours="sunrise-sunset"))
    for hours in (store.hours, timetable_of(offer(opening_hours="sunrise-sunset")).hours(store)):
        assert hours is not None
        closes = [hours.closes_ms(at(f"{day} 12:00")) for day in ("2026-06-21", "2026-12-21")]
        assert closes == [at("2026-06-21 22:50"), at("2026-12-21 15:12")]


def test_hours_outside_the_grammar_are_pointed_at() -> None:
    """The column of the first fault."""
    with pytest.raises(ValueError, match="column 20"):
        opening_hours("Mo-Fr 10:00-21:00; Xx", HELSINKI)


def test_a_place_knows_its_zone() -> None:
    """The property wins; else the zone of a point inside; an unreadable property is not believed."""
    new_york = Geofence("ny", Polygon([(-74.0, 40.7), (-74.0, 40.71), (-73.99, 40.71), (-73.99, 40.7)]))
    assert str(Store(new_york).zone) == "America/New_York"
    assert str(Store(geofence()).zone) == "Europe/Helsinki"
    assert str(Store(geofence(time_zone="Europe/Lisbon")).zone) == "Europe/Lisbon"
    assert str(Store(geofence(time_zone="Nowhere")).zone) == "Europe/Helsinki"
    assert str(Store(Geofence("sea", Circle(LatLng(0.0, -140.0), 50.0))).zone).startswith("Etc/")


def test_a_fix_is_in_the_zone_of_the_place_but_for_the_last_metres_before_a_border() -> None:
    """The river Torne parts two zones: 100 m from its middle each bank has its own, and all zones are remembered."""
    west, east = 24.10, 24.20
    while east - west > 1e-7:
        middle = (west + east) / 2
        west, east = (middle, east) if str(zone_at(65.83, middle)) == "Europe/Stockholm" else (west, middle)
    away_deg = 100 / (111_195 * math.cos(math.radians(65.83)))
    for _ in range(2):
        assert str(zone_around(65.83, west - away_deg)) == "Europe/Stockholm"
        assert str(zone_around(65.83, east + away_deg)) == "Europe/Helsinki"


@settings(max_examples=300, deadline=None)
@given(lat=st.floats(-90, 90), lng=st.floats(-180, 180))
def test_the_zone_of_a_fix_is_that_of_a_place_at_most_80_m_away(lat: float, lng: float) -> None:
    """Anywhere, poles and date line included."""
    middle = round(lat, 3), round(lng, 3)
    assert distance_m(lat, lng, *middle) <= 80
    assert zone_around(lat, lng) is zone_at(*middle)


def test_hours_that_nobody_can_read_do_not_close_a_store() -> None:
    """Open data is dirty: the store counts as having no hours, and says why."""
    store = Store(geofence(opening_hours="ask inside"))
    assert store.hours is None
    assert "column" in store.doubts[0].detail
    assert only(decide(offer(), where=geofence(opening_hours="ask inside"))).rank == 0


def test_holidays_are_those_of_the_place() -> None:
    """Without a country the place tells it: Independence Day closes a shop in Helsinki, and none in London."""
    london = Geofence("l", Circle(LatLng(51.5072, -0.1276), 50.0), properties={"opening_hours": SHOP})
    for place, is_open in (
        (geofence(opening_hours=SHOP), False),
        (london, True),
        (geofence(opening_hours=SHOP, country="gb"), True),
    ):
        hours = Store(place).hours
        assert hours is not None
        assert hours.is_open(at("2027-12-06 15:00")) is is_open


@pytest.mark.parametrize(
    ("lat", "lng", "country"),
    [
        (60.1699, 24.9384, "FI"), (41.1496, -8.6110, "PT"), (48.2082, 16.3738, "AT"), (47.3769, 8.5417, "CH"),
        (40.7128, -74.0060, "US"), (-33.8688, 151.2093, "AU"), (28.6139, 77.2090, "IN"), (-20.8789, 55.4481, "RE"),
        (0.0, -140.0, None),
    ],
)  # fmt: skip
def test_a_place_knows_its_country(lat: float, lng: float, country: str | None) -> None:
    """Every zone that tzfpy names has one, so that no package can bring a name that the other lacks."""
    assert country_at(lat, lng) == country
    assert all(name in _countries() for name in tzfpy.timezonenames() if not name.startswith("Etc/"))


@pytest.mark.parametrize(
    ("country", "day", "is_open"),
    [
        ("FR", "2027-07-14", False),
        ("RE", "2027-07-14", False),
        ("IN", "2027-08-15", True),
        ("XX", "2027-08-15", True),
    ],
)
def test_a_country_without_known_holidays_keeps_its_week(country: str, day: str, is_open: bool) -> None:
    """Also by an offer's own hours, which were accepted when nobody knew at which stores; the author is warned."""
    store = Store(geofence(country=country, opening_hours="Mo-Su 10:00-20:00; PH off"))
    timetable = timetable_of(offer(opening_hours="Mo-Su 10:00-20:00; PH off"))
    for hours in (store.hours, timetable.hours(store)):
        assert hours is not None
        assert hours.is_open(at(f"{day} 12:00")) is is_open
    assert [doubt.pointer for doubt in store.doubts] == ["/properties/opening_hours"] * is_open


def test_what_cannot_be_read_of_a_store_is_doubted_and_counts_as_absent() -> None:
    """One warning for each member; a store without them costs nothing."""
    unread = {"time_zone": "Mars/Base", "country": "Finland", "opening_hours": ["24/7"], "exceptions": {"on": 5}}
    store = Store(geofence(**unread))
    assert (str(store.zone), store.country, store.hours, store.exceptions) == ("Europe/Helsinki", "FI", None, None)
    assert [doubt.rule for doubt in lint_store(geofence(**unread))] == list(unread)
    assert lint_store(geofence(brand="x")) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["date", "hours", "x"]), inner),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["time_zone", "country", "opening_hours", "exceptions"]), _JSON))
def test_no_property_keeps_a_store_from_being_read(properties: dict[str, Any]) -> None:
    """Whatever JSON an operator uploads."""
    Store(geofence(**properties))


def test_exceptions_replace_a_date() -> None:
    """Closed, or other hours; other dates are not spoken of."""
    exceptions = Exceptions.of([("2026-12-24", "10:00-13:00,14:00-15:00"), ("2026-12-25", "closed")])
    for moment, answer in (
        ("2026-12-24 12:59", True),
        ("2026-12-24 13:30", False),
        ("2026-12-25 12:00", False),
        ("2026-12-26 12:00", None),
    ):
        assert exceptions.on(local(at(moment), HELSINKI)) is answer


@pytest.mark.parametrize(
    ("fields", "properties", "expected"),
    [
        ({}, {"opening_hours": "Mo-Fr 13:00-18:00"}, ("active", "opening_hours", "after 13:00")),
        ({"opening_hours": "ignore"}, {"opening_hours": "Mo-Fr 13:00-18:00"}, ("", "", "")),
        ({"opening_hours": "Mo-Su 15:00-16:00"}, {"opening_hours": "24/7"}, ("active", "opening_hours", "after 15:00")),
        (
            {
                "weekly": [{"start": "16:00", "end": "18:00"}],
                "exceptions": [{"date": "2026-11-25", "hours": "11:00-13:00"}],
            },
            {"opening_hours": "off"},
            ("", "", ""),
        ),
        ({"zone": "America/New_York", "weekly": [{"start": "04:00", "end": "06:00"}]}, {}, ("", "", "")),
        ({"pack": "grocery"}, {}, ("active", "weekly", "after 13:00")),
        ({"pack": "cafe"}, {}, ("", "", "")),
        ({"pack": "fashion"}, {}, ("active", "weekly", "after Fri 09:00")),
    ],
)
def test_which_hours_decide(
    fields: dict[str, object], properties: dict[str, object], expected: tuple[str, str, str]
) -> None:
    """An exception before the store's hours, the store's hours before weekly windows, a pack where there are none."""
    candidate = only(decide(offer(**fields), where=geofence(**properties)))  # type: ignore[arg-type]
    assert refusing(candidate) == expected
