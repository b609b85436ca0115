"""What the ping path tells the rest of the house afterwards: counters, statistics and the live activity.

Only users whose presence was saved are told of, so that a lost race is counted once; a push that was claimed is told
of in any case, for it goes out, and the step that is run again finds it claimed. No coordinate and no user id
leaves here: a user is a keyed hash, a place a geofence id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.catalog.snapshot import Snapshot
from gateway.deciding import Claimed, Moved, push_id
from gateway.metrics import Metrics
from gateway.store import Store
from gateway.store.connection import settled
from gateway.store.known import Known
from gateway.store.outcomes import VISIT_MS, Stay
from gateway.store.traces import Trace
from geofences.model import Transition, TransitionKind
from rules.model import Candidate, Decision, Gate, Verdict

GHOST = "ghost_send"
"""The rule that refuses a held-out user at the very end: he would have got the push."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Told:
    """One batch's results: users that moved, their decisions, the claims by user, and what was read of who entered."""

    snapshot: Snapshot
    moved: Mapping[str, Moved]
    decisions: list[Decision]
    claims: Mapping[str, Sequence[Claimed]]
    at_ms: int
    known: Mapping[str, Known]


async def tell(store: Store, metrics: Metrics, told: Told) -> None:
    """Count, record and publish one batch's results."""
    transitions = [(user_id, t) for user_id, move in told.moved.items() for t in move.transitions]
    for kind, count in Counter(transition.kind for _, transition in transitions).items():
        metrics.transitions.labels(kind).inc(count)
    store.traffic.note(transitions, told.decisions)
    visits = [
        (user_id, t.geofence_id, t.entered_at_ms or t.at_ms)
        for user_id, t in transitions
        if t.kind is TransitionKind.ENTER
    ]
    works: list[Coroutine[Any, Any, object]] = [store.behaviour.record_visits(visits, told.known)] if visits else []
    stays = [
        Stay(user_id, t.geofence_id, t.entered_at_ms, t.at_ms)
        for user_id, t in transitions
        if t.kind is TransitionKind.EXIT and t.entered_at_ms is not None and t.at_ms - t.entered_at_ms >= VISIT_MS
    ]
    if stays and told.snapshot.rulebook:
        works.append(_count_visits(store, stays))
    decided = [
        (decision, list(outcomes_of(decision, told.claims.get(decision.user_id, ()))))
        for decision in told.decisions
        if decision.user_id in told.moved or any(c.winner for c in told.claims.get(decision.user_id, ()))
    ]
    if decided:
        metrics.decisions.inc(len(decided))
        _count(store, metrics, decided, told.at_ms)
        works.append(store.traces.put([_trace(told, decision, outcomes) for decision, outcomes in decided]))
    if (transitions or decided) and store.activity.is_watched:
        events = [*_transition_events(store, transitions), *_decision_events(store, decided)]
        works.append(store.activity.publish(events))
    await settled(works)


async def _count_visits(store: Store, stays: Sequence[Stay]) -> None:
    """Count who came to stay after a push, and after a ghost alike."""
    for facts in await store.outcomes.record_visits(stays):
        store.statistics.count(
            facts.claimed_at_ms,
            facts.offer_id,
            "held_out_visited" if facts.is_ghost else "visited",
            geofence_id=facts.geofence_id,
            variant=facts.variant,
        )


Outcome = tuple[Candidate, Verdict | None]
"""A candidate and the verdict that refused it; None for one that was claimed."""


def outcomes_of(decision: Decision, claims: Sequence[Claimed]) -> Iterator[Outcome]:
    """What became of each candidate once the claims have answered."""
    answers = {
        id(candidate): _answer(claimed, place) for claimed in claims for place, candidate in enumerate(claimed.contest)
    }
    for candidate in decision.candidates:
        refused = next((verdict for verdict in candidate.verdicts if not verdict.passed), None)
        yield candidate, answers.get(id(candidate), refused)


