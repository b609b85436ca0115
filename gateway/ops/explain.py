"""POST /v1/explain: a walk through the real engine and rules, every gate's verdict shown, nothing changed or sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.catalog.compiling import with_offers
from gateway.catalog.snapshot import Snapshot
from gateway.clock import EARLIEST_MS, LATEST_MS, now_ms
from gateway.counting import read_counters
from gateway.errors import BadRequest, InvalidDocument
from gateway.ops.users import UserDocument
from gateway.ops.walks import DrawnWalk, pings_of
from gateway.simulation import Moment, simulate
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import json_answer
from gateway.web.faults import decode_document, refused
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from geofences.model import Ping
from rules.model import Consent, Shopper
from rules.offers import Offer, Status, parse_offer
from rules.strict import DocumentErrors, fault

MAX_OFFERS = 20
"""Drafts to try at once."""
MAX_PINGS = 5_000
"""An hour and a half of one ping a second: a thread is busy for a second or two."""


class WalkedPing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fix of the walk, as in POST /v1/pings; whose it is says the question."""

    ts: Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    accuracy: Annotated[float, Meta(ge=0)] | None = None
    speed: Annotated[float, Meta(ge=0)] | None = None
    heading: Annotated[float, Meta(ge=0, le=360)] | None = None
    mock: bool = False
    user_id: str = ""
    source: str = ""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who walks where, and when: ``pings`` as a phone sent them, or a ``walk`` as drawn, which begins now.

    ``user`` replaces what is stored of the user, past pushes included. ``at_ms`` moves the walk in time, so that its
    first ping is at that instant: "would it fire on Friday at noon?". ``offers`` are drafts to try beside, or in the
    place of, the live ones; they count as active.
    """

    user_id: Annotated[str, Meta(min_length=1, max_length=128)]
    pings: Annotated[tuple[WalkedPing, ...], Meta(max_length=MAX_PINGS)] = ()
    walk: DrawnWalk | None = None
    user: UserDocument | None = None
    at_ms: Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)] | None = None
    offers: Annotated[tuple[dict[str, Any], ...], Meta(max_length=MAX_OFFERS)] = ()


class Explanation(msgspec.Struct, frozen=True):
    """What happened at each ping and between them. ``is_known`` tells whether anything is stored of the user."""

    catalog_version: int
    is_known: bool
    moments: Sequence[dict[str, Any]]


@operation(
    "POST",
    "/v1/explain",
    needs=Permission.SIMULATE,
    body=Question,
    answer=Explanation,
    example={
        "user_id": "u-1",
        "user": {"consent": {"location": True, "push": True, "profiling": True}},
        "pings": [{"ts": 1767261600000, "lat": 60.1712, "lon": 24.9414, "accuracy": 8}],
    },
)
async def explain(request: web.Request) -> web.StreamResponse:
    """Explain a walk: its transitions, and of every offer it touched each gate's verdict, actual and required.

    Nothing is changed and nothing is sent. The user starts in no geofence. Without ``user`` the walker is the stored
    user, which needs the permission users:read as well.
    """
    context = request.app[CONTEXT]
    question = decode_document(await read_body(request, context.settings.max_body_bytes), Question)
    if question.user is None:
        request[IDENTITY].require(Permission.READ_USERS)
    pings = _walk(question)
    shopper = await _shopper(context, question)
    await context.catalog.refresh()
    snapshot = context.catalog.current
    drafts = _drafts(question, snapshot)
    tried = await asyncio.to_thread(with_offers, snapshot, drafts) if drafts else snapshot
    counters = await read_counters(context.store, tried.rulebook)
    known = shopper or Shopper(user_id=question.user_id)

    def walked() -> list[dict[str, Any]]:
        return [_told(moment, pings) for moment in simulate(tried, known, pings, counters)]

    moments = await asyncio.to_thread(walked)
    return json_answer(Explanation(snapshot.version, shopper is not None, moments))


OPERATIONS = (explain,)


def _walk(question: Question) -> list[Ping]:
    """The pings in time order, moved to the wanted instant. Raises BadRequest beyond all dates, InvalidDocument."""
    if bool(question.pings) == (question.walk is not None):
        raise InvalidDocument("give either pings, at least one, or a walk", pointer="/pings")
    if question.walk is not None:
        return pings_of(question.walk, question.user_id, question.at_ms or now_ms(), MAX_PINGS)
    ordered = sorted(question.pings, key=lambda ping: ping.ts)
    shift_ms = 0 if question.at_ms is None else question.at_ms - ordered[0].ts
    if ordered[-1].ts + shift_ms > LATEST_MS:
        raise BadRequest("at_ms moves the walk past the last date that can be told", pointer="/at_ms")
    return [
        Ping(
            user_id=question.user_id,
            at_ms=p.ts + shift_ms,
            lat=p.lat,
            lng=p.lon,
            accuracy_m=p.accuracy,
            speed_mps=p.speed,
            heading_deg=p.heading,
            mock=p.mock,
            source="explain",
        )
        for p in ordered
    ]


def _drafts(question: Question, snapshot: Snapshot) -> list[Offer]:
    """The offers to try, as if active. Raises InvalidDocument with every fault, pointed at within the question."""
    drafts: list[Offer] = []
    for place, document in enumerate(question.offers):
        try:
            offer = parse_offer(document, snapshot.rulebook.policy)
        except DocumentErrors as found:
            within = [fault(f"/offers/{place}{one['pointer']}", one["code"], one["detail"]) for one in found.errors]
            raise refused(DocumentErrors(within)) from None
        drafts.append(msgspec.structs.replace(offer, status=Status.ACTIVE))
    return drafts


async def _shopper(context: Context, question: Question) -> Shopper | None:
    given = question.user
    if given is None:
        return (await context.store.profiles.load_shoppers([question.user_id])).get(question.user_id)
    flags = given.flags(now_ms())
    return Shopper(
        user_id=question.user_id,
        locale=given.locale,
        time_zone=given.checked_zone(),
        attributes=given.attributes,
        consent=Consent(flags.location.granted, flags.push.granted, flags.profiling.granted),
    )


def _told(moment: Moment, pings: Sequence[Ping]) -> dict[str, Any]:
    """A moment as JSON: the ping by its place in time order, each candidate with the gate that refused it."""
    told: dict[str, Any] = msgspec.to_builtins(moment)
    told["ping"] = None if moment.ping is None else pings.index(moment.ping)
    for candidate, shown in zip(moment.candidates, told.get("candidates", ()), strict=True):
        shown["refused_by"] = candidate.refused_by
        shown.pop("limits", None)
    return told
