"""Of all that may be sent, one: what the past forbids, what each offer is worth here, and its text."""

from __future__ import annotations

from collections.abc import Iterable

from rules import pressure
from rules.candidacy import Candidacy
from rules.message import compose, pick_locale, too_long
from rules.model import Gate, Verdict, push_kind
from rules.template import TemplateFault

MAX_RANKED = 3
"""Candidates of one decision that are rendered and offered to the claim: the winner and two runners-up."""


def look_at_pressure(candidacy: Candidacy) -> None:
    """The claim's refusal in advance, where the past that we know forbids it."""
    situation = candidacy.occasion.situation
    history = situation.shopper.history
    if not history:
        return
    candidacy.set_limits()
    kind = push_kind(held_out=candidacy.held_out, transactional=candidacy.offer.offer.transactional)
    refused = pressure.verdict(candidacy.limits, history, kind, situation.at_ms)
    if refused is not None:
        candidacy.record(refused)


def _worth(candidacy: Candidacy) -> tuple[bool, int, float, float, int, str]:
    """Sort key of arbitration: transactional, priority, value by distance, nearest, oldest, id."""
    offer, occasion = candidacy.offer.offer, candidacy.occasion
    decayed = offer.value * occasion.nearness
    return not offer.transactional, -offer.priority, -decayed, occasion.distance_m, offer.created_at_ms, offer.id


def render(candidacy: Candidacy) -> None:
    """Fill in the message; what cannot be filled in refuses the candidate."""
    occasion, offer = candidacy.occasion, candidacy.offer
    messages = offer.messages(candidacy.variant)
    locale = pick_locale(messages, occasion.situation.shopper.locale, offer.offer.default_locale)
    try:
        message = compose(messages[locale], locale, occasion.variables(offer))
    except TemplateFault as fault:
        candidacy.record(Verdict(Gate.RENDER, False, "template", str(fault), "every variable known"))
        return
    long = too_long(message)
    if long and offer.policy.too_long == "refuse":
        candidacy.record(Verdict(Gate.RENDER, False, "too_long", long, "title 40, body 140"))
        return
    candidacy.message = message
    candidacy.record(Verdict(Gate.RENDER, True, "too_long" if long else locale, long or locale))


def arbitrate(candidacies: Iterable[Candidacy]) -> None:
    """Rank in order of worth, rendering until there are enough; a ghost is judged against all, and hinders nobody."""
    winner = ghost_winner = ""
    ranked = 0
    for candidacy in sorted(candidacies, key=_worth):
        competes = not candidacy.offer.offer.transactional
        ahead = (ghost_winner if candidacy.held_out else winner) if competes else ""
        if competes and ahead and (candidacy.held_out or ranked >= MAX_RANKED):
            candidacy.record(_outranked(ahead))
            continue
        if candidacy.message is None:
            render(candidacy)
        if candidacy.message is None:
            continue
        candidacy.set_limits()
        if not candidacy.held_out:
            candidacy.rank, ranked = ranked, ranked + 1
        candidacy.record(_outranked(ahead) if ahead else Verdict(Gate.ARBITRATION, True, "first"))
        if competes:
            ghost_winner = ghost_winner or candidacy.offer.id
            if not candidacy.held_out:
                winner = winner or candidacy.offer.id


def _outranked(by: str) -> Verdict:
    return Verdict(Gate.ARBITRATION, False, "outranked_by", by, "first in rank")
