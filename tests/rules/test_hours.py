"""Opening hours: the OpenStreetMap grammar, holidays, exceptions, and a store's own zone."""

from __future__ import annotations

import math
from importlib import resources

import pytest
import tzfpy
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from geofences.geodesy import distance_m
from geofences.model import Circle, Geofence, LatLng
from rules.countries import country_of
from rules.hours import Exceptions, opening_hours
from rules.schedule import local
from rules.stores import Store, zone_around, zone_at
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
    assert "column" in store.hours_fault
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


def test_hours_hold_in_countries_whose_holidays_nobody_lists() -> None:
    """India's are not in the library: its shops keep their hours all the same, by property and by place."""
    delhi = Circle(LatLng(28.6139, 77.209), 50.0)
    for country in ({}, {"country": "IN"}, {"country": "XX"}):
        store = Store(Geofence("d", delhi, properties={"opening_hours": "Mo-Su 10:00-20:00; PH off", **country}))
        assert store.hours is not None, store.hours_fault
        assert store.hours.is_open(at("2026-01-26 12:00"))


def test_every_zone_of_a_place_has_the_country_of_the_time_zone_database() -> None:
    """Whichever zones tzfpy names, but for those at sea."""
    table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    countries = {zone: country for country, _place, zone, *_comment in rows}
    named = [zone for zone in tzfpy.timezonenames() if not zone.startswith("Etc/")]
    assert {zone: country_of(zone) for zone in named} == {zone: countries[zone] for zone in named}


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
