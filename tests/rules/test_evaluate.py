"""What each gate lets through, one situation a row."""

from __future__ import annotations

from typing import Any

import pytest

from rules.model import Consent, Gate, PastPush
from tests.rules.shop import DOOR, NOON, at, decide, fix, geofence, offer, only, refusing, shopper, transition

HOUR_MS = 3_600_000


def test_a_consenting_shopper_who_enters_gets_the_offer() -> None:
    """One offer, nothing against it: it is ranked first, with its message, its limits and its expiry."""
    candidate = only(decide(offer()))
    assert candidate.refused_by is None
    assert candidate.rank == 0
    assert candidate.message is not None
    assert candidate.message.title == "Sale"
    assert [limit.name for limit in candidate.limits] == ["user_offer", "user_store", "min_gap", "user_cap"]
    assert candidate.expires_at_ms == NOON + HOUR_MS


REFUSALS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
    (
        "no location consent",
        {},
        {"who": shopper(consent=Consent(False, True))},
        ("consent", "location", "with location consent"),
    ),
    ("no push consent", {}, {"who": shopper(consent=Consent(True, False))}, ("consent", "push", "with push consent")),
    (
        "an audience without profiling consent",
        {"audience": "user.locale == 'en'"},
        {"who": shopper(consent=Consent(True, True))},
        ("consent", "profiling", "with profiling consent"),
    ),
    (
        "numbered visits without profiling consent, which nobody counts",
        {"trigger": {"type": "enter", "first_visit": True}},
        {"who": shopper(consent=Consent(True, True))},
        ("consent", "profiling", "with profiling consent"),
    ),
    ("an erased user", {}, {"who": shopper(erased=True)}, ("consent", "erased", "")),
    ("a mocked fix", {}, {"seen": fix(mock=True)}, ("fix_quality", "mock", "with a real fix")),
    (
        "a coarse fix",
        {},
        {"what": transition(accuracy_m=109.0)},
        ("fix_quality", "accuracy_m", "34 m more accurate"),
    ),
    ("a late fix", {}, {"what": transition(at_ms=NOON - 420_000)}, ("fix_quality", "age_s", "2 min fresher")),
    (
        "an improbable visit",
        {"trigger": {"type": "visit"}},
        {"what": transition("visit", probability=0.5)},
        ("trigger", "min_probability", "0.10 surer"),
    ),
    (
        "the second of three visits",
        {"trigger": {"type": "enter", "nth_visit": 3, "within_days": 14}},
        {"who": shopper(visits={"shop": {"count": 1, "recent_at_ms": [NOON - 24 * HOUR_MS]}})},
        ("trigger", "nth_visit", "after 1 more visit"),
    ),
    (
        "not the first visit",
        {"trigger": {"type": "enter", "first_visit": True}},
        {"who": shopper(visits={"other": {"count": 1, "recent_at_ms": [NOON - 24 * HOUR_MS]}})},
        ("trigger", "first_visit", ""),
    ),
    ("before the campaign", {"campaign": {"start": "2026-11-26"}}, {}, ("active", "campaign_start", "after Thu 00:00")),
    ("after the campaign", {"campaign": {"end": "2026-11-24"}}, {}, ("active", "campaign_end", "")),
    (
        "outside the happy hour",
        {"weekly": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "16:00", "end": "18:00"}]},
        {},
        ("active", "weekly", "after 16:00"),
    ),
    (
        "the store is closed",
        {},
        {"where": geofence(opening_hours="Mo-Fr 13:00-18:00")},
        ("active", "opening_hours", "after 13:00"),
    ),
    (
        "the store keeps an exception",
        {},
        {"where": geofence(opening_hours="24/7", exceptions=[{"date": "2026-11-25", "hours": "closed"}])},
        ("active", "store_exception", ""),
    ),
    (
        "the offer's exception wins over the store's",
        {"exceptions": [{"date": "2026-11-25", "hours": "closed"}]},
        {"where": geofence(exceptions=[{"date": "2026-11-25", "hours": "10:00-14:00"}])},
        ("active", "offer_exception", ""),
    ),
    ("at night", {}, {"at_ms": at("2026-11-25 22:30")}, ("quiet_hours", "drop", "after Thu 09:00")),
    ("an attribute that is missing", {"audience": "user.vip"}, {}, ("audience", "cel", "")),
    ("the roll-out has not reached them", {"rollout_percent": 0}, {}, ("experiment", "rollout", "")),
    (
        "a variable that is missing",
        {"messages": {"en": {"title": "Hello {{ user.first_name }}", "body": "Come in."}}},
        {},
        ("render", "template", ""),
    ),
    (
        "a property of the store that is null",
        {"messages": {"en": {"title": "Hello from {{ store.brand }}", "body": "Come in."}}},
        {"where": geofence(brand=None)},
        ("render", "template", ""),
    ),
    (
        "the same offer three hours ago",
        {},
        {"who": shopper(history=(PastPush(NOON - 3 * HOUR_MS, "p", "sale", "other"),))},
        ("claim", "user_offer", "in 7 d"),
    ),
    (
        "another push an hour ago",
        {},
        {"who": shopper(history=(PastPush(NOON - HOUR_MS, "p", "else", "other"),))},
        ("claim", "min_gap", "in 1 h"),
    ),
]


