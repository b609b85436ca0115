"""Audiences: what CEL answers, why it does not, and how an answer is taken apart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rules.audience import AudienceFault, Facts, audience, days_until_anniversary
from rules.clauses import clauses
from rules.model import Gate
from tests.rules.shop import NOON, decide, offer, only, shopper

VALUES: dict[str, Any] = {
    "user": {"age": 34, "vip": True, "city": "Helsinki", "born": "1992-02-29", "many": list(range(20_000))},
    "user.locale": "fi",
    "user.platforms": ["apns"],
    "events": {"purchase": {"count": 2, "age_days": 31.5, "last": {"product": "shoes"}}},
    "store": {"name": "Kirjakauppa"},
    "store.tags": ["books"],
    "visit.number": 3,
    "now": datetime(2026, 11, 25, 10, tzinfo=UTC),
    "today": "2026-11-25",
    "local.hour": 12,
    "local.weekday": "wed",
}


@pytest.mark.parametrize(
    ("source", "passed", "reason"),
    [
        ("user.age >= 18 && user.vip", True, ""),
        ("user.age >= 35", False, ""),
        ("user.city in ['Helsinki', 'Espoo']", True, ""),
        ("has(user.vip) && !has(user.card)", True, ""),
        ("user.card == 'gold'", False, "card is missing"),
        ("user.card == 'gold' || user.vip", True, ""),
        ("user['card'] == 'gold'", False, "card is missing"),
        ("has(user.locale) || user.locale == 'fi'", True, ""),
        ("events['purchase'].age_days > 30.0", True, ""),
        ("events.purchase.last.product == 'shoes'", True, ""),
        ("events['viewed:shoes'].count > 0", False, "viewed:shoes is missing"),
        ("!('viewed:shoes' in events)", True, ""),
        ("visit.number == 3 && 'books' in store.tags", True, ""),
        ("offer.left < 5", False, "offer.left is missing"),
        ("local.weekday == 'wed' && local.hour < 13", True, ""),
        ("now - date('2026-11-20') > days(5)", True, ""),
        ("now > timestamp('2026-11-25T00:00:00Z')", True, ""),
        ("days_until_anniversary(user.born, today) > 90", True, ""),
        ("date(user.city) < now", False, "Invalid isoformat string: 'Helsinki'"),
        ("user.city > 3", False, "No matching overloads found : _>_(string, int64)"),
        ("user.vip == 'yes'", False, ""),
        ("user.city", False, ""),
        ("user.city.matches('^(H+)+$')", False, ""),
        ("user.many.exists(n, n < 0)", False, "takes too many steps"),
    ],
)
def test_an_audience_answers_or_says_why_not(source: str, passed: bool, reason: str) -> None:
    """A missing attribute, a wrong type or a costly loop makes the rule false, with the reason; nothing is raised."""
    answer = audience(source, {}).answer(Facts(VALUES))
    assert (answer.passed, answer.reason) == (passed, reason)


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("user.age >", 1, 11),
        ("usr.age > 3", 1, 4),
        ("user.locale == 3", 1, 13),
        ("user.age > 3 &&\n  nobody(user.age)", 2, 9),
        ("has(user.a) && has(user.b) && foo", 1, 31),
        ("user.age + 1", 1, 1),
        ("user.a.exists(x,\n user.b.all(y, x == y))", 2, 9),
        ("user.a.map(x, [x].filter(y, y > 1)).size() > 1", 1, 19),
        ("size(user.name) > 1 &&", 1, 23),
    ],
)
def test_what_does_not_compile_is_pointed_at(source: str, line: int, column: int) -> None:
    """Line and column are those of the source as written."""
    with pytest.raises(AudienceFault) as refused:
        audience(source, {})
    assert refused.value.problems[0][:2] == (line, column)


@pytest.mark.parametrize(
    "source",
    [
        "user.a.exists(x, x > 1) && user.b.all(y, y > 1)",
        "user.a.filter(x, x > 1).exists(y, y < 9)",
        "(user.a.exists(x, (x + 1) > 1) || [1].exists(z, z == 1)) && user.b.all(y, y > 1)",
        "user.a.exists(x, x == '.map(')",
    ],
)
def test_loops_may_follow_each_other(source: str) -> None:
    """Only a loop in another's arguments is refused."""
    assert audience(source, {}).source == source


