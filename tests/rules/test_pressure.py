"""Cooldowns and caps: uniform limits over past pushes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.compiled import CompiledOffer
from rules.model import Limit, PastPush, PushKind
from rules.policy import parse_policy
from rules.pressure import refusal
from rules.schedule import zone_named
from tests.rules.shop import HELSINKI, NOON, at, offer

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def past(hours_ago: float, offer_id: str = "sale", store: str = "shop", brand: str = "") -> PastPush:
    return PastPush(NOON - round(hours_ago * HOUR_MS), f"p{hours_ago}", offer_id, store, brand)


def limits(policy: dict[str, Any] | None = None, **fields: Any) -> tuple[Limit, ...]:
    brand = parse_policy(policy or {})
    return CompiledOffer(offer(brand, **fields), brand).limits("shop", NOON, HELSINKI)


NO_COOLDOWNS = {"user_offer_s": 0, "user_store_s": 0, "min_gap_s": 0}
TABLE: list[tuple[str, dict[str, Any], list[PastPush], tuple[str, int | None] | None]] = [
    ("nothing before", {}, [], None),
    ("the gap is short by a minute", {}, [past(119 / 60, "a", "b")], ("min_gap", 60_000)),
    ("the gap is kept to the millisecond", {}, [past(2, "a", "b")], None),
    ("the same store yesterday", {}, [past(23, "a")], ("user_store", HOUR_MS)),
    ("the same offer six days ago", {}, [past(6 * 24, store="b")], ("user_offer", DAY_MS)),
    ("the same offer a week ago", {}, [past(7 * 24, store="b")], None),
    ("two others today", {}, [past(20, "a", "b"), past(5, "c", "d")], ("user_cap", 4 * HOUR_MS)),
    ("one of two leaves the window", {}, [past(24, "a", "b"), past(5, "c", "d")], None),
    ("an offer without cooldowns", {"cooldowns": NO_COOLDOWNS}, [past(1)], None),
    (
        "its own cap on top of the brand's",
        {"cooldowns": NO_COOLDOWNS, "caps": [{"scope": "store", "max": 1, "window_s": 7200}]},
        [past(1)],
        ("store_cap", HOUR_MS),
    ),
    (
        "a brand cap",
        {"brand": "x", "cooldowns": NO_COOLDOWNS, "caps": [{"scope": "brand", "max": 1}]},
        [past(1, brand="x")],
        ("brand_cap", 23 * HOUR_MS),
    ),
    (
        "another brand's push",
        {"brand": "x", "cooldowns": NO_COOLDOWNS, "caps": [{"scope": "brand", "max": 1}]},
        [past(1, brand="y")],
        None,
    ),
    (
        "a brand cooldown",
        {"brand": "x", "cooldowns": {**NO_COOLDOWNS, "user_brand_s": 7200}},
        [past(1, brand="x")],
        ("user_brand", HOUR_MS),
    ),
    (
        "once a calendar day, and today it was",
        {"cooldowns": NO_COOLDOWNS, "caps": [{"scope": "user", "max": 1, "per": "calendar_day"}]},
        [past(12, "a", "b")],
        ("user_day_cap", None),
    ),
    (
        "once a calendar day, and it was before midnight",
        {"cooldowns": NO_COOLDOWNS, "caps": [{"scope": "user", "max": 1, "per": "calendar_day"}]},
        [past(12.1, "a", "b")],
        None,
    ),
    ("a transactional offer", {"transactional": True}, [past(0.1), past(0.2)], None),
    (
        "a transactional offer with a cooldown of its own",
        {"transactional": True, "cooldowns": {"user_offer_s": 7200}},
        [past(1)],
        ("user_offer", HOUR_MS),
    ),
]


@pytest.mark.parametrize(("fields", "history", "expected"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE])
def test_a_limit_refuses_and_says_when_it_would_not(
    fields: dict[str, Any], history: list[PastPush], expected: tuple[str, int | None] | None
) -> None:
    """The first limit that past pushes exhaust, and after how many milliseconds it is free."""
    found = refusal(limits(**fields), sorted(history, key=lambda p: p.at_ms))
    if expected is None:
        assert found is None
    else:
        assert found is not None
        limit, free_at_ms = found
        assert (limit.name, None if free_at_ms is None else free_at_ms - NOON) == expected


def test_a_calendar_day_is_the_users_even_when_clocks_change() -> None:
    """On the day of 25 hours the day's limit counts from its own midnight."""
    brand = parse_policy({"caps": [{"scope": "user", "max": 1, "per": "calendar_day"}]})
    compiled = CompiledOffer(offer(brand, cooldowns=NO_COOLDOWNS), brand)
    evening = at("2026-10-25 23:30")
    (limit,) = compiled.limits("shop", evening, HELSINKI)
    assert limit.since_ms + 1 == at("2026-10-25 00:00") == evening - round(24.5 * HOUR_MS)
    (limit,) = compiled.limits("shop", evening, zone_named("America/New_York"))
    assert limit.since_ms + 1 == at("2026-10-25 00:00", zone_named("America/New_York"))


@pytest.mark.parametrize("field", ["any", "offer", "store", "brand"])
@pytest.mark.parametrize("kind", PushKind)
@pytest.mark.parametrize("before", PushKind)
def test_what_a_push_counts_towards(before: PushKind, kind: PushKind, field: Any) -> None:
    """A push towards all; a transactional one towards its own offer; a ghost towards ghosts."""
    earlier = PastPush(NOON - 1, "p", "o", "g", "b", before)
    limit = Limit("cap", field, {"any": "", "offer": "o", "store": "g", "brand": "b"}[field], NOON - 2, 1)
    counts = {
        PushKind.PUSH: True,
        PushKind.TRANSACTIONAL: field == "offer",
        PushKind.GHOST: kind is PushKind.GHOST,
    }
    assert (refusal([limit], [earlier], kind) is not None) is counts[before]


@given(
    times=st.lists(st.integers(0, 500), max_size=60).map(sorted),
    most=st.integers(1, 4),
    window=st.integers(1, 100),
)
def test_a_rolling_cap_never_exceeds_its_limit_in_any_window(times: list[int], most: int, window: int) -> None:
    """Whatever is asked for and when, every window (t - w, t] holds at most the cap, and none is refused too long."""
    sent: list[PastPush] = []
    for now in times:
        limit = Limit("cap", "any", "", now - window, most, window)
        refused = refusal([limit], sent)
        if refused is None:
            sent.append(PastPush(now, "p", "o", "g"))
        else:
            free_at = refused[1]
            assert free_at is not None
            assert now < free_at <= now + window
            assert refusal([Limit("cap", "any", "", free_at - window, most, window)], sent) is None
            assert refusal([Limit("cap", "any", "", free_at - 1 - window, most, window)], sent) is not None
    for last in sent:
        assert sum(last.at_ms - window < p.at_ms <= last.at_ms for p in sent) <= most
