"""POST /v1/geofences/tags: tags put on, and taken off, many geofences at once."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.errors import BadRequest, InvalidDocument
from gateway.ops import audit, stored
from gateway.store.catalog import Change, Document, Kind
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, SHELVES
from gateway.web.documents import json_answer
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import Permission

MAX_GEOFENCES = 10_000
"""Geofences of one call; more at once is an import."""
AT_ONCE = 200
"""Documents read at once."""

Tag = Annotated[str, Meta(min_length=1, max_length=100)]


class Tagging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which geofences: by id, or all that meet ``bbox`` (west, south, east, north), ``tag`` and ``q``; and what."""

    ids: Annotated[tuple[str, ...], Meta(max_length=MAX_GEOFENCES)] = ()
    bbox: tuple[float, float, float, float] | None = None
    tag: str | None = None
    q: str | None = None
    add: tuple[Tag, ...] = ()
    remove: tuple[Tag, ...] = ()


class Tagged(msgspec.Struct, frozen=True):
    """How many geofences were changed, at which version."""

    changed: int
    version: int


@operation(
    "POST",
    "/v1/geofences/tags",
    needs=Permission.WRITE_GEOFENCES,
    body=Tagging,
    answer=Tagged,
    example={"q": "station", "add": ["station"], "remove": ["city"]},
)
async def tag_geofences(request: web.Request) -> web.StreamResponse:
    """Put tags on, and take tags off, many geofences in one version; those that have them already stay as they are."""
    context = request.app[CONTEXT]
    wanted = decode_document(await read_body(request, context.settings.max_body_bytes), Tagging)
    ids = await _chosen(request, wanted)
    documents: list[Document | None] = []
    for start in range(0, len(ids), AT_ONCE):
        block = ids[start : start + AT_ONCE]
        documents += await asyncio.gather(*(context.store.catalog.get(Kind.GEOFENCE, one) for one in block))
    missing = [place for place, document in enumerate(documents) if document is None]
    if missing:
        raise InvalidDocument(f"there is no geofence {ids[missing[0]]!r}", pointer=f"/ids/{missing[0]}")
    changes = [change for document in documents if document and (change := _retagged(document, wanted))]
    version = await stored.commit(request, changes)
    if changes:
        after = {"add": wanted.add, "remove": wanted.remove, "changed": len(changes), "version": version}
        await audit.record(request, "tag", "geofences", after=after)
    return json_answer(Tagged(len(changes), version))


OPERATIONS = (tag_geofences,)


async def _chosen(request: web.Request, wanted: Tagging) -> list[str]:
    if not wanted.add and not wanted.remove:
        raise BadRequest("name tags to add or to remove", pointer="/add")
    has_filter = any(part is not None for part in (wanted.bbox, wanted.tag, wanted.q))
    if bool(wanted.ids) == has_filter:
        raise BadRequest("choose geofences either by ids or by bbox, tag and q", pointer="/ids")
    if wanted.ids:
        return list(wanted.ids)
    catalog = request.app[CONTEXT].catalog
    await catalog.refresh()
    shelf = await request.app[SHELVES].of(catalog.current)
    found, is_more = shelf.page(None, MAX_GEOFENCES, bbox=wanted.bbox, tag=wanted.tag, text=wanted.q)
    if is_more:
        raise BadRequest(f"this chooses more than {MAX_GEOFENCES} geofences; narrow it down")
    return [geofence.id for geofence in found]


def _retagged(document: Document, wanted: Tagging) -> Change | None:
    """The change that a geofence needs; None where it has the tags already. Its covering stays as it is."""
    feature: dict[str, Any] = msgspec.json.decode(document.body)
    properties = dict(feature.get("properties") or {})
    before = list(properties.get("tags") or ())
    after = [tag for tag in dict.fromkeys([*before, *wanted.add]) if tag not in wanted.remove]
    if after == before:
        return None
    feature["properties"] = properties | {"tags": after}
    return Change(
        kind=Kind.GEOFENCE,
        id=document.id,
        body=msgspec.json.encode(feature),
        extra=document.extra,
        expected=document.version,
    )
