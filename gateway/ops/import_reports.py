"""What an import has to say of its file: errors, repairs and warnings, counted all, listed and tabled up to a bound."""

from __future__ import annotations

import csv
import io
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.ops.imports import ImportFault

MAX_SHOWN: Final = 1_000
"""Errors, repairs and warnings that a job lists."""
MAX_ROWS: Final = 50_000
"""Rows of each table: more than anyone mends by hand, some megabytes in Redis."""


class ImportRepair(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was set right in a feature, and what that did to its area.

    ``before`` and ``after`` are GeoJSON geometries, given once for each of the first features, at its first repair;
    ``before`` only where it can be drawn.
    """

    index: int
    id: str
    code: str
    detail: str
    area_before_m2: float
    area_after_m2: float
    change_ratio: float | None
    line: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class ImportAdvice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the author of a feature should look at; it is taken nevertheless."""

    index: int
    id: str
    code: str
    detail: str
    line: int | None = None


COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "errors": ("index", "line", "code", "pointer", "detail"),
    "repairs": ("index", "line", "id", "code", "detail", "area_before_m2", "area_after_m2", "change_ratio"),
    "warnings": ("index", "line", "id", "code", "detail"),
}
"""The columns of each table."""

Fact = ImportFault | ImportRepair | ImportAdvice


class Report:
    """Collects facts as they come."""

    def __init__(self) -> None:
        self._facts: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in COLUMNS}

    @property
    def failed(self) -> int:
        """How many features are at fault."""
        return self._counts["errors"].total()

    def add(self, table: str, fact: Fact) -> None:
        """Count a fact, and keep it if there is room."""
        self._counts[table][fact.code] += 1
        if len(self._facts[table]) < MAX_ROWS:
            self._facts[table].append(fact)

    def shown(self) -> dict[str, Any]:
        """A job's members."""
        return {
            "failed": self.failed,
            "errors": self._facts["errors"][:MAX_SHOWN],
            "repaired": dict(self._counts["repairs"]),
            "repairs": self._facts["repairs"][:MAX_SHOWN],
            "warned": dict(self._counts["warnings"]),
            "warnings": self._facts["warnings"][:MAX_SHOWN],
        }

    def tables(self) -> dict[str, bytes]:
        """Each table as packed CSV. Slow when there are many facts: run it in a thread."""
        return {name: zlib.compress(_table(columns, self._facts[name])) for name, columns in COLUMNS.items()}


def unpacked(table: bytes) -> str:
    """A table as it was before it was packed."""
    return zlib.decompress(table).decode()


def _table(columns: Sequence[str], facts: Sequence[Any]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for fact in facts:
        values = (getattr(fact, column) for column in columns)
        writer.writerow(["" if value is None else _harmless(value) for value in values])
    return text.getvalue().encode()


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula, made plain: ids and names come from whoever made the file."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
