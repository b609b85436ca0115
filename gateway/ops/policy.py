"""The brand's policy over HTTP: pressure limits, quiet hours, fix quality, holdout, declared attributes."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.catalog.compiling import BRAND_POLICY_ID
from gateway.ops import stored
from gateway.store.catalog import Change, Kind
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import document_answer, expected_version
from gateway.web.faults import refused
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from rules.policy import BrandPolicy, parse_policy
from rules.strict import DocumentErrors


@operation(
    "GET",
    "/v1/policy",
    needs=Permission.READ_CATALOG,
    answer=BrandPolicy,
    parameters=(stored.IF_CHANGED,),
    also=(304,),
)
async def get_policy(request: web.Request) -> web.StreamResponse:
    """Get the brand's policy; before one was put, the defaults at version 0."""
    document = await request.app[CONTEXT].store.catalog.get(Kind.POLICY, BRAND_POLICY_ID)
    if document is None:
        return document_answer(BrandPolicy(), 0)
    return await stored.show(request, Kind.POLICY, BRAND_POLICY_ID)


@operation(
    "PUT",
    "/v1/policy",
    needs=Permission.WRITE_POLICY,
    body=BrandPolicy,
    answer=stored.Stored,
    parameters=(stored.DRY_RUN, *stored.CONDITIONAL),
    also=(412,),
    example={"caps": [{"scope": "user", "max": 2}], "quiet_hours": {"start": "21:00", "end": "09:00"}},
)
async def put_policy(request: web.Request) -> web.StreamResponse:
    """Put the brand's policy; what it leaves out has its default. Live in all workers within 200 ms."""
    body = await read_body(request, request.app[CONTEXT].settings.max_body_bytes)
    try:
        policy = parse_policy(body)
    except DocumentErrors as found:
        raise refused(found) from None
    change = Change(
        kind=Kind.POLICY, id=BRAND_POLICY_ID, body=msgspec.json.encode(policy), expected=expected_version(request)
    )
    return await stored.put(request, change)


OPERATIONS = (get_policy, put_policy)
