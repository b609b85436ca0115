"""The worked examples of docs/examples: each offer is accepted, lint-free, and does what its cases say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from geofences.model import Ping, Transition, TransitionKind
from rules.behaviour import DAY_MS, EventRecord, VisitRecord, visited, with_event
from rules.evaluate import evaluate
from rules.lint import lint
from rules.model import Consent, Decision, PastPush, Shopper
from rules.offers import parse_offer
from rules.policy import DEFAULT_POLICY
from rules.rulebook import Rulebook
from tests.rules.shop import at, fix, geofence

FOLDER = Path(__file__).parents[2] / "docs" / "examples"


class Happening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What woke the offer; ``at`` when it was not the moment of the case, ``by_timer`` when no ping asks."""

    kind: TransitionKind = TransitionKind.ENTER
    at: str = ""
    by_timer: bool = False
    distance_m: float | None = None
    nearby_m: int | None = None
    dwell_s: int | None = None


class PastEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A behaviour event before the case."""

    name: str
    days_ago: float
    value: float = 0.0
    properties: dict[str, Any] = {}


class Past(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A push before the case."""

    offer_id: str
    geofence_id: str
    days_ago: float
    brand: str = ""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A situation (``at`` on the clock in Helsinki) and what comes of it."""

    case: str
    at: str
    happens: Happening = Happening()
    store: dict[str, Any] = {}
    user_id: str = "ann"
    user: dict[str, Any] = {}
    locale: str = "en"
    consent: dict[str, bool] = {}
    events: tuple[PastEvent, ...] = ()
    visits: dict[str, tuple[float, ...]] = {}
    pushes: tuple[Past, ...] = ()
    counters: dict[str, int] = {}
    explained: bool = False
    sends: dict[str, str] | None = None
    refused: dict[str, str] | None = None
    deferred_to: str | None = None
    ghost: bool = False


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One worked example: what it shows, which points of retail practice it answers, the offer, and its cases."""

    title: str
    practice: tuple[int, ...]
    offer: dict[str, Any]
    cases: tuple[Case, ...]


EXAMPLES = {path.stem: msgspec.json.decode(path.read_bytes(), type=Example) for path in sorted(FOLDER.glob("*.json"))}
CASES = [(name, case) for name, example in EXAMPLES.items() for case in example.cases]


def shopper(case: Case, now_ms: int) -> Shopper:
    events: dict[str, EventRecord] = {}
    for event in sorted(case.events, key=lambda e: -e.days_ago):
        then_ms = now_ms - round(event.days_ago * DAY_MS)
        events = with_event(events, event.name, then_ms, event.value, event.properties)
    visits: dict[str, VisitRecord] = {}
    for geofence_id, days in case.visits.items():
        for days_ago in days:
            visits[geofence_id] = visited(visits.get(geofence_id, VisitRecord()), now_ms - round(days_ago * DAY_MS))
    pushes = [
        PastPush(now_ms - round(p.days_ago * DAY_MS), "p", p.offer_id, p.geofence_id, p.brand) for p in case.pushes
    ]
    return Shopper(
        user_id=case.user_id,
        locale=case.locale,
        attributes=case.user,
        consent=Consent(**{"location": True, "push": True, "profiling": True, **case.consent}),
        events=events,
        visits=visits,
        history=tuple(sorted(pushes, key=lambda push: push.at_ms)),
    )


def decided(example: Example, case: Case) -> Decision:
    offer = parse_offer(example.offer)
    now_ms, happens = at(case.at), case.happens
    then_ms = at(happens.at) if happens.at else now_ms
    tags = example.offer["targets"].get("tags", ())
    shop = geofence("shop", tuple(tags), **{"name": "Corner shop", **case.store})
    transition = Transition(
        user_id=case.user_id,
        geofence_id="shop",
        kind=happens.kind,
        at_ms=then_ms,
        visit_id="v",
        entered_at_ms=then_ms,
        dwell_s=happens.dwell_s,
        distance_m=happens.distance_m,
        nearby_m=happens.nearby_m,
    )
    ping: Ping | None = None if happens.by_timer else fix(now_ms)
    rulebook = Rulebook.build([offer], {"shop": shop}, DEFAULT_POLICY)
    counters = {offer.id: case.counters} if case.counters else {}
    return evaluate(
        rulebook, [transition], shopper(case, now_ms), now_ms, ping, explain=case.explained, counters=counters
    )


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case.case}" for name, case in CASES])
def test_an_example_does_what_it_says(name: str, case: Case) -> None:
    """Each case of each worked example sends the text, or is refused by the gate, that the example shows."""
    decision = decided(EXAMPLES[name], case)
    (candidate,) = decision.candidates
    refusals = [verdict for verdict in candidate.verdicts if not verdict.passed]
    if case.sends is not None:
        assert refusals == []
        assert candidate.rank == 0
        assert candidate.message is not None
        assert {field: getattr(candidate.message, field) for field in case.sends} == case.sends
    if case.refused is not None:
        first = refusals[0]
        shown = {"gate": str(first.gate), "rule": first.rule, "would_pass": first.would_pass}
        assert {field: shown[field] for field in case.refused} == case.refused
    due = at(case.deferred_to) if case.deferred_to else None
    assert [later.due_ms for later in decision.deferred] == ([due] if due else [])
    assert bool(decision.ghosts) is case.ghost
    assert case.sends is not None or case.refused is not None or case.ghost


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_written_as_we_advise(name: str) -> None:
    """No example breaks a rule of the content lint, and its id is its file's name."""
    offer = parse_offer(EXAMPLES[name].offer)
    assert offer.id == name
    assert lint(offer) == []


def test_the_examples_are_listed_where_readers_look() -> None:
    """docs/offers.md names every example."""
    listed = (FOLDER.parent / "offers.md").read_text(encoding="utf-8")
    assert [name for name in EXAMPLES if f"examples/{name}.json" not in listed] == []