def test_clauses_show_each_value_and_what_was_compared() -> None:
    """A verdict shows every clause of the rule, its value, and the values on both sides of its comparison."""
    source = "user.age >= 40 && (user.city == 'Espoo' || has(user.vip)) && events['x'].count > 1"
    shown = clauses(source, (), Facts(VALUES))
    assert [(c.source, c.value, c.reason) for c in shown] == [
        ("user.age >= 40", False, ""),
        ("user.city == 'Espoo'", False, ""),
        ("has(user.vip)", True, ""),
        ("events['x'].count > 1", None, "x is missing"),
    ]
    assert shown[0].operands == {"user.age": 34}


@pytest.mark.parametrize(
    "source",
    [
        "user.city == 'a && b' && user.vip",
        'user.city == "a || (b"',
        "(user.vip) ? user.age > 3 : user.age < 3 && user.vip",
        "[1, 2].exists(n, n == 1 && n < 2)",
        "((user.vip && (user.age > 3)))",
        "user.city == r'\\d' || user.city == '''it's'''",
        "true // && false",
    ],
)
def test_a_source_is_only_cut_at_its_own_operators(source: str) -> None:
    """Operators in strings, brackets, ternaries and comments are not taken for the rule's own."""
    shown = clauses(source, (), Facts(VALUES))
    assert all(clause.reason or clause.value is not None for clause in shown)


@pytest.mark.parametrize(
    ("born", "today", "days"),
    [
        ("1992-11-25", "2026-11-25", 0),
        ("1992-11-26", "2026-11-25", 1),
        ("1992-11-24", "2026-11-25", 364),
        ("11-28", "2026-11-25", 3),
        ("1992-02-29", "2027-02-28", 0),
        ("1992-02-29", "2028-02-28", 1),
        ("1992-02-29", "2028-02-29", 0),
        ("1992-01-01", "2026-12-31", 1),
    ],
)
def test_an_anniversary_comes_every_year(born: str, today: str, days: int) -> None:
    """29 February is kept on the 28th in common years, and the year's end is no wall."""
    assert days_until_anniversary(born, today) == days


def test_an_explained_audience_is_shown_in_clauses() -> None:
    """The verdict's actual lists the clauses with their values; what it required is the rule as written."""
    rule = "user.age >= 18 && user.city == 'Espoo'"
    who = shopper(attributes={"age": 34, "city": "Helsinki"})
    candidate = only(decide(offer(audience=rule), who=who, explain=True))
    verdict = next(v for v in candidate.verdicts if v.gate is Gate.AUDIENCE)
    assert verdict.actual == [
        {"clause": "user.age >= 18", "value": True, "user.age": 34},
        {"clause": "user.city == 'Espoo'", "value": False, "user.city": "Helsinki"},
    ]
    assert verdict.required == rule


def test_an_audience_sees_the_behaviour_that_it_names() -> None:
    """Counts in sliding windows, ages and the last event's properties, worked out for the instant of the decision."""
    day = NOON // 86_400_000
    seen = {
        "count": 5, "value": 90.0, "first_at_ms": NOON - 40 * 86_400_000, "last_at_ms": NOON - 2 * 86_400_000,
        "days": [[day - 40, 3, 60.0], [day - 2, 2, 30.0]], "last": {"product": "boots"},
    }  # fmt: skip
    who = shopper(events={"viewed:shoes": seen, "purchase": seen})
    for rule, passed in (
        ("events['viewed:shoes'].count_7d == 2 && events['viewed:shoes'].count == 5", True),
        ("events['viewed:shoes'].value_90d == 90.0 && events['viewed:shoes'].value_30d == 30.0", True),
        ("events['viewed:shoes'].age_days == 2.0 && events['viewed:shoes'].last.product == 'boots'", True),
        ("events.exists(name, name.startsWith('pur'))", True),
        ("size(events) == 2", True),
        ("events['viewed:shoes'].count_1d > 0", False),
    ):
        assert bool(decide(offer(audience=rule), who=who).ranked) is passed, rule
