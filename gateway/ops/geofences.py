"""Geofences over HTTP: one by one, and in lists filtered by place, tag and text."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec
import orjson
from aiohttp import web

from gateway.catalog.features import feature_of
from gateway.errors import BadRequest, Conflict, InvalidDocument
from gateway.ops import stored
from gateway.ops.features import changes_of
from gateway.ops.tiling import middle_of
from gateway.store.catalog import Kind
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, SHELVES, Context
from gateway.web.documents import cursor_after, expected_version, flag, page_cursor, page_limit, path_id
from gateway.web.faults import decode_object
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from geofences.importing import FeatureError, Limits, parse_feature
from geofences.model import Geofence
from rules.stores import lint_store

MAX_NAMED = 20
"""Offers that a refusal names; more would not help anyone."""

LIST_PARAMETERS = (
    Parameter("limit", "Items of one page, 1 to 1,000.", {"type": "integer", "default": 100}),
    Parameter("cursor", "next_cursor of the page before."),
)
_EXAMPLE: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [24.9414, 60.1712]},
    "properties": {"name": "Station kiosk", "radius_m": 60, "tags": ["kiosk"]},
}


@operation(
    "PUT",
    "/v1/geofences/{geofence_id}",
    needs=Permission.WRITE_GEOFENCES,
    body=dict[str, Any],
    answer=stored.Stored,
    content_types=("application/geo+json", "application/json"),
    parameters=(stored.DRY_RUN, *stored.CONDITIONAL),
    also=(412,),
    example=_EXAMPLE,
)
async def put_geofence(request: web.Request) -> web.StreamResponse:
    """Put a geofence: a GeoJSON Feature with a Polygon, a MultiPolygon, or a Point with ``radius_m``.

    It is live in all workers within 200 ms. Users who are inside are judged by the new shape on their next ping.
    A time zone, a country, opening hours or exceptions that nobody can read come back as warnings.
    """
    context = request.app[CONTEXT]
    body = await read_body(request, context.settings.max_body_bytes, context.settings.max_inflated_bytes)
    geofence_id = path_id(request, "geofence_id")
    return await _put(request, geofence_id, decode_object(body), expected_version(request))


@operation(
    "PATCH",
    "/v1/geofences/{geofence_id}",
    needs=Permission.WRITE_GEOFENCES,
    body=dict[str, Any],
    answer=stored.Stored,
    content_types=("application/merge-patch+json", "application/json"),
    parameters=(stored.DRY_RUN, *stored.CONDITIONAL),
    also=(412,),
    example={"properties": {"name": "Station kiosk", "tags": ["kiosk", "station"]}},
)
async def patch_geofence(request: web.Request) -> web.StreamResponse:
    """Change members of a geofence by a merge patch (RFC 7396): null removes a member, arrays are replaced."""
    geofence_id = path_id(request, "geofence_id")
    document, version = await stored.patched(request, Kind.GEOFENCE, geofence_id)
    return await _put(request, geofence_id, document, version)


async def _put(
    request: web.Request, geofence_id: str, document: dict[str, Any], expected: int | None
) -> web.StreamResponse:
    limits = limits_of(request.app[CONTEXT])
    geofence = await asyncio.to_thread(parse_feature, document, limits, geofence_id)
    if isinstance(geofence, FeatureError):
        fault = {"pointer": geofence.pointer, "code": geofence.code, "detail": geofence.detail}
        raise InvalidDocument(geofence.detail, errors=[fault], pointer=geofence.pointer)
    (change,) = await asyncio.to_thread(changes_of, [geofence], expected)
    return await stored.put(request, change, await asyncio.to_thread(lint_store, geofence))


@operation(
    "GET",
    "/v1/geofences/{geofence_id}",
    needs=Permission.READ_CATALOG,
    answer=dict[str, Any],
    parameters=(stored.IF_CHANGED,),
    also=(304,),
)
async def get_geofence(request: web.Request) -> web.StreamResponse:
    """Get a geofence as a GeoJSON Feature."""
    return await stored.show(request, Kind.GEOFENCE, path_id(request, "geofence_id"))


@operation(
    "DELETE",
    "/v1/geofences/{geofence_id}",
    needs=Permission.WRITE_GEOFENCES,
    status=204,
    parameters=(Parameter("force", "Delete it even if live offers name it.", {"type": "boolean"}), *stored.CONDITIONAL),
    also=(409, 412),
)
async def delete_geofence(request: web.Request) -> web.StreamResponse:
    """Delete a geofence; no push comes of it. Refused while a live offer names it, unless forced."""
    geofence_id = path_id(request, "geofence_id")
    if not flag(request, "force"):
        await _refuse_if_used(request.app[CONTEXT], geofence_id)
    return await stored.delete(request, Kind.GEOFENCE, geofence_id)


@operation(
    "GET",
    "/v1/geofences",
    needs=Permission.READ_CATALOG,
    answer=dict[str, Any],
    parameters=(
        *LIST_PARAMETERS,
        Parameter("bbox", "west,south,east,north in degrees; west may be greater than east over the antimeridian."),
        Parameter("tag", "Only those with this tag."),
        Parameter("q", "Only those whose id or name holds this text, whatever the case."),
        Parameter(
            "outline", "Only id, name, tags, and a point in the middle: for large catalogs.", {"type": "boolean"}
        ),
    ),
)
async def list_geofences(request: web.Request) -> web.StreamResponse:
    """List geofences in order of id, a page at a time.

    With ``outline`` each is told in about a hundred bytes; how they look is what the tiles are for.
    """
    limit, after = page_limit(request), page_cursor(request)
    bbox, tag, text = _bbox(request), request.query.get("tag"), request.query.get("q")
    catalog = request.app[CONTEXT].catalog
    await catalog.refresh()
    shelf = await request.app[SHELVES].of(catalog.current)
    found, is_more = shelf.page(after, limit, bbox=bbox, tag=tag, text=text)
    told = _outline if flag(request, "outline") else feature_of
    items = [orjson.Fragment(told(geofence)) for geofence in found]
    next_cursor = cursor_after(found[-1].id) if is_more else None
    answer = web.Response(
        body=orjson.dumps({"items": items, "next_cursor": next_cursor}), content_type="application/json"
    )
    answer.enable_compression()
    return answer


OPERATIONS = (list_geofences, put_geofence, patch_geofence, get_geofence, delete_geofence)


def _outline(geofence: Geofence) -> bytes:
    lat, lng = middle_of(geofence)
    return orjson.dumps(
        {
            "type": "Feature",
            "id": geofence.id,
            "geometry": {"type": "Point", "coordinates": [round(lng, 6), round(lat, 6)]},
            "properties": {"name": geofence.properties.get("name"), "tags": sorted(geofence.tags)},
        }
    )


def limits_of(context: Context) -> Limits:
    """What a geofence may be, by the settings."""
    settings = context.settings
    return msgspec.structs.replace(Limits(), max_vertices=settings.max_vertices, max_bytes=settings.max_import_bytes)


async def _refuse_if_used(context: Context, geofence_id: str) -> None:
    await context.catalog.refresh()
    offers = context.catalog.current.rulebook
    used_by = sorted(offer.id for offer in offers if offer.is_live and geofence_id in offer.targets.geofences)
    if used_by:
        raise Conflict(
            f"live offers name this geofence: {', '.join(used_by[:MAX_NAMED])}; change them first, or add ?force=true",
            used_by=used_by[:MAX_NAMED],
        )


def _bbox(request: web.Request) -> tuple[float, float, float, float] | None:
    text = request.query.get("bbox")
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise BadRequest("bbox must be west,south,east,north in degrees", parameter="bbox") from None
    is_on_earth = all(math.isfinite(x) and abs(x) <= 180 for x in (west, east)) and -90 <= south <= north <= 90
    if not is_on_earth:
        raise BadRequest("bbox must have longitudes within ±180 and -90 <= south <= north <= 90", parameter="bbox")
    return west, south, east, north
