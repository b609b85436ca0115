"""Content lint: what is warned of, by rule and place; nothing that was accepted is refused for it."""

from __future__ import annotations

from typing import Any

import pytest

from rules.lint import lint
from rules.packs import PACKS
from tests.rules.shop import offer

GOOD = {
    "title": "Half price until 18:00",
    "body": "Take any pastry home for half the price.",
    "deep_link": "https://shop.fi/pastry",
    "campaign_tags": {"utm_source": "geopush"},
    "image_url": "https://shop.fi/pastry.jpg",
}


def rules(message: dict[str, Any] | None = None, **fields: Any) -> list[tuple[str, str]]:
    found = lint(offer(messages={"en": {**GOOD, **(message or {})}}, **fields))
    return [(warning.pointer.removeprefix("/messages/en"), warning.rule) for warning in found]


def test_a_good_offer_is_left_in_peace() -> None:
    """Short, one verb, a tagged link, a picture."""
    assert rules() == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"title": "A title that goes on for rather more than forty characters"}, [("/title", "title_length")]),
        ({"body": "Come in. " + "and see what we have " * 8}, [("/body", "body_length")]),
        ({"body": "Come in. See it. Try it. Take it."}, [("/body", "brevity")]),
        ({"title": "SALE today"}, [("/title", "shouting")]),
        ({"body": "Come in!! Now!"}, [("/body", "shouting")]),
        ({"body": "Come in 🎉🎉🎉"}, [("/body", "emoji")]),
        ({"title": "Hello from the bakery"}, [("", "essence_first")]),
        ({"body": "Hurry up and take one home."}, [("", "cliche")]),
        ({"body": "Pastries at half the price."}, [("/body", "call_to_action")]),
        ({"deep_link": ""}, [("/deep_link", "no_link")]),
        ({"campaign_tags": {}}, [("/campaign_tags", "no_campaign_tags")]),
        ({"image_url": ""}, [("/image_url", "no_image")]),
        ({"deep_link": "shop.fi/pastry"}, [("/deep_link", "link_form")]),
        ({"deep_link": "http://shop.fi"}, [("/deep_link", "link_form")]),
        ({"deep_link": "https://shop.fi/{{ store.id }}"}, []),
        ({"title": "Only {{ offer.left }} left"}, [("", "scarcity_unknown")]),
        ({"title": "{{ offer.taken }} people have it"}, [("", "scarcity_unknown"), ("", "never_begins")]),
        ({"title": "{{ offer.taken | default: 'Many' }} people have it"}, [("", "scarcity_unknown")]),
        ({"title": "{% if user.vip %}Half price until six{% else %}A fifth off until six{% endif %} today"}, []),
        (
            {
                "title": "Take it {% if user.a %}{% unless user.b %}while{% endunless %} it lasts, and the other one"
                " too{% else %}now{% endif %} today"
            },
            [("/title", "title_length")],
        ),
        ({"title": "{{ store.name }} is open until {{ store.closes }}, and so is its café"}, []),
    ],
)
def test_a_text_is_warned_of(message: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each rule names the text at fault; variables are not counted as text."""
    assert rules(message) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"quiet_hours": {"enabled": False}}, [("/quiet_hours", "at_night")]),
        ({"transactional": True}, [("/transactional", "not_a_service")]),
        ({"cooldowns": {"min_gap_s": 0}}, [("/cooldowns/min_gap_s", "pressure")]),
        ({"caps": [{"scope": "user", "max": 5}]}, [("/caps/0/max", "pressure")]),
        ({"pack": "grocery", "weekly": [{"start": "08:00", "end": "10:00"}]}, [("/weekly", "outside_pack")]),
        ({"pack": "grocery", "weekly": [{"start": "14:00", "end": "16:00", "days": ["mon"]}]}, []),
        (
            {"experiment": {"variants": [{"name": "a", "messages": {"fi": GOOD}}, {"name": "b"}]}},
            [("/experiment/variants/0/messages", "untranslated")],
        ),
    ],
)
def test_pressure_and_timing_are_warned_of(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Nights, too many pushes, selling as a service, and windows outside the trade's practice."""
    assert rules(**fields) == expected


def test_a_service_message_and_other_languages_keep_their_words() -> None:
    """Rules about English words leave service messages and other languages alone."""
    body = {**GOOD, "body": "Tilauksesi on valmis."}
    assert lint(offer(messages={"fi": body})) == []
    assert lint(offer(messages={"en": {**GOOD, "body": "Your order is ready."}}, purpose="service")) == []


def test_every_pack_has_windows_and_says_whose_practice_it_is() -> None:
    """Grocery, fashion, big tickets, leisure, cafés."""
    assert set(PACKS) == {"grocery", "fashion", "big_ticket", "leisure", "cafe"}
    assert all(pack.windows and pack.practice for pack in PACKS.values())
