"""POST /v1/events: what shoppers do, and what became of their pushes.

Behaviour goes into the profile within the same second, so that the next ping's audience sees it. Outcomes are counted
per offer, variant, store and day, each once by push id, and become behaviour too; purchases count for the pushes, and
the withheld ones, of the week before. One bad event never loses the good ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import EARLIEST_MS, LATEST_MS, now_ms
from gateway.errors import BadRequest, Forbidden, InvalidDocument, TooLarge
from gateway.ingest.decode import NDJSON_TYPES, Rejected
from gateway.store import Store
from gateway.store.behaviour import Event, Recorded
from gateway.store.outcomes import PushFacts
from gateway.web.auth import IDENTITY, Identity
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer
from gateway.web.faults import fault_of, refuse_huge_integers
from gateway.web.operations import operation
from gateway.web.permissions import Permission

OUTCOMES: Final = frozenset({"opened", "dismissed", "converted", "opted_out"})
"""Names that tell of a push; they need its ``push_id``."""
PURCHASE: Final = "purchase"
"""The behaviour by which those who got a push are compared with those who were held out."""
MAX_EVENTS: Final = 1_000
"""Events of one request: each is a change of its user's profile."""
MAX_PROPERTIES: Final = 16
CENTS: Final = 100

Scalar = str | int | float | bool | None


class EventDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event. ``id`` is an idempotency key; ``value`` an amount of money, which a conversion counts as revenue."""

    user_id: Annotated[str, Meta(min_length=1, max_length=128)]
    name: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_:./-]{0,63}$")]
    ts: Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)] | None = None
    value: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    properties: Annotated[dict[Annotated[str, Meta(max_length=64)], Scalar], Meta(max_length=MAX_PROPERTIES)] = {}
    id: Annotated[str, Meta(max_length=64)] = ""
    push_id: Annotated[str, Meta(max_length=64)] | None = None


class EventsAnswer(msgspec.Struct, frozen=True):
    """How many events were recorded, how many had been before, and which were refused and why."""

    accepted: int
    duplicates: int
    rejected: Sequence[Rejected]


@operation(
    "POST",
    "/v1/events",
    needs=Permission.REPORT_EVENTS,
    body=EventDocument | list[EventDocument],
    answer=EventsAnswer,
    status=202,
    content_types=("application/json", "application/x-ndjson"),
    example={"user_id": "u-1", "name": "viewed", "properties": {"category": "shoes"}, "id": "view-7f3a"},
)
async def post_events(request: web.Request) -> web.StreamResponse:
    """Take behaviour events (``viewed``, ``cart_abandoned``, ``purchase``, any name) and outcomes of pushes.

    Outcomes are ``opened``, ``dismissed``, ``converted`` (with ``value`` as revenue) and ``opted_out``, with the
    ``push_id`` that the notification carried; later audiences find ``opened:<offer id>`` among the user's events. A
    ``purchase`` counts for each offer that the user got, or was held out of, in the week before. Behaviour is kept only
    of users who consented to profiling.
    """
    context = request.app[CONTEXT]
    settings = context.settings
    body = await read_body(request, settings.max_body_bytes, settings.max_inflated_bytes)
    told, rejected = _decoded(body, request.content_type, request[IDENTITY])
    at_ms = now_ms()
    recorded = await _record_behaviour(context.store, [(i, e) for i, e in told if e.name not in OUTCOMES], at_ms)
    await _count_purchases(
        context.store, [e for i, e in told if e.name == PURCHASE and recorded[i] is Recorded.RECORDED], at_ms
    )
    for index, event in told:
        if event.name in OUTCOMES:
            recorded[index] = await _record_outcome(context.store, event, event.ts or at_ms)
    accepted = sum(answer is Recorded.RECORDED for answer in recorded.values())
    duplicates = sum(answer is Recorded.DUPLICATE for answer in recorded.values())
    rejected += [
        Rejected(index, answer, _WHY[answer])
        for index, answer in recorded.items()
        if answer not in {Recorded.RECORDED, Recorded.DUPLICATE}
    ]
    return json_answer(EventsAnswer(accepted, duplicates, sorted(rejected, key=lambda one: one.index)), status=202)


OPERATIONS = (post_events,)

UNKNOWN_PUSH: Final = "unknown_push"
_WHY: Final = {
    Recorded.NO_CONSENT: "this user has not consented to profiling, so behaviour is not kept",
    UNKNOWN_PUSH: "this user got no push of this id",
}


def _decoded(
    body: bytes, content_type: str, identity: Identity
) -> tuple[list[tuple[int, EventDocument]], list[Rejected]]:
    told: list[tuple[int, EventDocument]] = []
    rejected: list[Rejected] = []
    for index, document in enumerate(_elements(body, content_type)):
        try:
            if isinstance(document, msgspec.DecodeError):
                rejected.append(Rejected(index, "malformed", f"this line is not JSON: {document}"))
                continue
            event = msgspec.convert(document, EventDocument)
            refuse_huge_integers(event.properties, "/properties")
            identity.speak_for(event.user_id)
            if event.name in OUTCOMES and event.push_id is None:
                rejected.append(Rejected(index, "missing_field", f"{event.name} needs the push_id of its push"))
            else:
                told.append((index, event))
        except msgspec.ValidationError as error:
            fault = fault_of(error, EventDocument.__struct_fields__)
            rejected.append(
                Rejected(index, fault.code, f"{fault.pointer}: {fault.detail}" if fault.pointer else fault.detail)
            )
        except InvalidDocument as error:
            rejected.append(Rejected(index, "out_of_range", f"{error.pointer}: {error.detail}"))
        except Forbidden as error:
            rejected.append(Rejected(index, error.code, error.detail))
    return told, rejected


def _elements(body: bytes, content_type: str) -> Sequence[Any]:
    """The events of a body, unchecked; in place of a line that is no JSON, its error. Raises BadRequest, TooLarge."""
    if content_type in NDJSON_TYPES:
        elements = [_line(line) for line in body.split(b"\n") if line.strip()]
    else:
        decoded = _line(body)
        if isinstance(decoded, msgspec.DecodeError):
            raise BadRequest(f"the body is not JSON: {decoded}")
        elements = decoded if isinstance(decoded, list) else [decoded]
    if len(elements) > MAX_EVENTS:
        raise TooLarge(f"at most {MAX_EVENTS} events a request, this one has {len(elements)}")
    return elements


def _line(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return error


async def _record_behaviour(store: Store, told: Sequence[tuple[int, EventDocument]], at_ms: int) -> dict[int, str]:
    events = [
        Event(
            user_id=event.user_id,
            name=event.name,
            at_ms=min(event.ts or at_ms, at_ms),
            value=event.value,
            properties=event.properties,
            event_id=event.id,
        )
        for _, event in told
    ]
    answers = await store.behaviour.record(events) if events else []
    return {index: answer for (index, _), answer in zip(told, answers, strict=True)}


async def _record_outcome(store: Store, event: EventDocument, at_ms: int) -> str:
    """Count an outcome of a push under the day it was claimed, so that a funnel's steps are of the same pushes."""
    facts = await store.outcomes.record(event.user_id, event.push_id or "", event.name, at_ms)
    if facts is None:
        return UNKNOWN_PUSH
    if event.name == "opted_out":
        await store.profiles.withdraw_push(event.user_id, at_ms, "push")
    if not facts.is_first:
        return Recorded.DUPLICATE
    _count(store, facts, event.name)
    if event.name == "converted" and event.value:
        _count(store, facts, "revenue_cents", round(event.value * CENTS))
    name = f"{event.name}:{facts.offer_id}"
    await store.behaviour.record([Event(user_id=event.user_id, name=name, at_ms=at_ms, value=event.value)])
    return Recorded.RECORDED


async def _count_purchases(store: Store, events: Sequence[EventDocument], at_ms: int) -> None:
    """Count what was bought after pushes and after ghosts alike: opened or not, delivered or not."""
    purchases = [(event.user_id, min(event.ts or at_ms, at_ms)) for event in events]
    for event, followed in zip(events, await store.outcomes.record_purchases(purchases), strict=True):
        for facts in followed:
            arm = "held_out_" if facts.is_ghost else ""
            if facts.is_first:
                _count(store, facts, f"{arm}purchased")
            if event.value:
                _count(store, facts, f"{arm}spent_cents", round(event.value * CENTS))


def _count(store: Store, facts: PushFacts, what: str, amount: int = 1) -> None:
    store.statistics.count(
        facts.claimed_at_ms,
        facts.offer_id,
        what,
        geofence_id=facts.geofence_id,
        variant=facts.variant,
        amount=amount,
    )
