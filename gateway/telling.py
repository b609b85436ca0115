"""What the ping path tells the rest of the house afterwards: counters, statistics and the live activity.

Only users whose presence was saved are told of, so that a lost race is counted once. No coordinate and no user id
leaves here: a user is a keyed hash, a place a geofence id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.catalog.snapshot import Snapshot
from gateway.deciding import Claimed, Moved
from gateway.metrics import Metrics
from gateway.store import Store
from rules.model import Candidate, Decision, Gate, Verdict


@dataclass(frozen=True, slots=True)
class Told:
    """One batch's results: users that moved, their decisions, and the claims by user."""

    snapshot: Snapshot
    moved: Mapping[str, Moved]
    decisions: list[Decision]
    claims: Mapping[str, Sequence[Claimed]]
    at_ms: int


async def tell(store: Store, metrics: Metrics, told: Told) -> None:
    """Count, record and publish one batch's results."""
    kinds = Counter(transition.kind for move in told.moved.values() for transition in move.transitions)
    for kind, count in kinds.items():
        metrics.transitions.labels(kind).inc(count)
    decisions = [decision for decision in told.decisions if decision.user_id in told.moved]
    metrics.decisions.inc(len(decisions))
    outcomes = [
        (decision, outcome)
        for decision in decisions
        for outcome in outcomes_of(decision, told.claims.get(decision.user_id, ()))
    ]
    for _, (_, refusal) in outcomes:
        if refusal is None:
            metrics.claims.labels("claimed").inc()
        else:
            metrics.refusals.labels(refusal.gate).inc()
    if outcomes:
        await store.statistics.count_decisions(
            told.at_ms,
            [(c.offer_id, c.geofence_id, refusal.gate if refusal else None) for _, (c, refusal) in outcomes],
        )
    if store.activity.is_watched:
        await store.activity.publish([*_transition_events(store, told), *_decision_events(store, outcomes)])


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
        return Verdict(gate=Gate.EXPERIMENT, passed=False, rule="holdout", actual="ghost send")
    if winner is not candidate:
        outranked_by = winner.offer_id if winner is not None else None
        return Verdict(gate=Gate.ARBITRATION, passed=False, rule="outranked_by", actual=outranked_by)
    return None


def _transition_events(store: Store, told: Told) -> Iterator[dict[str, Any]]:
    for user_id, move in told.moved.items():
        if move.transitions:
            user = store.activity.pseudonym(user_id)
            for transition in move.transitions:
                yield {
                    "type": "transition",
                    "at_ms": transition.at_ms,
                    "user": user,
                    "geofence_id": transition.geofence_id,
                    "kind": transition.kind,
                    "reason": transition.reason,
                }


def _decision_events(store: Store, outcomes: list[tuple[Decision, Outcome]]) -> Iterator[dict[str, Any]]:
    for decision, (candidate, refusal) in outcomes:
        event = {
            "type": "decision",
            "at_ms": decision.at_ms,
            "user": store.activity.pseudonym(decision.user_id),
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
