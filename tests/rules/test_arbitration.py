"""One push per user and evaluation: who is first, who is next, and what waits for later."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.model import Circle, Geofence, LatLng
from rules.arbitration import MAX_RANKED
from rules.evaluate import evaluate
from rules.gates import GATES
from rules.model import Consent, Gate, PastPush, Shopper
from rules.offers import Offer
from rules.rulebook import Rulebook
from rules.situation import NO_COUNTERS, Occasion, Situation
from tests.rules.shop import DOOR, NOON, at, decide, fix, geofence, offer, only, shopper, transition

HOUR_MS = 3_600_000


def ranking(*offers: Offer, **situation: Any) -> list[str]:
    return [candidate.offer_id for candidate in decide(*offers, **situation).ranked]


def test_priority_comes_before_value_and_age_breaks_ties() -> None:
    """Priority, then value, then the oldest offer, then the id, so that there is always one order."""
    assert ranking(offer(id="old", created_at_ms=1), offer(id="new", created_at_ms=2), offer(id="dear", value=2)) == [
        "dear",
        "old",
        "new",
    ]
    assert ranking(offer(id="dear", value=1000), offer(id="first", priority=1)) == ["first", "dear"]
    assert ranking(offer(id="b"), offer(id="a")) == ["a", "b"]


def test_a_nearer_store_makes_an_offer_worth_more() -> None:
    """Value fades with distance: at 150 m an offer is worth 1/e of the same at the door."""
    near = geofence("near")
    far = Geofence("far", Circle(LatLng(DOOR.lat + 0.002, DOOR.lng), 300.0))
    rulebook = Rulebook.build(
        [offer(id="n", targets={"geofences": ["near"]}), offer(id="f", targets={"geofences": ["far"]}, value=4)],
        {"near": near, "far": far},
    )
    happened = [transition(geofence_id=name) for name in ("near", "far")]
    assert [c.offer_id for c in evaluate(rulebook, happened, shopper(), NOON, fix()).ranked] == ["n", "f"]
    assert [c.offer_id for c in evaluate(rulebook, happened, shopper(), NOON, None).ranked] == ["f", "n"]


def test_the_runner_up_is_named_with_who_outranked_it() -> None:
    """Losers keep their place for the claim to try, and say who was ahead."""
    decision = decide(*(offer(id=f"o{n}", priority=-n) for n in range(5)))
    assert [c.offer_id for c in decision.ranked] == ["o0", "o1", "o2"]
    assert len(decision.ranked) == MAX_RANKED
    verdicts = {c.offer_id: c.verdicts[-1] for c in decision.candidates}
    assert verdicts["o0"].passed
    for loser in ("o1", "o2", "o3", "o4"):
        assert (verdicts[loser].gate, verdicts[loser].rule, verdicts[loser].actual) == (
            Gate.ARBITRATION,
            "outranked_by",
            "o0",
        )


def test_what_the_past_forbids_leaves_its_place_to_the_next() -> None:
    """An offer in its cooldown does not outrank anybody."""
    who = shopper(history=(PastPush(NOON - 48 * HOUR_MS, "p", "best", "elsewhere"),))
    decision = decide(offer(id="best", priority=9), offer(id="next"), who=who)
    assert [c.offer_id for c in decision.ranked] == ["next"]
    assert decision.candidates[0].refused_by is Gate.CLAIM


def test_what_cannot_be_rendered_leaves_its_place_to_the_next() -> None:
    """A missing variable refuses the winner, and the second is first."""
    broken = offer(id="best", priority=9, messages={"en": {"title": "{{ user.name }}", "body": "Come in."}})
    decision = decide(broken, offer(id="next"))
    assert [c.offer_id for c in decision.ranked] == ["next"]
    assert decision.ranked[0].refused_by is None


def test_transactional_offers_do_not_compete() -> None:
    """An order that is ready is told beside the offer that wins, at night and whatever was pushed before."""
    ready = offer(id="ready", transactional=True, purpose="service")
    night = at("2026-11-25 23:00")
    pushed = shopper(history=(PastPush(night - 1000, "p", "x", "y"), PastPush(night - 2000, "q", "z", "y")))
    decision = decide(ready, offer(id="sale"), at_ms=night, who=pushed)
    assert [c.offer_id for c in decision.ranked] == ["ready"]
    assert decision.ranked[0].limits == ()
    by_day = decide(ready, offer(id="a"), offer(id="b"))
    assert [[c.offer_id for c in contest] for contest in by_day.contests] == [["ready"], ["a", "b"]]
    assert [c.verdicts[-1].passed for c in by_day.ranked] == [True, True, False]


def test_quiet_hours_may_defer_to_their_end() -> None:
    """With defer_if_still_inside the offer is decided again at nine, if the shopper is still there."""
    sleepy = offer(quiet_hours={"start": "21:00", "end": "09:00", "action": "defer_if_still_inside"})
    night = at("2026-11-25 22:30")
    decision = decide(sleepy, at_ms=night)
    assert decision.ranked == ()
    (later,) = decision.deferred
    assert (later.offer_id, later.due_ms, later.still_inside, later.reason) == (
        "sale",
        at("2026-11-26 09:00"),
        True,
        "quiet_hours",
    )
    again = decide(sleepy, at_ms=later.due_ms, what=later.transition, timer=True, only=later.offer_id)
    assert [c.offer_id for c in again.ranked] == ["sale"]


def test_an_exit_may_wait_before_it_asks() -> None:
    """A review request two hours after the visit: deferred, then decided without asking where the shopper is."""
    review = offer(trigger={"type": "exit", "delay_s": 7200})
    left = transition("exit")
    decision = decide(review, what=left)
    (later,) = decision.deferred
    assert (later.due_ms - NOON, later.still_inside, later.reason) == (2 * HOUR_MS, False, "delay")
    assert only(decision).verdicts[-1].would_pass == "in 2 h"
    early = decide(review, what=left, at_ms=later.due_ms - 1, timer=True)
    assert early.deferred == (later,)
    assert decide(review, what=left, at_ms=later.due_ms, timer=True).ranked


def test_only_restricts_a_decision_to_one_offer() -> None:
    """What was deferred is decided alone: the others had their turn."""
    assert ranking(offer(id="a"), offer(id="b"), only="b") == ["b"]


def test_the_latest_of_several_transitions_counts() -> None:
    """Left and entered again within one batch: one candidate, for the visit that runs."""
    rulebook = Rulebook.build([offer()], {"shop": geofence()})
    happened = [transition(visit_id="v1", at_ms=NOON - 9000), transition(visit_id="v2")]
    (candidate,) = evaluate(rulebook, happened, shopper(), NOON, fix()).candidates
    assert candidate.transition.visit_id == "v2"


def test_a_push_expires_with_its_campaign() -> None:
    """Time to live, but not beyond the campaign's end."""
    assert only(decide(offer())).expires_at_ms == NOON + HOUR_MS
    ending = offer(campaign={"end": "2026-11-25T12:10"})
    assert only(decide(ending)).expires_at_ms == NOON + 600_000