def _answer(claimed: Claimed, place: int) -> Verdict | None:
    """What the claim says of one candidate of a contest."""
    candidate, winner = claimed.contest[place], claimed.winner
    if place < len(claimed.result.refusals):
        refusal = claimed.result.refusals[place]
        return Verdict(gate=Gate.CLAIM, passed=False, rule=refusal.rule, required={"free_at_ms": refusal.free_at_ms})
    if candidate.held_out:
        return Verdict(gate=Gate.EXPERIMENT, passed=False, rule=GHOST)
    if winner is not candidate:
        outranked_by = winner.offer_id if winner is not None else None
        return Verdict(gate=Gate.ARBITRATION, passed=False, rule="outranked_by", actual=outranked_by)
    return None


Decided = list[tuple[Decision, list[Outcome]]]


def _count(store: Store, metrics: Metrics, decided: Decided, at_ms: int) -> None:
    """The funnel's first steps: matched, then refused by a gate, held out, or claimed."""
    gates: Counter[Gate | None] = Counter()
    for _, outcomes in decided:
        for candidate, refusal in outcomes:
            if refusal is None:
                gate, step = None, "claimed"
            else:
                gate = refusal.gate
                step = "held_out" if refusal.rule == GHOST else f"refused:{gate}"
            gates[gate] += 1
            for what in ("matched", step):
                store.statistics.count(
                    at_ms,
                    candidate.offer_id,
                    what,
                    geofence_id=candidate.geofence_id,
                    variant=candidate.variant,
                )
    for gate, count in gates.items():
        (metrics.claims.labels("claimed") if gate is None else metrics.refusals.labels(gate)).inc(count)


def _trace(told: Told, decision: Decision, outcomes: list[Outcome]) -> Trace:
    """The decision as it can be looked up later: every candidate with its verdicts and what became of it."""
    pushed = [push_id(decision.user_id, candidate) for candidate, refusal in outcomes if refusal is None]
    body = {
        "at_ms": decision.at_ms,
        "catalog_version": told.snapshot.version,
        "push_ids": pushed,
        "candidates": [_traced(candidate, refusal) for candidate, refusal in outcomes],
    }
    return Trace(decision.user_id, _encode(body), pushed[0] if pushed else None)


def _traced(candidate: Candidate, refusal: Verdict | None) -> dict[str, Any]:
    is_recorded = refusal is None or refusal in candidate.verdicts
    return {
        "offer_id": candidate.offer_id,
        "offer_version": candidate.offer_version,
        "geofence_id": candidate.geofence_id,
        "variant": candidate.variant,
        "transition": candidate.transition,
        "verdicts": candidate.verdicts if is_recorded else (*candidate.verdicts, refusal),
        "refused_by": None if refusal is None else refusal.gate,
        "message": candidate.message,
    }


def _transition_events(store: Store, transitions: list[tuple[str, Transition]]) -> Iterator[dict[str, Any]]:
    for user_id, transition in transitions:
        yield {
            "type": "transition",
            "at_ms": transition.at_ms,
            "user": store.activity.pseudonym(user_id),
            "geofence_id": transition.geofence_id,
            "kind": transition.kind,
            "reason": transition.reason,
        }


def _decision_events(store: Store, decided: Decided) -> Iterator[dict[str, Any]]:
    for decision, outcomes in decided:
        user = store.activity.pseudonym(decision.user_id)
        decision_id = store.activity.decision_id(decision.user_id, decision.at_ms)
        for candidate, refusal in outcomes:
            event = {
                "type": "decision",
                "decision_id": decision_id,
                "at_ms": decision.at_ms,
                "user": user,
                "offer_id": candidate.offer_id,
                "geofence_id": candidate.geofence_id,
                "kind": candidate.transition.kind,
                "outcome": "claimed" if refusal is None else "refused",
            }
            if refusal is not None:
                event |= {
                    "gate": refusal.gate,
                    "rule": refusal.rule,
                    "actual": refusal.actual,
                    "required": refusal.required,
                    "would_pass": refusal.would_pass,
                }
            yield event
