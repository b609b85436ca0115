"""The offer document: what is refused, where, and with which hint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.offers import OfferErrors, decode_offer, encode_offer, offer_schema, parse_offer
from rules.policy import BrandPolicy, parse_policy, policy_schema
from rules.strict import DocumentErrors
from tests.rules.shop import document


def faults(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(OfferErrors) as refused:
        parse_offer(document(**fields))
    return [(fault["pointer"], fault["code"]) for fault in refused.value.errors]


MESSAGE = {"title": "Sale", "body": "Come in today."}

REFUSED: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("an unknown field", {"prority": 3}, [("/prority", "unknown_field")]),
    ("an unknown field inside", {"trigger": {"type": "enter", "dwel_s": 3}}, [("/trigger/dwel_s", "unknown_field")]),
    ("a missing field", {"trigger": {}}, [("/trigger/type", "missing_field")]),
    ("a kind that is none", {"trigger": {"type": "entre"}}, [("/trigger/type", "invalid_value")]),
    ("text for a number", {"priority": "high"}, [("/priority", "invalid_value")]),
    ("a number out of range", {"rollout_percent": 101}, [("/rollout_percent", "invalid_value")]),
    (
        "several faults at once",
        {"priority": "high", "weekly": [{"start": "9", "end": "10:00"}], "value": 0, "brnd": "x"},
        [("/priority", "invalid_value"), ("/weekly/0/start", "invalid_value"), ("/value", "invalid_value"),
         ("/brnd", "unknown_field")],
    ),
    ("four buttons", {"messages": {"en": {**MESSAGE, "actions": [{"id": f"b{n}", "title": "Go"} for n in range(4)]}}},
     [("/messages/en/actions", "invalid_value")]),
    ("no target", {"targets": {}}, [("/targets", "no_target")]),
    ("a dwell without seconds", {"trigger": {"type": "dwell"}}, [("/trigger/dwell_s", "missing_field")]),
    ("an enter with seconds", {"trigger": {"type": "enter", "dwell_s": 5}}, [("/trigger/dwell_s", "contradiction")]),
    ("a delayed enter", {"trigger": {"type": "enter", "delay_s": 5}}, [("/trigger/delay_s", "contradiction")]),
    ("days without a number", {"trigger": {"type": "enter", "within_days": 5}},
     [("/trigger/within_days", "contradiction")]),
    ("an unknown zone", {"zone": "Helsinki"}, [("/zone", "unknown_zone")]),
    ("a day that is none", {"campaign": {"start": "2026-02-30"}}, [("/campaign/start", "invalid_date")]),
    ("an end before the start", {"campaign": {"start": "2026-03-02", "end": "2026-03-01"}},
     [("/campaign/end", "empty_window")]),
    ("an empty window", {"weekly": [{"start": "09:00", "end": "09:00"}]}, [("/weekly/0/end", "empty_window")]),
    ("empty quiet hours", {"quiet_hours": {"start": "09:00", "end": "09:00"}}, [("/quiet_hours/end", "empty_window")]),
    ("hours that nobody can read", {"opening_hours": "Mo-Fx 09:00"}, [("/opening_hours", "invalid_opening_hours")]),
    ("exceptional hours backwards", {"exceptions": [{"date": "2026-12-24", "hours": "18:00-10:00"}]},
     [("/exceptions/0", "invalid_exception")]),
    ("a rule that does not parse", {"audience": "user.age >"}, [("/audience", "invalid_audience")]),
    ("a rule over nothing", {"audience": "usr.age > 3"}, [("/audience", "invalid_audience")]),
    ("a rule that is no answer", {"audience": "1 + 1"}, [("/audience", "invalid_audience")]),
    ("a text that is not Liquid", {"messages": {"en": {**MESSAGE, "title": "Hi {{ user.name"}}},
     [("/messages/en/title", "invalid_template")]),
    ("a text over nothing", {"messages": {"en": {**MESSAGE, "body": "Hi {{ usr.name }}"}}},
     [("/messages/en/body", "unknown_variable")]),
    ("a code without a pool", {"messages": {"en": {**MESSAGE, "body": "Show {{ offer.code }}"}}},
     [("/messages/en/body", "unknown_variable")]),
    ("a default language without a message", {"default_locale": "fi"}, [("/default_locale", "unknown_locale")]),
    ("a channel that is none", {"channels": ["pigeon"]}, [("/channels/0", "unknown_channel")]),
    ("a pack that is none", {"pack": "grocer"}, [("/pack", "unknown_pack")]),
    ("twins in an experiment", {"experiment": {"variants": [{"name": "a"}, {"name": "a"}]}},
     [("/experiment/variants/1/name", "duplicate")]),
    ("an experiment that nobody is in", {"experiment": {"variants": [{"name": "a", "weight": 0}]}},
     [("/experiment/variants", "no_weight")]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_fault_is_found_where_it_is(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Every fault of a document is listed, each with the JSON pointer of its member and a stable code."""
    assert faults(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"prority": 3}, "did you mean 'priority'?"),
        ({"trigger": {"type": "entre"}}, "did you mean 'enter'?"),
        ({"pack": "grocer"}, "did you mean 'grocery'?"),
        ({"audience": "user.age >\n  'x' &&\n  foo(3)"}, "line 3, column 6"),
        ({"messages": {"en": {"title": "Sale", "body": "One\n{{ user.name"}}}, "line 2, column 1"),
    ],
)
def test_a_fault_says_what_to_do(fields: dict[str, Any], hint: str) -> None:
    """The nearest known name is offered, and rules and texts are pointed at by line and column."""
    with pytest.raises(OfferErrors) as refused:
        parse_offer(document(**fields))
    assert hint in refused.value.errors[0]["detail"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"{}"])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    """Broken JSON, another JSON type, nothing at all: a fault, never another exception."""
    with pytest.raises(OfferErrors) as refused:
        parse_offer(raw)
    assert refused.value.errors


