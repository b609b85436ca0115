"""The catalog's past over HTTP: its versions, what lies between two, one document as it was, and the way back."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.errors import BadRequest, NotFound
from gateway.ops import audit, stored
from gateway.ops.offers import shown
from gateway.store.documents import Kind
from gateway.store.history import Difference, Version
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import cursor_after, etag, json_answer, page_cursor, page_limit, path_id
from gateway.web.faults import decode_document
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission

_KINDS = {"geofences": Kind.GEOFENCE, "offers": Kind.OFFER, "policy": Kind.POLICY}


class VersionPage(msgspec.Struct, frozen=True):
    """Versions, newest first; ``next_before`` goes on."""

    items: Sequence[Version]
    next_before: int | None


class DifferencePage(msgspec.Struct, frozen=True):
    """Documents that differ between two versions, in order of kind and id; ``total`` counts those of all pages."""

    older: int
    newer: int
    total: int
    items: Sequence[Difference]
    next_cursor: str | None


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version to return to."""

    version: Annotated[int, Meta(ge=0)]


class RolledBack(msgspec.Struct, frozen=True):
    """The new version, whose content is the old one's."""

    version: int


@operation(
    "GET",
    "/v1/catalog/versions",
    needs=Permission.READ_CATALOG,
    answer=VersionPage,
    parameters=(
        Parameter("limit", "Items of one page, 1 to 1,000.", {"type": "integer", "default": 100}),
        Parameter("before", "Only versions before this one.", {"type": "integer"}),
    ),
)
async def list_versions(request: web.Request) -> web.StreamResponse:
    """List the catalog's versions, newest first: when, by whom, and how many documents changed."""
    limit = page_limit(request)
    before = _number(request, "before") if "before" in request.query else None
    items = await request.app[CONTEXT].store.history.versions(before=before, limit=limit)
    return json_answer(VersionPage(items, items[-1].version if len(items) == limit else None))


@operation(
    "GET",
    "/v1/catalog/diff",
    needs=Permission.READ_CATALOG,
    answer=DifferencePage,
    parameters=(
        Parameter("older", "A version.", {"type": "integer"}),
        Parameter("newer", "A later one; by default the present.", {"type": "integer"}),
        Parameter("limit", "Items of one page, 1 to 1,000; without it all come at once.", {"type": "integer"}),
        Parameter("cursor", "next_cursor of the page before; name the same versions."),
    ),
    also=(404,),
)
async def diff(request: web.Request) -> web.StreamResponse:
    """Tell which documents differ between two versions, with their own versions before and after."""
    store = request.app[CONTEXT].store
    older = _number(request, "older")
    newer = _number(request, "newer") if "newer" in request.query else await store.catalog.version()
    after = page_cursor(request) or ""
    found = await store.history.diff(older, newer)
    limit = page_limit(request) if "limit" in request.query else len(found)
    start = bisect.bisect_right(found, after, key=_name)
    items = found[start : start + limit]
    next_cursor = cursor_after(_name(items[-1])) if start + limit < len(found) else None
    return json_answer(DifferencePage(older, newer, len(found), items, next_cursor))


@operation(
    "GET",
    "/v1/catalog/versions/{version}/{kind}/{document_id}",
    needs=Permission.READ_CATALOG,
    answer=dict[str, object],
)
async def get_earlier(request: web.Request) -> web.StreamResponse:
    """Get a geofence or an offer as it was at a version of the catalog."""
    kind = _KINDS.get(request.match_info["kind"])
    if kind is None or not request.match_info["version"].isdecimal():
        raise NotFound(f"there is no such document; its kind is one of {', '.join(_KINDS)}")
    version, document_id = int(request.match_info["version"][:18]), path_id(request, "document_id")
    document = await request.app[CONTEXT].store.history.document(kind, document_id, version)
    headers = {"ETag": etag(document.version)}
    body = shown(document) if kind is Kind.OFFER else document.body
    return web.Response(body=body, content_type="application/json", headers=headers)


@operation(
    "POST",
    "/v1/catalog/rollback",
    needs=Permission.ROLL_BACK,
    body=Rollback,
    answer=RolledBack,
    also=(404, 412),
    example={"version": 12},
)
async def roll_back(request: web.Request) -> web.StreamResponse:
    """Make the catalog again what it was at a version, as a new version; the rollback can be rolled back too."""
    context = request.app[CONTEXT]
    wanted = decode_document(await read_body(request, context.settings.max_body_bytes), Rollback)
    version = await context.store.history.rollback(wanted.version, at_ms=now_ms(), author=request[IDENTITY].name)
    await context.catalog.refresh()
    await stored.tell(request, version, [f"rollback/{wanted.version}"])
    await audit.record(request, "rollback", "catalog", after={"to": wanted.version, "version": version})
    return json_answer(RolledBack(version))


OPERATIONS = (list_versions, diff, get_earlier, roll_back)


def _name(difference: Difference) -> str:
    return f"{difference.kind}/{difference.id}"


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise BadRequest(f"{name} must be a version of the catalog, a whole number", parameter=name)
    return int(text)