@pytest.mark.parametrize(("fields", "situation", "expected"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_a_refusal_names_its_gate_its_rule_and_what_would_pass(
    fields: dict[str, Any], situation: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """The first failing gate decides, and says what would have passed where that can be computed."""
    candidate = only(decide(offer(**fields), **situation))
    assert refusing(candidate) == expected
    assert candidate.rank is None


def test_quiet_hours_hold_to_the_minute_for_each_zone_and_each_offer() -> None:
    """What is remembered of a minute is of one zone and one set of quiet hours."""

    def refused(clock: str, lng: float = DOOR.lng, **fields: Any) -> str:
        moment = at(f"2026-11-25 {clock}")
        return refusing(only(decide(offer(**fields), at_ms=moment, seen=fix(moment, lng=lng))))[0]

    night, stockholm = {"quiet_hours": {"start": "22:00", "end": "09:00"}}, 18.07
    for _ in range(2):
        assert [refused(clock) for clock in ("20:59:59", "21:00", "21:59:59", "22:00")] == ["", *["quiet_hours"] * 3]
        assert [refused(clock, **night) for clock in ("21:00", "21:59:59", "22:00")] == ["", "", "quiet_hours"]
        assert [refused(clock, stockholm) for clock in ("21:59:59", "22:00")] == ["", "quiet_hours"]


@pytest.mark.parametrize(("fields", "situation", "expected"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_explaining_finds_the_same_first_refusal(
    fields: dict[str, Any], situation: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """With explain every pure gate answers, and the first refusal is the one of the hot path."""
    candidate = only(decide(offer(**fields), **situation, explain=True))
    assert refusing(candidate) == expected
    assert [v.gate for v in candidate.verdicts][:8] == list(Gate)[:8]


ALMOST: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
    (
        "a dwell too short",
        {"trigger": {"type": "dwell", "dwell_s": 300}},
        {"what": transition("dwell", dwell_s=60)},
        ("trigger", "dwell_s", "stays 4 min longer"),
    ),
    (
        "too far to be near",
        {"trigger": {"type": "nearby", "nearby_m": 100}},
        {"what": transition("nearby", distance_m=134.0)},
        ("trigger", "nearby_m", "34 m closer"),
    ),
    ("a draft", {"status": "draft"}, {}, ("active", "status", "once active")),
]


@pytest.mark.parametrize(("fields", "situation", "expected"), [r[1:] for r in ALMOST], ids=[r[0] for r in ALMOST])
def test_what_was_almost_reached_is_only_explained(
    fields: dict[str, Any], situation: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """Offers that sleep, and thresholds not reached yet, cost the hot path nothing; an explanation shows them."""
    assert decide(offer(**fields), **situation).candidates == ()
    assert refusing(only(decide(offer(**fields), **situation, explain=True))) == expected


def test_a_nearer_distance_does_not_wake_the_offer_of_a_farther_one_again() -> None:
    """Each distance of a nearby has its own transition, once until the user was well away."""
    far = offer(trigger={"type": "nearby", "nearby_m": 500})
    near = transition("nearby", distance_m=180.0, nearby_m=200)
    assert decide(far, what=near, explain=True).candidates == decide(far, what=near).candidates == ()
    assert decide(far, what=transition("nearby", distance_m=180.0, nearby_m=500)).ranked


def test_a_longer_dwell_does_not_wake_the_offer_of_a_shorter_one_again() -> None:
    """Each dwell threshold has its own transition, once per visit."""
    short = offer(trigger={"type": "dwell", "dwell_s": 60})
    assert decide(short, what=transition("dwell", dwell_s=300), explain=True).candidates == ()
    assert decide(short, what=transition("dwell", dwell_s=60)).ranked
