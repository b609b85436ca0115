"""POST /v1/pings: our own formats."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.ingest.decode import JSON_TYPE, Rejected, WirePing, decode_pings
from gateway.ingest.intake import INTAKE
from gateway.ingest.offers import waiting_for, wants_offers
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission


class Accepted(msgspec.Struct, frozen=True):
    """How many pings were taken, and which were not and why; with ``offers=true`` also the in-app offers that wait."""

    accepted: int
    rejected: list[Rejected]
    offers: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


@operation(
    "POST",
    "/v1/pings",
    needs=Permission.SEND_PINGS,
    body=WirePing | list[WirePing],
    answer=Accepted,
    status=202,
    content_types=("application/json", "application/x-ndjson"),
    parameters=(
        Parameter("offers", "Answer with the in-app offers that wait for the pings' users.", {"type": "boolean"}),
    ),
    also=(429,),
    example={"user_id": "u-1", "ts": 1767225600000, "lat": 60.1699, "lon": 24.9384, "accuracy": 12.0},
)
async def post_pings(request: web.Request) -> web.StreamResponse:
    """Take location pings.

    One JSON object, an array, or newline-delimited JSON, at most 10,000 pings, also packed (gzip, deflate, zstd).
    Bad pings are refused one by one with their index; the good ones are taken all the same.
    """
    received_at_ms, is_asked = now_ms(), wants_offers(request)
    context = request.app[CONTEXT]
    settings = context.settings
    body = await read_body(request, settings.max_body_bytes, settings.max_inflated_bytes)
    identity = request[IDENTITY]
    decoded = decode_pings(body, request.content_type, settings.max_batch_pings, identity.user_id)
    if decoded.pings:
        await request.app[INTAKE].take(decoded.pings, received_at_ms, identity.payer)
    for refused in decoded.rejected:
        context.metrics.pings_rejected.labels(refused.code).inc()
    if is_asked:
        offers = await waiting_for(context.store.inbox, decoded.pings)
        return json_answer({"accepted": len(decoded.pings), "rejected": decoded.rejected, "offers": offers}, status=202)
    if not decoded.rejected:
        body = b'{"accepted":%d,"rejected":[]}' % len(decoded.pings)
        return web.Response(status=202, body=body, content_type=JSON_TYPE)
    return json_answer(Accepted(len(decoded.pings), decoded.rejected), status=202)
