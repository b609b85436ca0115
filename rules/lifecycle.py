"""The life of an offer: which status may follow which, and what a saved document inherits from the one before.

Versions are immutable: a change is a new version, so that every push names the very text it was sent with.

    draft ──▶ active ◀──▶ paused
      │         │            │
      └────────▶ ended ◀─────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from rules.document import Offer, Status
from rules.strict import DocumentErrors, fault

FOLLOWS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.DRAFT: frozenset({Status.DRAFT, Status.ACTIVE, Status.ENDED}),
    Status.ACTIVE: frozenset({Status.ACTIVE, Status.PAUSED, Status.ENDED}),
    Status.PAUSED: frozenset({Status.PAUSED, Status.ACTIVE, Status.ENDED}),
    Status.ENDED: frozenset({Status.ENDED}),
}
"""What was sent cannot become a draft again, and what has ended stays so: its reports are final."""


def succeed(before: Offer | None, after: Offer, at_ms: int, author: str) -> Offer:
    """The document to store: the next version, with who saved it, and the age it had.

    Raises DocumentErrors for a status that cannot follow.
    """
    if before is None:
        return msgspec.structs.replace(after, version=1, created_at_ms=at_ms, author=author)
    if after.status not in FOLLOWS[before.status]:
        allowed = ", ".join(sorted(FOLLOWS[before.status]))
        detail = f"An offer that is {before.status} cannot become {after.status}; it may be {allowed}. Copy it instead."
        raise DocumentErrors([fault("/status", "invalid_status_change", detail)])
    return msgspec.structs.replace(after, version=before.version + 1, created_at_ms=before.created_at_ms, author=author)
