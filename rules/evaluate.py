"""The decision: every offer that transitions woke, through the gates, to one ranked list to claim from.

On the hot path a candidate stops at its first refusal, only the best few are rendered, and what past pushes
forbid is left out before that. With ``explain`` every pure gate's verdict is recorded and everything rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp

import msgspec

from geofences.model import Ping, Transition
from rules import gates
from rules.clauses import clauses
from rules.compiled import CompiledOffer
from rules.message import compose, pick_locale, too_long
from rules.model import Candidate, Decision, Deferred, Gate, Limit, Message, Shopper, Verdict
from rules.pressure import counted, refusal
from rules.rulebook import Rulebook
from rules.schedule import instant_ms
from rules.situation import NO_COUNTERS, Counters, Occasion, Situation
from rules.template import TemplateFault
from rules.words import span

MAX_RANKED = 3
"""Candidates of one decision that are rendered and offered to the claim: the winner and two runners-up."""


class _Running:
    """A candidate on its way through the gates."""

    __slots__ = ("held_out", "limits", "message", "occasion", "offer", "rank", "refused", "variant", "verdicts")

    def __init__(self, occasion: Occasion, offer: CompiledOffer) -> None:
        self.occasion = occasion
        self.offer = offer
        self.verdicts: list[Verdict] = []
        self.message: Message | None = None
        self.limits: tuple[Limit, ...] = ()
        self.rank: int | None = None
        self.variant = ""
        self.held_out = False
        self.refused = False

    def record(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.refused = self.refused or not verdict.passed

    def frozen(self) -> Candidate:
        offer, at_ms = self.offer.offer, self.occasion.situation.at_ms
        _, end_ms = self.offer.bounds_ms(self.offer.zone or self.occasion.store.zone)
        expires_ms = at_ms + (self.message.ttl_s * 1000 if self.message else 0)
        return Candidate(
            offer_id=offer.id,
            offer_version=offer.version,
            geofence_id=self.occasion.transition.geofence_id,
            transition=self.occasion.transition,
            verdicts=tuple(self.verdicts),
            message=self.message,
            limits=self.limits,
            rank=self.rank,
            brand=offer.brand,
            variant=self.variant,
            held_out=self.held_out,
            transactional=offer.transactional,
            channels=offer.channels,
            expires_at_ms=expires_ms if end_ms is None else min(expires_ms, end_ms),
        )


def evaluate(
    rulebook: Rulebook,
    transitions: Iterable[Transition],
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
    situation.event_names = _event_names(woken)
    deferred = [later for running in woken if (later := _pass_gates(running, explain=explain))]
    alive = [running for running in woken if not running.refused]
    for running in woken if explain else alive:
        _look_at_pressure(running)
        if explain:
            _render(running)
    _arbitrate(sorted((r for r in alive if not r.refused), key=_worth))
    if explain:
        for running in woken:
            running.verdicts.sort(key=_gate_order)
    return Decision(shopper.user_id, at_ms, tuple(running.frozen() for running in woken), tuple(deferred))


def _woken(
    rulebook: Rulebook, situation: Situation, transitions: Iterable[Transition], only: str | None, *, explain: bool
) -> list[_Running]:
    """A candidate per offer: where several transitions wake the same one at one store, the latest."""
    found: dict[tuple[str, str], _Running] = {}
    for transition in transitions:
        offers = rulebook.wakes(transition, sleeping=explain)
        store = rulebook.store(transition.geofence_id) if offers else None
        if store is None:
            continue
        occasion = Occasion(situation, transition, store)
        for offer in offers:
            if only is None or offer.id == only:
                found[offer.id, transition.geofence_id] = _Running(occasion, offer)
    return list(found.values())


def _event_names(woken: list[_Running]) -> frozenset[str] | None:
    """The union of what the offers read; None as soon as one reads everything."""
    names: frozenset[str] = frozenset()
    for running in woken:
        more = running.offer.event_names
        if more is None:
            return None
        names |= more
    return names


def _pass_gates(running: _Running, *, explain: bool) -> Deferred | None:
    """Ask the pure gates in order; the answer is what is to be decided later, if that is why one refused."""
    occasion, offer, verdicts = running.occasion, running.offer, running.verdicts
    refused: Verdict | None = None
    for gate in gates.GATES:
        verdict = gate(occasion, offer)
        verdicts.append(verdict)
        if not verdict.passed and refused is None:
            refused = verdict
            if not explain:
                break
    running.refused = refused is not None
    last = verdicts[-1]
    if last.gate is Gate.EXPERIMENT and last.passed:
        running.held_out = last.rule == gates.HELD_OUT
        running.variant = last.actual if last.rule == "variant" else ""
    if explain and offer.audience is not None:
        place = gates.GATES.index(gates.audience)
        verdicts[place] = _in_clauses(verdicts[place], running)
    return _deferred(running, refused) if refused is not None else None


def _deferred(running: _Running, refused: Verdict) -> Deferred | None:
    transition, offer = running.occasion.transition, running.offer
    if refused.gate is Gate.TRIGGER and refused.rule == "delay_s":
        due_ms = transition.at_ms + offer.offer.trigger.delay_s * 1000
        return Deferred(offer.id, transition, due_ms, still_inside=False, reason="delay")
    if refused.rule == "defer_if_still_inside" and offer.quiet_windows is not None:
        occasion = running.occasion
        due_ms = instant_ms(offer.quiet_windows.end_of(occasion.wall(occasion.quiet_zone).time))
        return Deferred(offer.id, transition, due_ms, still_inside=True, reason="quiet_hours")
    return None


def _in_clauses(verdict: Verdict, running: _Running) -> Verdict:
    """The audience's verdict with the value of every clause in place of a bare true or false."""
    attributes = tuple(sorted(running.offer.policy.attributes.items()))
    parts = clauses(verdict.required, attributes, running.occasion.facts_for(running.offer))
    shown = [{"clause": c.source, "value": c.value if not c.reason else c.reason, **c.operands} for c in parts]
    return msgspec.structs.replace(verdict, actual=shown)


