"""Offers over HTTP. Nothing is stored that could fail to compile, or that names a store which is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import InvalidDocument
from gateway.ops import stored
from gateway.ops.approval import hold_back
from gateway.ops.geofences import LIST_PARAMETERS
from gateway.store.budgets import budgets_of
from gateway.store.catalog import Change, Document, Kind
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import cursor_after, expected_version, page_cursor, page_limit, path_id
from gateway.web.faults import decode_object, refused
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from rules.lifecycle import succeed
from rules.lint import lint
from rules.offers import Offer, OfferErrors, Status, decode_offer, encode_offer, parse_offer

_EXAMPLE: dict[str, Any] = {
    "name": "Soup at lunch",
    "status": "active",
    "targets": {"tags": ["cafe"]},
    "trigger": {"type": "dwell", "dwell_s": 60},
    "weekly": [{"start": "10:30", "end": "14:00"}],
    "messages": {"en": {"title": "Soup of the day", "body": "Have today's soup at {{ store.name }} until 14:00."}},
}


@operation(
    "PUT",
    "/v1/offers/{offer_id}",
    needs=Permission.WRITE_OFFERS,
    body=Offer,
    answer=stored.Stored,
    parameters=(stored.DRY_RUN, *stored.CONDITIONAL),
    also=(412,),
    example=_EXAMPLE,
)
async def put_offer(request: web.Request) -> web.StreamResponse:
    """Put an offer. It is live in all workers within 200 ms, unless it reaches so many that it waits for approval.

    Refused with a JSON pointer for every fault: unknown fields, rules that do not compile, hours that cannot be read,
    geofences that do not exist. What is doubtful but possible comes back as warnings.
    """
    context = request.app[CONTEXT]
    body = await read_body(request, context.settings.max_body_bytes, context.settings.max_inflated_bytes)
    offer_id = path_id(request, "offer_id")
    return await _put(request, offer_id, decode_object(body), expected_version(request))


@operation(
    "PATCH",
    "/v1/offers/{offer_id}",
    needs=Permission.WRITE_OFFERS,
    body=dict[str, Any],
    answer=stored.Stored,
    parameters=(stored.DRY_RUN, *stored.CONDITIONAL),
    also=(412,),
    content_types=("application/merge-patch+json", "application/json"),
    example={"status": "paused"},
)
async def patch_offer(request: web.Request) -> web.StreamResponse:
    """Change members of an offer by a merge patch (RFC 7396), for example to pause it at once."""
    offer_id = path_id(request, "offer_id")
    document, version = await stored.patched(request, Kind.OFFER, offer_id)
    return await _put(request, offer_id, document, version)


async def _put(
    request: web.Request, offer_id: str, document: dict[str, Any], expected: int | None
) -> web.StreamResponse:
    context = request.app[CONTEXT]
    if document.setdefault("id", offer_id) != offer_id:
        raise InvalidDocument(f"the address names the offer {offer_id!r}, the document another", pointer="/id")
    await context.catalog.refresh()
    try:
        offer = parse_offer(document, context.catalog.current.rulebook.policy)
    except OfferErrors as found:
        raise refused(found) from None
    _refuse_missing_geofences(context, offer)
    rulebook = context.catalog.current.rulebook
    before = rulebook.get(offer_id)
    try:
        offer = succeed(before, offer, now_ms(), request[IDENTITY].name)
    except OfferErrors as found:
        raise refused(found) from None
    offer, advice = await hold_back(request, before, offer)
    change = Change(kind=Kind.OFFER, id=offer_id, body=encode_offer(offer), expected=expected)
    action = "submit" if offer.status is Status.SUBMITTED else "put"
    return await stored.put(request, change, [*advice, *lint(offer, rulebook.policy)], offer.status, action)


@operation(
    "GET",
    "/v1/offers/{offer_id}",
    needs=Permission.READ_CATALOG,
    answer=Offer,
    parameters=(stored.IF_CHANGED,),
    also=(304,),
)
async def get_offer(request: web.Request) -> web.StreamResponse:
    """Get an offer as it was put, with what the catalog keeps of it; members that have their default are left out."""
    return await stored.show(request, Kind.OFFER, path_id(request, "offer_id"), shown)


@operation(
    "DELETE",
    "/v1/offers/{offer_id}",
    needs=Permission.WRITE_OFFERS,
    status=204,
    parameters=stored.CONDITIONAL,
    also=(412,),
)
async def delete_offer(request: web.Request) -> web.StreamResponse:
    """Delete an offer and the counts of its stock and caps; pushes already claimed are still delivered."""
    offer_id = path_id(request, "offer_id")
    answer = await stored.delete(request, Kind.OFFER, offer_id)
    for budget in budgets_of(offer_id, now_ms(), total_cap=1, stock=1, max_per_hour=1):
        await request.app[CONTEXT].store.budgets.forget(budget.budget_id)
    return answer


@operation("GET", "/v1/offers", needs=Permission.READ_CATALOG, answer=dict[str, Any], parameters=LIST_PARAMETERS)
async def list_offers(request: web.Request) -> web.StreamResponse:
    """List offers in order of id, a page at a time."""
    limit, after = page_limit(request), page_cursor(request) or ""
    found = await request.app[CONTEXT].store.catalog.list(Kind.OFFER, after=after, limit=limit + 1)
    items = [orjson.Fragment(shown(document)) for document in found[:limit]]
    next_cursor = cursor_after(found[limit - 1].id) if len(found) > limit else None
    return web.Response(
        body=orjson.dumps({"items": items, "next_cursor": next_cursor}), content_type="application/json"
    )


OPERATIONS = (list_offers, put_offer, patch_offer, get_offer, delete_offer)


def shown(document: Document) -> bytes:
    """A stored offer as it is shown: with the version that its ETag, its pushes and its approval name."""
    return encode_offer(msgspec.structs.replace(decode_offer(document.body), version=document.version))


def _refuse_missing_geofences(context: Context, offer: Offer) -> None:
    index = context.catalog.current.index
    faults = [
        {
            "pointer": f"/targets/geofences/{place}",
            "code": "missing_geofence",
            "detail": f"There is no geofence {geofence_id!r}; put it first, or take it out here.",
        }
        for place, geofence_id in enumerate(offer.targets.geofences)
        if index.get(geofence_id) is None
    ]
    if faults:
        raise InvalidDocument(faults[0]["detail"], errors=faults, pointer=faults[0]["pointer"])
