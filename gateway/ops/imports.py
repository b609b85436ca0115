"""POST /v1/geofences/import: a file of geofences at once, all or nothing unless told otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import BadRequest, InvalidDocument, TooLarge
from gateway.ops import audit, stored
from gateway.ops.features import changes_of
from gateway.ops.geofences import limits_of
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import flag, json_answer
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from geofences.importing import FeatureError, Limits, UnreadableCollection, parse_collection
from geofences.model import Geofence

MAX_ERRORS = 1_000
"""Errors that one answer lists; ``failed`` counts them all."""


class ImportFault(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feature that was not taken: its place in the file, and the member of it that is wrong."""

    index: int
    code: str
    detail: str
    pointer: str = ""
    line: int | None = None


class Imported(msgspec.Struct, frozen=True):
    """How many features are now geofences, at which version, and which failed and why."""

    imported: int
    failed: int
    version: int
    errors: list[ImportFault]


@operation(
    "POST",
    "/v1/geofences/import",
    needs=Permission.WRITE_GEOFENCES,
    body=dict[str, Any],
    answer=Imported,
    content_types=("application/geo+json", "application/json", "application/geo+json-seq", "application/x-ndjson"),
    parameters=(Parameter("partial", "Take the good features even if others fail.", {"type": "boolean"}),),
    example={"type": "FeatureCollection", "features": []},
)
async def import_geofences(request: web.Request) -> web.StreamResponse:
    """Put many geofences in one version of the catalog: a FeatureCollection, or newline-delimited Features.

    If any feature fails, nothing is changed and the answer names every fault by index, unless ``partial`` is true.
    """
    context = request.app[CONTEXT]
    settings = context.settings
    is_partial = flag(request, "partial")
    body = await read_body(request, settings.max_import_bytes, settings.max_import_bytes)
    good, faults = await asyncio.to_thread(_parsed, body, request.content_type, limits_of(context))
    if faults and not is_partial:
        raise InvalidDocument(
            f"{len(faults)} of {len(good) + len(faults)} features are not geofences, so nothing was changed; "
            "mend them, or add ?partial=true",
            errors=[msgspec.to_builtins(fault) for fault in faults[:MAX_ERRORS]],
            failed=len(faults),
        )
    version = await stored.commit(request, await asyncio.to_thread(changes_of, good))
    await audit.record(request, "import", "geofences", after={"imported": len(good), "version": version})
    return json_answer(Imported(len(good), len(faults), version, faults[:MAX_ERRORS]))


OPERATIONS = (import_geofences,)


def _parsed(body: bytes, content_type: str, limits: Limits) -> tuple[list[Geofence], list[ImportFault]]:
    try:
        found = parse_collection(body, content_type, limits)
    except UnreadableCollection as unreadable:
        error = unreadable.error
        if error.code in {"too_large", "too_many_features"}:
            raise TooLarge(error.detail) from None
        raise BadRequest(error.detail, pointer=error.pointer, reason=error.code) from None
    good = [geofence for _, geofence in found if isinstance(geofence, Geofence)]
    faults = [
        ImportFault(index, error.code, error.detail, error.pointer, error.line)
        for index, error in found
        if isinstance(error, FeatureError)
    ]
    return good, faults