def _look_at_pressure(running: _Running) -> None:
    """The claim's refusal in advance, where the past that we know forbids it."""
    situation = running.occasion.situation
    history = situation.shadow if running.held_out else situation.shopper.history
    if not history:
        return
    _set_limits(running)
    refused = refusal(running.limits, history)
    if refused is not None:
        limit, free_at_ms = refused
        words = "" if free_at_ms is None else f"in {span((free_at_ms - situation.at_ms) / 1000)}"
        running.record(
            Verdict(Gate.CLAIM, False, limit.name, counted(limit, history), f"below {limit.max_pushes}", words)
        )


def _set_limits(running: _Running) -> None:
    occasion = running.occasion
    situation = occasion.situation
    zone = situation.user_zone or situation.fix_zone or occasion.store.zone
    running.limits = running.offer.limits(occasion.transition.geofence_id, situation.at_ms, zone)


def _worth(running: _Running) -> tuple[bool, int, float, float, int, str]:
    """Sort key of arbitration: transactional, priority, value by distance, nearest, oldest, id."""
    offer, distance_m = running.offer.offer, running.occasion.distance_m
    decayed = offer.value * exp(-distance_m / running.offer.policy.distance_scale_m)
    return not offer.transactional, -offer.priority, -decayed, distance_m, offer.created_at_ms, offer.id


def _render(running: _Running) -> None:
    """Fill in the message; what cannot be filled in refuses the candidate."""
    occasion, offer = running.occasion, running.offer
    messages = offer.messages(running.variant)
    locale = pick_locale(messages, occasion.situation.shopper.locale, offer.offer.default_locale)
    try:
        message = compose(messages[locale], locale, occasion.variables(offer))
    except TemplateFault as fault:
        running.record(Verdict(Gate.RENDER, False, "template", str(fault), "every variable known"))
        return
    long = too_long(message)
    if long and offer.policy.too_long == "refuse":
        running.record(Verdict(Gate.RENDER, False, "too_long", long, "title 40, body 140"))
        return
    running.message = message
    running.record(Verdict(Gate.RENDER, True, "too_long" if long else locale, long or locale))


def _arbitrate(contenders: list[_Running]) -> None:
    """Rank in order of worth, rendering until there are enough; a ghost is judged against all, and hinders nobody."""
    winner = ghost_winner = ""
    ranked = 0
    for running in contenders:
        competes = not running.offer.offer.transactional
        ahead = (ghost_winner if running.held_out else winner) if competes else ""
        if competes and ahead and (running.held_out or ranked >= MAX_RANKED):
            running.record(_outranked(ahead))
            continue
        if running.message is None:
            _render(running)
        if running.message is None:
            continue
        _set_limits(running)
        if not running.held_out:
            running.rank, ranked = ranked, ranked + 1
        running.record(_outranked(ahead) if ahead else Verdict(Gate.ARBITRATION, True, "first"))
        if competes:
            ghost_winner = ghost_winner or running.offer.id
            if not running.held_out:
                winner = winner or running.offer.id


def _outranked(by: str) -> Verdict:
    return Verdict(Gate.ARBITRATION, False, "outranked_by", by, "first in rank")


_ORDER: Mapping[Gate, int] = {gate: place for place, gate in enumerate(Gate)}


def _gate_order(verdict: Verdict) -> int:
    return _ORDER[verdict.gate]
