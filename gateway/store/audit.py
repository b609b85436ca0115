"""Who changed what, before and after: an append-only log of operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection

MAX_ENTRIES: Final = 100_000
"""Entries kept, about a hundred megabytes at worst; the oldest make room."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation. ``what`` names its object ("offers/lunch"); ``before`` and ``after`` are its JSON, or nothing.

    A user is named by his keyed hash, so that erasing him leaves nothing of his here.
    """

    at_ms: int
    who: str
    action: str
    what: str
    before: Any = None
    after: Any = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditEntry).decode


class Audit:
    """Writes and reads the log."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry."""
        await self._connection.call("XADD", keys.AUDIT, "MAXLEN", "~", MAX_ENTRIES, "*", "entry", _encode(entry))

    async def page(self, *, before: str = "", limit: int = 50) -> tuple[Sequence[AuditEntry], str]:
        """Entries, newest first, and the cursor to go on with as ``before``; "" where there are no more."""
        end = f"({before}" if before else "+"
        found = await self._connection.call("XREVRANGE", keys.AUDIT, end, "-", "COUNT", limit)
        cursor = found[-1][0].decode() if len(found) == limit else ""
        return [_decode(fields[b"entry"]) for _, fields in found], cursor
