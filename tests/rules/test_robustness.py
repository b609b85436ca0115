"""Whatever a profile holds and whatever an author writes, a decision is an answer and never an exception."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.audience import AudienceFault, Facts, audience
from rules.clauses import clauses
from rules.model import PastPush
from rules.offers import OfferErrors, parse_offer
from rules.strict import Fault
from rules.template import TemplateFault, template
from tests.rules.shop import NOON, decide, document, offer, shopper

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
profiles = st.dictionaries(st.sampled_from(["age", "name", "born", "tags", "x y", ""]), json_values, max_size=5)
AUDIENCE = "user.age > 18 || user.name.startsWith('A') || user.tags.exists(t, t == 'x') || date(user.born) < now"


@settings(max_examples=200, deadline=None)
@given(profiles, profiles, profiles, st.booleans())
def test_any_profile_is_decided(attributes: Any, events: Any, visits: Any, explain: bool) -> None:
    """Numbers beyond 64 bits, nested lists, nulls, odd names, records that are none: false, with a reason."""
    asked = offer(
        audience=AUDIENCE + " || size(events) > 99",
        messages={
            "en": {"title": "{{ user.name | default: 'Hi' }}", "body": "{{ user.tags }}{{ user.age | plus: 1 }}"}
        },
    )
    who = shopper(attributes=attributes, events=events, visits=visits, time_zone="Nowhere/Land")
    decision = decide(asked, who=who, explain=explain)
    assert len(decision.candidates) == 1


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.text(alphabet="user.age>=18&|()!?:'\"[]{} +-*/%,events", max_size=40),
        st.from_regex(r"(user\.age (>|<|==) [0-9]+( && | \|\| )?){1,3}", fullmatch=True),
    )
)
def test_any_text_is_an_audience_or_a_fault(source: str) -> None:
    """Compiling points at a fault or gives a rule that answers and can be taken apart."""
    facts = Facts({"user": {"age": 3}})
    problems: list[tuple[int, int, str]] = []
    try:
        assert audience(source, {}).answer(facts).passed in (True, False)
        assert clauses(source, (), facts)
    except AudienceFault as fault:
        problems = fault.problems
    assert all(line >= 1 and column >= 0 and what for line, column, what in problems)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text(alphabet="{}%| user.nameifforend'\"", max_size=40)))
def test_any_text_is_a_template_or_a_fault(source: str) -> None:
    """Compiling and rendering give a text or say why not."""
    try:
        text = template(source).render({"user": {"name": "Ann"}})
        template(source).variables()
    except TemplateFault as fault:
        text = f"why not: {fault}"
    assert isinstance(text, str)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(document(weekly=[], audience="", campaign={}, experiment={}))), json_values)
)
def test_any_document_is_an_offer_or_a_list_of_faults(fields: dict[str, Any]) -> None:
    """Every fault carries a pointer, a code and a sentence."""
    faults: list[Fault] = []
    try:
        parse_offer(document(**fields))
    except OfferErrors as refused:
        faults = refused.errors
        assert faults != []
    for fault in faults:
        assert fault["pointer"] == "" or fault["pointer"].startswith("/")
        assert fault["code"]
        assert fault["detail"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 40 * 24), max_size=8), st.integers(0, 3))
def test_no_decision_breaks_a_limit(hours_ago: list[int], priority: int) -> None:
    """A candidate that is ranked is one that its own limits allow."""
    history = tuple(
        PastPush(NOON - hours * 3_600_000, f"p{hours}", "a", "elsewhere") for hours in sorted(hours_ago)[::-1]
    )
    decision = decide(offer(id="a", priority=priority), offer(id="b"), who=shopper(history=history))
    for candidate in decision.ranked:
        for limit in candidate.limits:
            same = [
                p for p in history if limit.field == "any" or (limit.field == "offer" and p.offer_id == limit.value)
            ]
            assert sum(p.at_ms > limit.since_ms for p in same) < limit.max_pushes
