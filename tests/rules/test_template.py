"""Messages: Liquid within limits, languages, links and lengths."""

from __future__ import annotations

from typing import Any

import pytest

from rules.document import MessageTemplate
from rules.message import CODE_PLACEHOLDER, compose, pick_locale, tagged
from rules.model import Gate
from rules.policy import parse_policy
from rules.template import TemplateFault, template
from tests.rules.shop import decide, offer, only, shopper

VARIABLES: dict[str, Any] = {
    "user": {"first_name": "Ann", "items": ["a", "b"], "bonus": 1250, "long": "x" * 100, "since": "2024-05-04"},
    "now": 1_795_600_800_000,
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Come in", "Come in"),
        ("{{ user.first_name }}, come in", "Ann, come in"),
        ("{{ user.nick | default: 'Friend' }}", "Friend"),
        ("{% if user.first_name == 'Ann' %}A{% else %}B{% endif %}", "A"),
        ("{% for i in user.items %}{{ i }} {% endfor %}", "a b"),
        ("{{ user.since | date: '%d.%m.%Y' }} {{ now | date: '%H:%M' }}", "04.05.2024 10:00"),
        ("{{ user.bonus | divided_by: 100.0 | round: 1 }}", "12.5"),
    ],
)
def test_a_text_is_filled_in(source: str, text: str) -> None:
    """Variables, defaults, conditions, loops and dates, as marketers know them."""
    assert template(source).render(VARIABLES) == text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("Hello {{ user.last_name }}", "user.last_name is undefined"),
        ("{% if user.vip %}x{% endif %}", "user.vip is undefined"),
        ("{% for i in (1..1000) %}x{% endfor %}", "loop iteration limit"),
        (
            "{% for i in (1..99) %}{% for j in (1..1) %}{{ user.long }}{% endfor %}{% endfor %}",
            "output stream limit",
        ),
        ("{% assign a = 'x' %}{% for i in (1..90) %}{% assign a = a | append: a %}{% endfor %}{{ a }}", "longer than"),
        ("{{ 'x' " + "| replace: '', 'zzzzzzzzzzzzzzzzzzzzzzzzzzz' " * 6 + "}}", "longer than"),
        ("{{ 'now' | date: '%Y' }}", "is not a date"),
        ("{{ user.bonus | divided_by: 0 }}", "divi"),
    ],
)
def test_a_text_that_cannot_be_filled_in_says_why(source: str, reason: str) -> None:
    """A missing variable or a broken limit is a reason not to send, never an empty word."""
    with pytest.raises(TemplateFault, match=reason):
        template(source).render(VARIABLES)


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("Hi\n{{ user.name", "line 2, column 1"),
        ("{{ user.name | shout }}", "column 16"),
        ("{% include 'x' %}", "include"),
    ],
)
def test_a_text_that_is_not_liquid_is_pointed_at(source: str, where: str) -> None:
    """Unclosed output, unknown filters, and tags that would read files."""
    with pytest.raises(TemplateFault, match=where):
        template(source).variables()


@pytest.mark.parametrize(
    ("locale", "picked"),
    [("fi", "fi"), ("fi-FI", "fi"), ("pt_BR", "pt-BR"), ("pt-PT", "pt-BR"), ("EN-gb", "en"), ("de", "en")],
)
def test_the_language_is_the_nearest_there_is(locale: str, picked: str) -> None:
    """Same locale, same language, then the default."""
    messages = {key: MessageTemplate("t", "b") for key in ("fi", "pt-BR", "en")}
    assert pick_locale(messages, locale, "en") == picked
    assert pick_locale(messages, "de", "") == "fi"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", ""),
        ("https://a.fi/sale", "https://a.fi/sale?utm_source=geo&utm_campaign=x"),
        ("https://a.fi/sale?id=1&utm_source=own#top", "https://a.fi/sale?id=1&utm_source=own&utm_campaign=x#top"),
        ("app://offer/5", "app://offer/5?utm_source=geo&utm_campaign=x"),
    ],
)
def test_campaign_tags_join_a_link_and_never_replace_its_own(link: str, expected: str) -> None:
    """A deep link keeps its query and fragment."""
    assert tagged(link, {"utm_source": "geo", "utm_campaign": "x"}) == expected


def test_everything_of_a_message_is_filled_in() -> None:
    """Title, body, image, link and buttons; what is not text is copied."""
    source = MessageTemplate(
        title="{{ user.first_name }}", body="Hi", image_url="https://i.fi/{{ user.first_name }}.png", deep_link="app://x",
        ttl_s=60, interruption_level="passive", collapse_key="sale", data={"k": "v"},
    )  # fmt: skip
    message = compose(source, "en", VARIABLES)
    assert (message.title, message.image_url) == ("Ann", "https://i.fi/Ann.png")
    assert (message.ttl_s, message.interruption_level, message.collapse_key) == (60, "passive", "sale")
    assert message.data == {"k": "v"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (MessageTemplate("{{ '' }}", "b"), "title: is empty"),
        (MessageTemplate("t", "{{ user.x }}"), "body: user.x is undefined"),
        (MessageTemplate("t", "b", data={"k": "v" * 4000}), "bytes"),
    ],
)
def test_what_cannot_be_sent_names_the_text_at_fault(source: MessageTemplate, reason: str) -> None:
    """Empty titles, missing variables, and more than a provider carries."""
    with pytest.raises(TemplateFault, match=reason):
        compose(source, "en", VARIABLES)


LONG: dict[str, Any] = {"messages": {"en": {"title": "{{ user.name }}", "body": "Come in."}}}


def test_a_text_too_long_once_filled_in_is_noted_or_refused_as_the_policy_says() -> None:
    """Title 40, body 140 characters: warned of by default."""
    who = shopper(attributes={"name": "x" * 41})
    noted = only(decide(offer(**LONG), who=who))
    assert noted.rank == 0
    assert [v.rule for v in noted.verdicts if v.gate is Gate.RENDER] == ["too_long"]
    refused = only(decide(offer(**LONG), who=who, policy=parse_policy({"too_long": "refuse"})))
    assert refused.refused_by is Gate.RENDER


def test_a_text_tells_the_stores_time() -> None:
    """``now`` is the clock at the store, ``today`` its date."""
    timed = offer(messages={"en": {"title": "{{ now | date: '%H:%M' }}", "body": "{{ today }} {{ local.weekday }}"}})
    message = only(decide(timed)).message
    assert message is not None
    assert (message.title, message.body) == ("12:00", "2026-11-25 wed")


def test_live_counters_and_codes_reach_the_text() -> None:
    """``offer.left`` from stock, ``offer.taken`` rounded down and hidden below ten, ``offer.code`` filled in later."""
    counted = offer(
        stock=50,
        code_pool="spring",
        messages={
            "en": {"title": "Only {{ offer.left }} left", "body": "{{ offer.taken | default: 'few' }} {{ offer.code }}"}
        },
    )
    message = only(decide(counted, counters={"sale": {"left": 5, "taken": 137}})).message
    assert message is not None
    assert (message.title, message.body) == ("Only 5 left", f"130 {CODE_PLACEHOLDER}".strip())
    few = only(decide(counted, counters={"sale": {"left": 5, "taken": 9}})).message
    assert few is not None
    assert few.body.startswith("few")
    assert only(decide(counted)).refused_by is Gate.RENDER
