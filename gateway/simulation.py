"""What would happen: a walk through the real engine and the real rules, with nothing written and nothing sent.

Explain, the walk simulator and the backtest share it with the ping path's own parts, so that they cannot disagree.
The claim is played by its pure twin, ``rules.pressure``, on the shopper's past pushes and those of the walk itself,
ghosts of a held-out user included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from gateway.catalog.snapshot import Snapshot
from gateway.deciding import Moved, push_id, waking
from gateway.deferring import is_same_visit
from gateway.store.claiming import ALREADY_CLAIMED
from geofences.model import Ignored, Ping, Transition
from geofences.transitions import Presence, Step, next_due_ms
from rules import pressure
from rules.evaluate import evaluate
from rules.model import Candidate, Deferred, Gate, PastPush, PushKind, Shopper, Verdict
from rules.situation import NO_COUNTERS, Counters


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ping of the walk, or one instant between two at which time alone changed something (``ping`` None).

    ``candidates`` are all offers that were touched, with every gate's verdict; ``pushes`` names those claimed.
    """

    at_ms: int
    ping: Ping | None = None
    inside: tuple[str, ...] = ()
    ignored: Ignored | None = None
    transitions: tuple[Transition, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    pushes: tuple[str, ...] = ()


class Budgets(Protocol):
    """Offer-wide limits that several walks share; see ``gateway.offline.backtest``."""

    def refusal(self, candidate: Candidate, at_ms: int) -> str | None:
        """The rule by which nothing is left for this candidate, or None."""
        ...

    def take(self, candidate: Candidate, at_ms: int) -> None:
        """Spend one."""
        ...


def simulate(
    snapshot: Snapshot, shopper: Shopper, pings: Iterable[Ping], counters: Counters = NO_COUNTERS
) -> Iterator[Moment]:
    """Walk ``pings`` in the order given, each arriving at its own time; yields what happened, oldest first.

    Presence starts empty. Pushes of the walk count towards later cooldowns and caps.
    """
    walk = Walk(snapshot, shopper, counters=counters)
    for ping in pings:
        yield from walk.take(ping)


class Walk:
    """One shopper on the way: what is remembered between two pings."""

    def __init__(
        self,
        snapshot: Snapshot,
        shopper: Shopper,
        budgets: Budgets | None = None,
        counters: Counters = NO_COUNTERS,
    ) -> None:
        """``budgets`` are spent by this walk, if given; ``counters`` are what texts and audiences read of them."""
        self._snapshot = snapshot
        self._shopper = shopper
        self._budgets = budgets
        self._counters = counters
        self._presence = Presence.EMPTY
        self._deferred: list[Deferred] = []

    def take(self, ping: Ping) -> Iterator[Moment]:
        """What time alone brought about since the last ping, then what this one did."""
        yield from self.until(ping.at_ms)
        snapshot = self._snapshot
        inside = snapshot.index.locate(ping.lat, ping.lng)
        stepped = snapshot.step(self._presence, inside, ping, ping.at_ms)
        moment = self._moment(stepped, ping, ping.at_ms)
        yield msgspec.structs.replace(moment, inside=inside, ignored=stepped.ignored)

    def until(self, at_ms: int) -> Iterator[Moment]:
        """Let time pass up to ``at_ms`` without a ping: dwell, silence, deferred offers, in order of time."""
        while True:
            tick_ms = next_due_ms(self._presence, self._snapshot.policy)
            later = min(self._deferred, key=lambda one: one.due_ms, default=None)
            if later is not None and later.due_ms < at_ms and (tick_ms is None or later.due_ms <= tick_ms):
                self._deferred.remove(later)
                yield self._resumed(later)
            elif tick_ms is not None and tick_ms < at_ms:
                stepped = self._snapshot.tick(self._presence, self._shopper.user_id, tick_ms)
                if stepped.presence == self._presence:
                    return
                moment = self._moment(stepped, None, tick_ms)
                if moment.transitions:
                    yield moment
            else:
                return

    def _moment(self, stepped: Step, ping: Ping | None, at_ms: int) -> Moment:
        user_id = self._shopper.user_id
        self._presence = stepped.presence
        moved = Moved(stepped.presence, stepped.transitions, ping)
        wakes = waking(self._snapshot, {user_id: moved}, sleeping=True).get(user_id, ())
        moment = Moment(at_ms=at_ms, ping=ping, transitions=stepped.transitions)
        return self._decided(moment, wakes, None) if wakes else moment

    def _resumed(self, later: Deferred) -> Moment:
        moment = Moment(at_ms=later.due_ms)
        if later.still_inside and not is_same_visit(self._shopper.user_id, later, self._presence):
            return moment
        return self._decided(moment, (later.transition,), later.offer_id)

    def _decided(self, moment: Moment, wakes: tuple[Transition, ...], only: str | None) -> Moment:
        decision = evaluate(
            self._snapshot.rulebook,
            wakes,
            self._shopper,
            moment.at_ms,
            moment.ping,
            explain=True,
            only=only,
            counters=self._counters,
        )
        self._deferred += decision.deferred
        verdicts: dict[int, Verdict] = {}
        winners = [
            winner for contest in decision.contests if (winner := self._claimed(contest, moment.at_ms, verdicts))
        ]
        candidates = tuple(
            msgspec.structs.replace(candidate, verdicts=(*candidate.verdicts, verdicts[id(candidate)]))
            if id(candidate) in verdicts
            else candidate
            for candidate in decision.candidates
        )
        return msgspec.structs.replace(
            moment,
            candidates=candidates,
            pushes=tuple(winner.offer_id for winner in winners if winner.kind is not PushKind.GHOST),
        )

    def _claimed(self, contest: tuple[Candidate, ...], at_ms: int, verdicts: dict[int, Verdict]) -> Candidate | None:
        """Play the claim of one contest: the first candidate that neither past pushes nor budgets refuse."""
        for candidate in contest:
            verdict = self._refusal(candidate, at_ms) or Verdict(gate=Gate.CLAIM, passed=True)
            verdicts[id(candidate)] = verdict
            if verdict.passed:
                self._remember(candidate, at_ms)
                return candidate
        return None

    def _refusal(self, candidate: Candidate, at_ms: int) -> Verdict | None:
        """What the claim would say against it; ``evaluate`` did not yet know of what this moment claimed before."""
        history = self._shopper.history
        if any(past.push_id == push_id(self._shopper.user_id, candidate) for past in history):
            return Verdict(gate=Gate.CLAIM, passed=False, rule=ALREADY_CLAIMED)
        refused = pressure.verdict(candidate.limits, history, candidate.kind, at_ms)
        if refused is None and self._budgets and candidate.kind is not PushKind.GHOST:
            rule = self._budgets.refusal(candidate, at_ms)
            return None if rule is None else Verdict(gate=Gate.CLAIM, passed=False, rule=rule)
        return refused

    def _remember(self, candidate: Candidate, at_ms: int) -> None:
        """Let it count from now on, and spend what it takes."""
        if self._budgets and candidate.kind is not PushKind.GHOST:
            self._budgets.take(candidate, at_ms)
        past = PastPush(
            at_ms,
            push_id(self._shopper.user_id, candidate),
            candidate.offer_id,
            candidate.geofence_id,
            candidate.brand,
            candidate.kind,
        )
        self._shopper = msgspec.structs.replace(self._shopper, history=(*self._shopper.history, past))
