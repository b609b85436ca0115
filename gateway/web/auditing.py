"""Writes down who changed what: called by every handler that has just changed something."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import GeopushError
from gateway.logs import Log
from gateway.store.audit import AuditEntry
from gateway.web.auth import IDENTITY
from gateway.web.context import CONTEXT

_log = Log("audit")


async def record(request: web.Request, action: str, what: str, before: Any = None, after: Any = None) -> None:
    """Write down a change that was just made; that it cannot be written is logged, since the change stands."""
    identity = request[IDENTITY]
    entry = AuditEntry(
        at_ms=now_ms(),
        who=identity.name,
        key_id=identity.key_id,
        action=action,
        what=what,
        before=before,
        after=after,
    )
    try:
        await request.app[CONTEXT].store.audit.record(entry)
    except GeopushError as error:
        _log.error("a change could not be written to the audit log", code=error.code, action=action, what=what)
