"""A shop in Helsinki, a shopper at its door, and a Wednesday noon: what the rules' tables vary from."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from geofences.model import Circle, Geofence, LatLng, Ping, Transition, TransitionKind
from rules.evaluate import evaluate
from rules.model import Candidate, Consent, Decision, Shopper
from rules.offers import Offer, parse_offer
from rules.policy import DEFAULT_POLICY, BrandPolicy
from rules.rulebook import Rulebook

HELSINKI = ZoneInfo("Europe/Helsinki")
DOOR = LatLng(60.1699, 24.9384)


def at(text: str, zone: ZoneInfo = HELSINKI) -> int:
    """Epoch milliseconds of a wall-clock time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


NOON = at("2026-11-25 12:00")


def geofence(name: str = "shop", tags: tuple[str, ...] = (), /, **properties: Any) -> Geofence:
    return Geofence(
        id=name,
        shape=Circle(DOOR, 40.0),
        properties={"name": "Kirjakauppa", **properties},
        tags=frozenset(tags),
        area_radius_m=40.0,
    )


def document(**fields: Any) -> dict[str, Any]:
    """An offer document that pushes on entering the shop, changed by ``fields``."""
    return {
        "id": "sale",
        "name": "Two-day sale",
        "status": "active",
        "targets": {"geofences": ["shop"]},
        "trigger": {"type": "enter"},
        "messages": {"en": {"title": "Sale", "body": "Come in today."}},
        **fields,
    }


def offer(policy: BrandPolicy = DEFAULT_POLICY, **fields: Any) -> Offer:
    return parse_offer(document(**fields), policy)


def transition(kind: str = "enter", at_ms: int = NOON, **fields: Any) -> Transition:
    return Transition(
        **{
            "user_id": "ann",
            "geofence_id": "shop",
            "kind": TransitionKind(kind),
            "at_ms": at_ms,
            "visit_id": "v1",
            "entered_at_ms": at_ms,
            "accuracy_m": 10.0,
            **fields,
        }
    )


def shopper(**fields: Any) -> Shopper:
    return msgspec.structs.replace(Shopper(user_id="ann", consent=Consent(True, True, True)), **fields)


def fix(at_ms: int = NOON, **fields: Any) -> Ping:
    return Ping(**{"user_id": "ann", "at_ms": at_ms, "lat": DOOR.lat, "lng": DOOR.lng, "accuracy_m": 10.0, **fields})


def decide(
    *offers: Offer,
    at_ms: int = NOON,
    who: Shopper | None = None,
    what: Transition | None = None,
    where: Geofence | None = None,
    seen: Ping | None = None,
    policy: BrandPolicy = DEFAULT_POLICY,
    timer: bool = False,
    **options: Any,
) -> Decision:
    """Evaluate offers for one transition at one instant."""
    place = where or geofence()
    rulebook = Rulebook.build(offers, {place.id: place}, policy)
    happened = what or transition(at_ms=at_ms)
    ping = None if timer else seen or fix(at_ms)
    return evaluate(rulebook, [happened], who or shopper(), at_ms, ping, **options)


def only(decision: Decision) -> Candidate:
    """The one candidate of a decision."""
    (candidate,) = decision.candidates
    return candidate


def refusing(candidate: Candidate) -> tuple[str, str, str]:
    """(gate, rule, would_pass) of the first refusal; ("", "", "") where none refused."""
    return next(((str(v.gate), v.rule, v.would_pass) for v in candidate.verdicts if not v.passed), ("", "", ""))
