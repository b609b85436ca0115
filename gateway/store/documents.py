"""The catalog's documents as values: what is stored, what is to change, and what brings a reader up to date."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """What a document describes; the value is its Redis hash."""

    GEOFENCE = "geofences"
    OFFER = "offers"
    POLICY = "policies"


KINDS: Final = tuple(Kind)
"""Kinds by the numbers that stored changes use, less one: only ever append."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one document. ``body`` is its JSON; ``extra`` what was computed once from it (a covering)."""

    kind: Kind
    id: str
    version: int
    body: bytes
    extra: bytes = b""
    at_ms: int = 0
    author: str = ""


Documents = list[Document]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One document to put, or to delete where ``body`` is None.

    ``expected`` is the version it must have now: None any, 0 none (it must not exist).
    """

    kind: Kind
    id: str
    body: bytes | None
    extra: bytes = b""
    expected: int | None = None


class CatalogChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What brings a reader to ``version``: documents to put, and (kind, id) pairs to remove.

    With ``is_complete`` the documents are the whole catalog, and whatever the reader held before goes.
    """

    version: int
    is_complete: bool
    documents: tuple[Document, ...]
    removed: tuple[tuple[Kind, str], ...] = ()