def test_a_document_comes_back_as_it_was_written() -> None:
    """Encoding leaves defaults out and loses nothing."""
    written = parse_offer(document(audience="has(user.vip)", weekly=[{"start": "22:00", "end": "02:00"}]))
    assert decode_offer(encode_offer(written)) == written
    assert parse_offer(json.loads(encode_offer(written))) == written


def test_attributes_that_the_brand_declares_are_type_checked() -> None:
    """Once the policy names attributes, an audience or a text that reads another is refused with the nearest."""
    policy = parse_policy({"attributes": {"age": "int", "vip": "bool"}})
    assert parse_offer(document(audience="has(user.age) && user.age > 17 && user.vip"), policy).audience
    for fields, hint in (
        ({"audience": "user.aeg > 17"}, "did you mean 'age'?"),
        ({"audience": "user.age == 'old'"}, "no matching overload"),
        ({"messages": {"en": {"title": "Sale", "body": "You are {{ user.aeg }}."}}}, "did you mean 'age'?"),
    ):
        with pytest.raises(OfferErrors) as refused:
            parse_offer(document(**fields), policy)
        assert hint in refused.value.errors[0]["detail"]


def test_the_schemas_name_every_field() -> None:
    """The published JSON Schema is made of the types that decode, so it cannot fall behind."""
    assert "quiet_hours" in offer_schema()["$defs"]["Offer"]["properties"]
    assert policy_schema()["$defs"]


def test_the_default_policy_is_the_one_of_the_specification() -> None:
    """Two pushes in 24 h, a gap of 2 h, quiet 21:00 to 09:00, user and offer 7 d, user and store 24 h."""
    policy = BrandPolicy()
    assert [(cap.scope, cap.max, cap.window_s) for cap in policy.caps] == [("user", 2, 86_400)]
    assert (policy.min_gap_s, policy.user_offer_s, policy.user_store_s) == (7200, 7 * 86_400, 86_400)
    assert (policy.quiet_hours.start, policy.quiet_hours.end) == ("21:00", "09:00")


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"quiet_hours": {"start": "09:00", "end": "09:00"}}, "/quiet_hours/end"),
        ({"attributes": {"first-name": "string"}}, "/attributes/first-name"),
        ({"caps": [{"scope": "user", "max": 0}]}, "/caps/0/max"),
        ({"holdout": 0.1}, "/holdout"),
    ],
)
def test_a_policy_is_as_strict_as_an_offer(document: dict[str, Any], pointer: str) -> None:
    """Its faults carry pointers too."""
    with pytest.raises(DocumentErrors) as refused:
        parse_policy(document)
    assert [fault["pointer"] for fault in refused.value.errors] == [pointer]
