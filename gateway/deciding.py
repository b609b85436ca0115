"""From what happened to who is claimed: the middle of the ping path, between presence and outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.catalog.snapshot import Snapshot
from gateway.delivery.job import PushJob, push_id_for
from gateway.store import Store
from gateway.store.budgets import budgets_of
from gateway.store.claims import ClaimCandidate, ClaimRequest, ClaimResult
from geofences.model import Ping, Transition, TransitionKind
from geofences.transitions import Presence
from rules.evaluate import evaluate
from rules.model import Candidate, Decision, Shopper, Supply
from rules.situation import Counters


@dataclass(frozen=True, slots=True)
class Moved:
    """What one batch did to one user: the presence after it, its transitions, and the last fix that counted."""

    presence: Presence
    transitions: tuple[Transition, ...]
    last: Ping | None


_ENDS = {
    TransitionKind.EXIT: (TransitionKind.ENTER, TransitionKind.DWELL),
    TransitionKind.VISIT_END: (TransitionKind.VISIT,),
}
"""What no longer holds once this has happened."""


def waking(
    snapshot: Snapshot, moved: Mapping[str, Moved], *, sleeping: bool = False
) -> dict[str, tuple[Transition, ...]]:
    """Per user, the transitions that wake an offer and still hold at the end of the batch.

    A late batch may carry a shopper in and out again: who has left is no longer nearby, so an enter, dwell or visit
    whose geofence was left later in the same batch wakes nothing. ``sleeping`` also asks offers that are not live.
    """
    wakes: dict[str, tuple[Transition, ...]] = {}
    for user_id, move in moved.items():
        if not move.transitions:
            continue
        ended: set[tuple[TransitionKind, str]] = set()
        holding: list[Transition] = []
        for transition in reversed(move.transitions):
            ends = _ENDS.get(transition.kind)
            if ends is not None:
                ended.update((kind, transition.geofence_id) for kind in ends)
            elif (transition.kind, transition.geofence_id) in ended:
                continue
            if snapshot.rulebook.wakes(transition, sleeping=sleeping):
                holding.append(transition)
        if holding:
            wakes[user_id] = tuple(reversed(holding))
    return wakes


def concerned(moved: Mapping[str, Moved], wakes: Collection[str]) -> list[str]:
    """Users of whom something must be known: those who wake an offer, and those who entered, whose visits are noted."""
    return [
        user_id
        for user_id, move in moved.items()
        if move.transitions
        and (user_id in wakes or any(transition.kind is TransitionKind.ENTER for transition in move.transitions))
    ]


def decide(
    snapshot: Snapshot,
    wakes: Mapping[str, tuple[Transition, ...]],
    shoppers: Mapping[str, Shopper],
    moved: Mapping[str, Moved],
    counters: Counters,
    now_ms: int,
) -> list[Decision]:
    """Ask the gates for every woken user; a user without a profile has given no consent."""
    return [
        evaluate(
            snapshot.rulebook,
            transitions,
            shoppers.get(user_id) or Shopper(user_id=user_id),
            now_ms,
            moved[user_id].last,
            counters=counters,
        )
        for user_id, transitions in wakes.items()
    ]


class Claimed(NamedTuple):
    """A contest, best candidate first, and what the claim answered; ``winner`` is the candidate that was claimed."""

    contest: tuple[Candidate, ...]
    result: ClaimResult

    @property
    def winner(self) -> Candidate | None:
        """Who goes out, if anybody."""
        return None if self.result.winner is None else self.contest[self.result.winner]


async def claim(store: Store, decisions: list[Decision], now_ms: int) -> dict[str, list[Claimed]]:
    """Claim the best of every contest; the runner-up is tried where the best is refused.

    Held-out candidates are claimed as ghosts, on shadow counters, and never reach the outbox.
    """
    contests = [(decision, contest) for decision in decisions for contest in decision.contests]
    results = await store.claims.claim_many([claim_request(*contest, now_ms) for contest in contests])
    claims: dict[str, list[Claimed]] = {}
    for (decision, contest), result in zip(contests, results, strict=True):
        claims.setdefault(decision.user_id, []).append(Claimed(contest, result))
    return claims


def claim_request(decision: Decision, contest: tuple[Candidate, ...], now_ms: int) -> ClaimRequest:
    """A contest as the claim script takes it, each candidate with its outbox entry."""
    return ClaimRequest(
        user_id=decision.user_id,
        at_ms=decision.at_ms,
        candidates=tuple(_claim_candidate(decision, candidate, now_ms) for candidate in contest),
    )


def push_id(user_id: str, candidate: Candidate) -> str:
    """The push's id: the same for every retry of a claim, as it names the visit, or without one the instant."""
    transition = candidate.transition
    occasion = transition.visit_id or f"{transition.geofence_id}@{transition.at_ms}"
    return push_id_for(user_id, candidate.offer_id, f"{transition.kind}:{occasion}")


def _claim_candidate(decision: Decision, candidate: Candidate, now_ms: int) -> ClaimCandidate:
    if candidate.message is None:
        raise ValueError("only a rendered candidate can be claimed")
    supply = candidate.supply or Supply()
    identity = push_id(decision.user_id, candidate)
    job = PushJob(
        push_id=identity,
        user_id=decision.user_id,
        offer_id=candidate.offer_id,
        offer_version=candidate.offer_version,
        geofence_id=candidate.geofence_id,
        visit_id=candidate.transition.visit_id,
        variant=candidate.variant,
        message=candidate.message,
        channels=candidate.channels,
        expires_at_ms=candidate.expires_at_ms,
        claimed_at_ms=now_ms,
        received_at_ms=now_ms,
        transactional=candidate.transactional,
    )
    return ClaimCandidate(
        push_id=identity,
        offer_id=candidate.offer_id,
        geofence_id=candidate.geofence_id,
        brand=candidate.brand,
        limits=candidate.limits,
        entry=job.encode(),
        kind=candidate.kind,
        variant=candidate.variant,
        budgets=budgets_of(
            candidate.offer_id,
            now_ms,
            total_cap=supply.total_cap,
            stock=supply.stock,
            max_per_hour=supply.max_per_hour,
        ),
        code_pool=supply.code_pool,
    )
