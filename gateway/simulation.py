"""What would happen: a walk through the real engine and the real rules, with nothing written and nothing sent.

Explain, the walk simulator and the backtest share it with the ping path's own parts, so that they cannot disagree.
The claim is played by its pure twin, ``rules.pressure``, on the shopper's past pushes and those of the walk itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gateway.catalog.snapshot import Snapshot
from gateway.deciding import Moved, waking
from geofences.model import Ignored, Ping, Transition
from geofences.transitions import Presence, Step, next_due_ms
from rules.evaluate import evaluate
from rules.model import Candidate, Decision, Gate, PastPush, Shopper, Verdict


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


def simulate(snapshot: Snapshot, shopper: Shopper, pings: Iterable[Ping]) -> Iterator[Moment]:
    """Walk ``pings`` in the order given, each arriving at its own time; yields what happened, oldest first.

    Presence starts empty. Pushes of the walk count towards later cooldowns and caps.
    """
    presence = Presence.EMPTY
    for ping in pings:
        while (due_ms := next_due_ms(presence, snapshot.policy)) is not None and due_ms < ping.at_ms:
            stepped = snapshot.tick(presence, ping.user_id, due_ms)
            if stepped.presence == presence:
                break
            presence = stepped.presence
            if stepped.transitions:
                shopper, moment = _decided(snapshot, shopper, stepped, None, (), due_ms)
                yield moment
        inside = snapshot.index.locate(ping.lat, ping.lng)
        stepped = snapshot.step(presence, inside, ping, ping.at_ms)
        presence = stepped.presence
        shopper, moment = _decided(snapshot, shopper, stepped, ping, inside, ping.at_ms)
        yield moment


def _decided(
    snapshot: Snapshot, shopper: Shopper, stepped: Step, ping: Ping | None, inside: tuple[str, ...], at_ms: int
) -> tuple[Shopper, Moment]:
    """The moment of one step, and the shopper after it, with what it pushed in the history."""
    moved = Moved(stepped.presence, stepped.transitions, ping)
    wakes = waking(snapshot, {shopper.user_id: moved}, sleeping=True).get(shopper.user_id, ())
    candidates: tuple[Candidate, ...] = ()
    pushes: list[str] = []
    if wakes:
        decision = evaluate(snapshot.rulebook, wakes, shopper, at_ms, ping, explain=True)
        shopper, candidates, pushes = _claimed(shopper, decision)
    moment = Moment(
        at_ms=at_ms,
        ping=ping,
        inside=inside,
        ignored=stepped.ignored,
        transitions=stepped.transitions,
        candidates=candidates,
        pushes=tuple(pushes),
    )
    return shopper, moment


def _claimed(shopper: Shopper, decision: Decision) -> tuple[Shopper, tuple[Candidate, ...], list[str]]:
    """Play the claim: ``evaluate`` left out what past pushes forbid, so the first of each contest is pushed."""
    winners = [contest[0] for contest in decision.contests]
    claimed = {id(winner): Verdict(gate=Gate.CLAIM, passed=True) for winner in winners}
    candidates = tuple(
        msgspec.structs.replace(candidate, verdicts=(*candidate.verdicts, claimed[id(candidate)]))
        if id(candidate) in claimed
        else candidate
        for candidate in decision.candidates
    )
    past = tuple(
        PastPush(decision.at_ms, winner.offer_id, winner.offer_id, winner.geofence_id, winner.brand)
        for winner in winners
        if not winner.transactional
    )
    shopper = msgspec.structs.replace(shopper, history=(*shopper.history, *past))
    return shopper, candidates, [winner.offer_id for winner in winners]
