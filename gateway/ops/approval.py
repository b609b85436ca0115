"""The second person: offers that reach many wait for someone else's word, which holds for the version that he saw.

Pausing asks nobody: whoever may pause an offer stops it at once.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from gateway.ops import stored
from gateway.ops.ownership import refuse_foreign_offer
from gateway.ops.reach import estimate
from gateway.store.catalog import Change, Document, Kind
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import document_answer, path_id
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from rules.document import Review
from rules.lifecycle import approve, is_same, reject, submit
from rules.offers import Advice, Offer, Status, decode_offer, encode_offer

MAX_BODY_BYTES = 16_384
MAX_RACES = 5
"""Times that a pause is tried again because somebody else saved the offer meanwhile."""


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that was looked at: the offer's ``version``, or its ETag without quotes."""

    version: Annotated[int, Meta(ge=1)]


class Rejection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that was looked at, and what its author should know."""

    version: Annotated[int, Meta(ge=1)]
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


async def hold_back(request: web.Request, before: Offer | None, offer: Offer) -> tuple[Offer, list[Advice]]:
    """The offer as its author may save it: submitted in the place of active where it needs a second person.

    That is where it would reach more users a week than the setting ``approval_reach``, or nobody can tell how many, and
    has neither been approved nor been live as it is. The advice says so.
    """
    context, key_id = request.app[CONTEXT], request[IDENTITY].key_id
    limit = context.settings.approval_reach
    if offer.status is not Status.SUBMITTED:
        is_live_already = before is not None and before.is_live and is_same(before, offer)
        if not limit or not offer.is_live or offer.is_approved or is_live_already:
            return offer, []
    reach = await _reach(context, offer)
    if offer.status is Status.SUBMITTED:
        return submit(before, offer, now_ms(), key_id, reach), []
    if reach is None:
        why = "nothing is known yet of who enters its geofences"
    elif reach > limit:
        why = f"it would reach about {reach:,} users a week, more than the {limit:,} that one person may decide on"
    else:
        return offer, []
    advice = Advice("/status", "needs_approval", f"It waits for a second person's approval and is not live: {why}.")
    return submit(before, offer, now_ms(), key_id, reach), [advice]


@operation("POST", "/v1/offers/{offer_id}/pause", needs=Permission.PAUSE_OFFERS, answer=stored.Stored, also=(409, 412))
async def pause_offer(request: web.Request) -> web.StreamResponse:
    """Pause an offer at once, whoever approved it; one that is paused already stays so."""
    for race in range(MAX_RACES):
        document, offer = await _offer(request)
        await request.app[CONTEXT].catalog.refresh()
        refuse_foreign_offer(request, offer)
        if offer.status is Status.PAUSED:
            return document_answer(stored.Stored(document.id, document.version, (), offer.status), document.version)
        if offer.status is not Status.ACTIVE:
            raise Conflict(f"only an active offer can be paused; this one is {offer.status}")
        try:
            return await _keep(request, document, msgspec.structs.replace(offer, status=Status.PAUSED), "pause")
        except PreconditionFailed:
            if race == MAX_RACES - 1:
                raise
    raise AssertionError


@operation(
    "POST",
    "/v1/offers/{offer_id}/approve",
    needs=Permission.APPROVE_OFFERS,
    body=Approval,
    answer=stored.Stored,
    also=(409, 412),
    example={"version": 12},
)
async def approve_offer(request: web.Request) -> web.StreamResponse:
    """Approve a submitted offer: it goes live at once, as it was at the version named. Not for its submitter.

    The approval holds for that content; an edit that reaches too many needs another one.
    """
    wanted = decode_document(await read_body(request, MAX_BODY_BYTES), Approval)
    document, offer, review = await _submitted(request, wanted.version)
    return await _keep(request, document, approve(offer, review, now_ms(), request[IDENTITY].name), "approve")


@operation(
    "POST",
    "/v1/offers/{offer_id}/reject",
    needs=Permission.APPROVE_OFFERS,
    body=Rejection,
    answer=stored.Stored,
    also=(409, 412),
    example={"version": 12, "reason": "The discount ends on Friday, the campaign on Sunday."},
)
async def reject_offer(request: web.Request) -> web.StreamResponse:
    """Reject a submitted offer with a reason: it is a draft again, or paused if it had been live."""
    wanted = decode_document(await read_body(request, MAX_BODY_BYTES), Rejection)
    document, offer, review = await _submitted(request, wanted.version)
    rejected = reject(offer, review, now_ms(), request[IDENTITY].name, wanted.reason)
    return await _keep(request, document, rejected, "reject")


OPERATIONS = (pause_offer, approve_offer, reject_offer)


async def _reach(context: Context, offer: Offer) -> int | None:
    """The users a week that an offer would reach; None where there is nothing to tell it from."""
    reach = await estimate(context, offer)
    return reach.users_per_week if reach.basis_days else None


async def _offer(request: web.Request) -> tuple[Document, Offer]:
    offer_id = path_id(request, "offer_id")
    document = await request.app[CONTEXT].store.catalog.get(Kind.OFFER, offer_id)
    if document is None:
        raise NotFound(f"there is no offer {offer_id!r}")
    return document, decode_offer(document.body)


async def _submitted(request: web.Request, version: int) -> tuple[Document, Offer, Review]:
    """The submitted offer at this version. Raises PreconditionFailed, Conflict, or Forbidden for its submitter."""
    document, offer = await _offer(request)
    if document.version != version:
        raise PreconditionFailed(f"the offer is at version {document.version} now; look at it again, then decide")
    if offer.status is not Status.SUBMITTED or offer.review is None:
        raise Conflict(f"only a submitted offer is approved or rejected; this one is {offer.status}")
    if offer.review.submitted_key == request[IDENTITY].key_id:
        raise Forbidden("you submitted this offer; someone else has to decide on it")
    return document, offer, offer.review


async def _keep(request: web.Request, document: Document, offer: Offer, action: str) -> web.StreamResponse:
    change = Change(kind=Kind.OFFER, id=document.id, body=encode_offer(offer), expected=document.version)
    version = await stored.change_one(request, change, action)
    return document_answer(stored.Stored(document.id, version, (), offer.status), version)
