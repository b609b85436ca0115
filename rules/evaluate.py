"""The decision: every offer that transitions woke, through the gates, to one ranked list to claim from.

On the hot path a candidate stops at its first refusal, only the best few are rendered, and what past pushes
forbid is left out before that. With ``explain`` every pure gate's verdict is recorded and everything rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from geofences.model import Ping, Transition
from rules import gates
from rules.arbitration import arbitrate, look_at_pressure, render
from rules.candidacy import Candidacy
from rules.clauses import clauses
from rules.model import Decision, Deferred, Gate, Shopper, Verdict
from rules.rulebook import Rulebook
from rules.schedule import instant_ms
from rules.situation import NO_COUNTERS, Counters, Occasion, Situation


def evaluate(
    rulebook: Rulebook,
    transitions: Sequence[Transition],
    shopper: Shopper,
    at_ms: int,
    fix: Ping | None = None,
    *,
    explain: bool = False,
    only: str | None = None,
    counters: Counters = NO_COUNTERS,
) -> Decision:
    """Decide for one user at one instant.

    ``fix`` is the last ping that counted, None when a timer asks. ``only`` restricts the decision to one offer (a
    deferred one). ``counters`` holds ``left`` and ``taken`` of offers whose texts or audiences name them.
    """
    situation = Situation(rulebook.policy, shopper, at_ms, fix, counters)
    woken = _woken(rulebook, situation, transitions, only, explain=explain)
    situation.event_names = rulebook.event_names(transitions)
    deferred = [later for candidacy in woken if (later := _pass_gates(candidacy, explain=explain))]
    alive = [candidacy for candidacy in woken if not candidacy.refused]
    for candidacy in woken if explain else alive:
        look_at_pressure(candidacy)
        if explain:
            render(candidacy)
    arbitrate(candidacy for candidacy in alive if not candidacy.refused)
    if explain:
        for candidacy in woken:
            candidacy.verdicts.sort(key=_gate_order)
    return Decision(shopper.user_id, at_ms, tuple(candidacy.frozen() for candidacy in woken), tuple(deferred))


def _woken(
    rulebook: Rulebook, situation: Situation, transitions: Iterable[Transition], only: str | None, *, explain: bool
) -> list[Candidacy]:
    """A candidate per offer: where several transitions wake the same one at one store, the latest."""
    found: dict[tuple[str, str], Candidacy] = {}
    for transition in transitions:
        offers = rulebook.wakes(transition, sleeping=explain)
        store = rulebook.store(transition.geofence_id) if offers else None
        if store is None:
            continue
        occasion = Occasion(situation, transition, store)
        for offer in offers:
            if only is None or offer.id == only:
                found[offer.id, transition.geofence_id] = Candidacy(occasion, offer)
    return list(found.values())


def _pass_gates(candidacy: Candidacy, *, explain: bool) -> Deferred | None:
    """Ask the pure gates in order; the answer is what is to be decided later, if that is why one refused."""
    occasion, offer, verdicts = candidacy.occasion, candidacy.offer, candidacy.verdicts
    refused: Verdict | None = None
    for gate in gates.GATES:
        verdict = gate(occasion, offer)
        verdicts.append(verdict)
        if not verdict.passed and refused is None:
            refused = verdict
            if not explain:
                break
    candidacy.refused = refused is not None
    last = verdicts[-1]
    if last.gate is Gate.EXPERIMENT and last.passed:
        candidacy.held_out = last.rule == gates.HELD_OUT
        candidacy.variant = last.actual if last.rule == "variant" else ""
    if explain and offer.audience is not None:
        place = gates.GATES.index(gates.audience)
        verdicts[place] = _in_clauses(verdicts[place], candidacy)
    return _deferred(candidacy, refused) if refused is not None else None


def _deferred(candidacy: Candidacy, refused: Verdict) -> Deferred | None:
    transition, offer = candidacy.occasion.transition, candidacy.offer
    if refused.gate is Gate.TRIGGER and refused.rule == "delay_s":
        due_ms = transition.at_ms + offer.offer.trigger.delay_s * 1000
        return Deferred(offer.id, transition, due_ms, still_inside=False, reason="delay")
    if refused.rule == "defer_if_still_inside" and offer.quiet_windows is not None:
        occasion = candidacy.occasion
        due_ms = instant_ms(offer.quiet_windows.end_of(occasion.wall(occasion.quiet_zone).time))
        return Deferred(offer.id, transition, due_ms, still_inside=True, reason="quiet_hours")
    return None


def _in_clauses(verdict: Verdict, candidacy: Candidacy) -> Verdict:
    """The audience's verdict with the value of every clause in place of a bare true or false."""
    attributes = tuple(sorted(candidacy.offer.policy.attributes.items()))
    parts = clauses(verdict.required, attributes, candidacy.occasion.facts_for(candidacy.offer))
    shown = [{"clause": c.source, "value": c.value if not c.reason else c.reason, **c.operands} for c in parts]
    return msgspec.structs.replace(verdict, actual=shown)


_ORDER: Mapping[Gate, int] = {gate: place for place, gate in enumerate(Gate)}


def _gate_order(verdict: Verdict) -> int:
    return _ORDER[verdict.gate]
