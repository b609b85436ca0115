"""Pools of unique codes over HTTP: filled, and looked at. An offer draws from the pool that it names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from gateway.errors import BadRequest
from gateway.ops import audit
from gateway.store.codes import PoolCounts
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, path_id
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import Permission


class CodesDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Codes to add; those that are in the pool already are left alone."""

    codes: list[str]


class Added(msgspec.Struct, frozen=True):
    """How many of the codes were new."""

    added: int
    repeated: int


@operation(
    "POST",
    "/v1/codes/{pool}",
    needs=Permission.WRITE_CODES,
    body=CodesDocument,
    answer=Added,
    status=201,
    content_types=("application/json", "text/plain"),
    example={"codes": ["VESNA-7F3A", "VESNA-9C21"]},
)
async def add_codes(request: web.Request) -> web.StreamResponse:
    """Add codes to a pool, which need not exist before: JSON, or plain text with one code a line. Up to a million.

    A code is letters, digits and ``-._~``. Adding is idempotent: the same upload again adds nothing.
    """
    context = request.app[CONTEXT]
    pool = path_id(request, "pool")
    body = await read_body(request, context.settings.max_import_bytes)
    codes = _codes(body, request.content_type)
    added = await context.store.codes.add(pool, codes)
    await audit.record(request, "add", f"codes/{pool}", after=Added(added, len(codes) - added))
    return json_answer(Added(added, len(codes) - added), status=201)


@operation("GET", "/v1/codes/{pool}", needs=Permission.READ_CATALOG, answer=PoolCounts)
async def pool_counts(request: web.Request) -> web.StreamResponse:
    """Tell how many codes a pool ever had, how many are free, and how many pushes drew."""
    return json_answer(await request.app[CONTEXT].store.codes.counts(path_id(request, "pool")))


OPERATIONS = (add_codes, pool_counts)


def _codes(body: bytes, content_type: str) -> Sequence[str]:
    if content_type != "text/plain":
        return decode_document(body, CodesDocument).codes
    try:
        return [line.strip() for line in body.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise BadRequest(f"the text is not UTF-8: byte {error.start}") from error
