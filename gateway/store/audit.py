"""Who changed what, before and after: an append-only log of operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection

MAX_ENTRIES: Final = 100_000
"""Entries kept, about a hundred megabytes at worst; the oldest make room."""
READ_AT_ONCE: Final = 500
MAX_SCANNED: Final = 10_000
"""Entries that one page looks through for those that are wanted: some tens of milliseconds."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation. ``what`` names its object ("offers/lunch"); ``before`` and ``after`` are its JSON, or nothing.

    ``who`` is the name of the key that did it, ``key_id`` the key. A user is named by his keyed hash, so that erasing
    him leaves nothing of his here.
    """

    at_ms: int
    who: str
    action: str
    what: str
    key_id: str = ""
    before: Any = None
    after: Any = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: those that meet every member that is given. Instants are UTC epoch milliseconds, inclusive.

    ``who`` is a key's name or id; ``what`` an object ("offers/lunch") or a kind of object ("offers").
    """

    who: str = ""
    what: str = ""
    action: str = ""
    from_ms: int = 0
    to_ms: int | None = None

    def has(self, entry: AuditEntry) -> bool:
        """Whether an entry of the right time is wanted."""
        return (
            (not self.who or self.who in {entry.who, entry.key_id})
            and (not self.what or entry.what == self.what or entry.what.startswith(f"{self.what}/"))
            and (not self.action or entry.action == self.action)
        )


_EVERYTHING: Final = Wanted()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditEntry).decode


class Audit:
    """Writes and reads the log."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry."""
        await self._connection.call("XADD", keys.AUDIT, "MAXLEN", "~", MAX_ENTRIES, "*", "entry", _encode(entry))

    async def page(
        self, *, before: str = "", limit: int = 50, wanted: Wanted = _EVERYTHING
    ) -> tuple[Sequence[AuditEntry], str]:
        """Entries, newest first, and the cursor to go on with as ``before``; "" where there are no more.

        A page may hold fewer than ``limit`` where few of many are wanted: it ends after ``MAX_SCANNED``.
        """
        end = f"({before}" if before else "+" if wanted.to_ms is None else str(wanted.to_ms)
        found: list[AuditEntry] = []
        for _ in range(0, MAX_SCANNED, READ_AT_ONCE):
            read = await self._connection.call(
                "XREVRANGE", keys.AUDIT, end, wanted.from_ms or "-", "COUNT", READ_AT_ONCE
            )
            for entry_id, fields in read:
                entry = _decode(fields[b"entry"])
                end = f"({entry_id.decode()}"
                if wanted.has(entry):
                    found.append(entry)
                    if len(found) == limit:
                        return found, end[1:]
            if len(read) < READ_AT_ONCE:
                return found, ""
        return found, end[1:]
