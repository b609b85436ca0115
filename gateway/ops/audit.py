"""Who changed what, before and after: written with every change of operations, read newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from gateway.errors import BadRequest
from gateway.store.audit import AuditEntry, Wanted
from gateway.web.auditing import record
from gateway.web.context import CONTEXT
from gateway.web.documents import cursor_after, json_answer, page_cursor, page_limit
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission

__all__ = ["OPERATIONS", "record"]

MAX_DIGITS: Final = 14
"""Of an instant: epoch milliseconds for the next three thousand years."""
_NAMES = ("who", "what", "action")


class AuditPage(msgspec.Struct, frozen=True):
    """Changes, newest first. A page may be short, even empty, while ``next_cursor`` goes on."""

    items: Sequence[AuditEntry]
    next_cursor: str | None


@operation(
    "GET",
    "/v1/audit",
    needs=Permission.READ_AUDIT,
    answer=AuditPage,
    parameters=(
        Parameter("limit", "Items of one page, 1 to 1,000.", {"type": "integer", "default": 100}),
        Parameter("cursor", "next_cursor of the page before."),
        Parameter("who", "Only changes by this key: its name or its key_id."),
        Parameter("what", "Only changes of this object, such as offers/lunch, or of this kind, such as offers."),
        Parameter("action", "Only this action: put, submit, approve, reject, pause, delete, import, rollback, …"),
        Parameter("from", "Only changes since this instant, epoch milliseconds.", {"type": "integer"}),
        Parameter("to", "Only changes up to this instant, epoch milliseconds.", {"type": "integer"}),
    ),
)
async def read_audit(request: web.Request) -> web.StreamResponse:
    """Read who changed what, newest first: documents with their content before and after, keys, sources, erasures."""
    wanted = Wanted(
        from_ms=_instant(request, "from") or 0,
        to_ms=_instant(request, "to"),
        **{name: request.query.get(name, "") for name in _NAMES},
    )
    items, cursor = await request.app[CONTEXT].store.audit.page(
        before=_cursor(request), limit=page_limit(request), wanted=wanted
    )
    return json_answer(AuditPage(items, cursor_after(cursor) if cursor else None))


OPERATIONS = (read_audit,)


def _cursor(request: web.Request) -> str:
    """The id of an entry. Raises BadRequest for a cursor that is none of ours."""
    cursor = page_cursor(request) or ""
    at_ms, dash, place = cursor.partition("-")
    if cursor and not (dash and all(part.isascii() and part.isdigit() and len(part) < 20 for part in (at_ms, place))):
        raise BadRequest("this cursor is not one of ours; start again without it", parameter="cursor")
    return cursor


def _instant(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadRequest(f"{name} must be an instant in epoch milliseconds", parameter=name)
    return int(text)
