"""Who changed what, before and after: written with every change of operations, read newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import GeopushError
from gateway.logs import Log
from gateway.store.audit import AuditEntry
from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT
from gateway.web.documents import cursor_after, json_answer, page_cursor, page_limit
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission

_log = Log("audit")


class AuditPage(msgspec.Struct, frozen=True):
    """Changes, newest first."""

    items: Sequence[AuditEntry]
    next_cursor: str | None


async def record(request: web.Request, action: str, what: str, before: Any = None, after: Any = None) -> None:
    """Write down a change that was just made; that it cannot be written is logged, since the change stands."""
    entry = AuditEntry(
        at_ms=now_ms(), who=request[IDENTITY].name, action=action, what=what, before=before, after=after
    )
    try:
        await request.app[CONTEXT].store.audit.record(entry)
    except GeopushError as error:
        _log.error("a change could not be written to the audit log", code=error.code, action=action, what=what)


@operation(
    "GET",
    "/v1/audit",
    needs=Permission.READ_AUDIT,
    answer=AuditPage,
    parameters=(
        Parameter("limit", "Items of one page, 1 to 1,000.", {"type": "integer", "default": 100}),
        Parameter("cursor", "next_cursor of the page before."),
    ),
)
async def read_audit(request: web.Request) -> web.StreamResponse:
    """Read who changed what, newest first: documents with their content before and after, keys, sources, erasures."""
    audit = request.app[CONTEXT].store.audit
    items, cursor = await audit.page(before=page_cursor(request) or "", limit=page_limit(request))
    return json_answer(AuditPage(items, cursor_after(cursor) if cursor else None))


OPERATIONS = (read_audit,)