def test_a_push_expires_when_the_store_closes_or_the_offers_window_ends() -> None:
    """Nobody is called to a closed door."""
    assert only(decide(offer(opening_hours="Mo-Su 10:00-12:20"))).expires_at_ms == NOON + 20 * 60_000
    assert only(decide(offer(opening_hours="24/7"))).expires_at_ms == NOON + HOUR_MS
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    lunch = offer(weekly=[{"days": days, "start": "11:00", "end": "12:30"}])
    assert only(decide(lunch)).expires_at_ms == NOON + 30 * 60_000


def test_a_store_that_is_gone_decides_nothing() -> None:
    """A geofence deleted between the ping and the decision."""
    assert evaluate(Rulebook.build([offer()], {}), [transition()], shopper(), NOON, fix()).candidates == ()


SITUATIONS = st.fixed_dictionaries(
    {
        "consent": st.builds(Consent, st.booleans(), st.booleans(), st.booleans()),
        "accuracy_m": st.sampled_from([5.0, 500.0]),
        "hour": st.sampled_from([3, 12, 23]),
        "age": st.sampled_from([None, 10, 40]),
        "rollout": st.sampled_from([0, 100]),
        "weekly": st.sampled_from([[], [{"start": "11:00", "end": "13:00"}]]),
        "status": st.sampled_from(["active", "paused"]),
    }
)


@settings(max_examples=200, deadline=None)
@given(SITUATIONS, st.permutations(GATES))
def test_gate_order_never_changes_the_set_of_recorded_refusals(situation: dict[str, Any], order: list[Any]) -> None:
    """Pure gates know nothing of each other and refuse the same in any order; the hot path stops at the first."""
    moment = at(f"2026-11-25 {situation['hour']:02}:00")
    asked = offer(
        audience="user.age > 18",
        rollout_percent=situation["rollout"],
        weekly=situation["weekly"],
        status=situation["status"],
    )
    attributes = {} if situation["age"] is None else {"age": situation["age"]}
    who: Shopper = shopper(consent=situation["consent"], attributes=attributes)
    what = transition(at_ms=moment, accuracy_m=situation["accuracy_m"])
    explained = only(decide(asked, at_ms=moment, who=who, what=what, explain=True))
    refused = {v.gate for v in explained.verdicts if not v.passed and v.gate in list(Gate)[: len(GATES)]}
    occasion, compiled = _occasion(asked, moment, who, what)
    assert {gate(occasion, compiled).gate for gate in order if not gate(occasion, compiled).passed} == refused
    hot = decide(asked, at_ms=moment, who=who, what=what).candidates
    if hot:
        assert hot[0].refused_by == explained.refused_by
    else:
        assert situation["status"] == "paused"


def _occasion(asked: Offer, moment: int, who: Shopper, what: Any) -> tuple[Any, Any]:
    rulebook = Rulebook.build([asked], {"shop": geofence()})
    store = rulebook.store("shop")
    assert store is not None
    (compiled,) = rulebook.wakes(what, sleeping=True)
    return Occasion(Situation(rulebook.policy, who, moment, fix(moment), NO_COUNTERS), what, store), compiled


@pytest.mark.parametrize("kind", ["enter", "exit", "pass_by"])
def test_a_candidate_names_what_happened(kind: str) -> None:
    """Offer, version, geofence and the transition itself travel with the candidate."""
    candidate = only(decide(offer(trigger={"type": kind}, version=3, brand="x"), what=transition(kind)))
    assert (candidate.offer_version, candidate.geofence_id, candidate.brand) == (3, "shop", "x")
    assert candidate.transition.kind == kind
