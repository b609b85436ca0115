"""The demo's documents: valid, believable, and such that something happens at any hour."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from gateway.demo.offers import POLICY, offers, stores
from rules.offers import parse_offer
from rules.policy import parse_policy

NOON_MS = 1_780_311_600_000


def test_the_policy_is_valid_and_only_lifts_quiet_hours() -> None:
    policy = parse_policy(POLICY)
    assert not policy.quiet_hours.enabled
    assert policy.min_gap_s == 7200


@pytest.mark.parametrize("document", offers(NOON_MS), ids=lambda document: document["id"])
def test_every_offer_is_valid_active_and_short_enough(document: dict) -> None:  # type: ignore[type-arg]
    offer = parse_offer(document, parse_policy(POLICY))
    assert offer.is_live
    for message in offer.messages.values():
        assert len(message.title.replace("{{ store.name }}", "")) <= 45
        assert len(message.body.replace("{{ store.name }}", "")) <= 100


def test_the_two_day_sale_is_today_and_tomorrow_on_helsinkis_clock() -> None:
    """At 22:30 UTC on 31 May it is 1 June in Helsinki."""
    at_ms = round(datetime(2026, 5, 31, 22, 30, tzinfo=UTC).timestamp() * 1000)
    sale = next(document for document in offers(at_ms) if document["id"] == "bookshop-sale")
    assert sale["campaign"] == {"start": "2026-06-01", "end": "2026-06-02"}


def test_at_every_hour_some_offers_are_without_any_window() -> None:
    always = [d["id"] for d in offers(NOON_MS) if "weekly" not in d and d.get("opening_hours") == "ignore"]
    assert len(always) >= 5


def test_every_tag_that_an_offer_names_is_some_stores_tag() -> None:
    tags = Counter(tag for feature in stores()["features"] for tag in feature["properties"]["tags"])
    for document in offers(NOON_MS):
        assert document["targets"].get("all") or any(tags[tag] for tag in document["targets"]["tags"]), document["id"]
    named = {tag for document in offers(NOON_MS) for tag in document["targets"].get("tags", ())}
    assert named <= set(tags), named - set(tags)


def test_every_store_has_a_name_that_fits_a_message() -> None:
    features = stores()["features"]
    assert len(features) == 920
    assert all(feature["properties"]["name"].strip() for feature in features)
