"""The life of an offer: which status may follow which, and what a saved document inherits from the one before.

Versions are immutable: a change is a new version, so that every push names the very text it was sent with. What was
submitted goes live by a second person's approval, which holds for the content that he saw and for no other.

    draft ──▶ submitted ──▶ active ◀──▶ paused        active and paused may be submitted as well, and what is
      │           │            │           │          submitted or paused may be saved back; whether a save may go
      └───────────┴──▶ ended ◀─┴───────────┘          from draft to active directly is for the gateway to say
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from rules.document import Offer, Review, Status
from rules.strict import DocumentErrors, fault

FOLLOWS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.DRAFT: frozenset({Status.DRAFT, Status.SUBMITTED, Status.ACTIVE, Status.ENDED}),
    Status.SUBMITTED: frozenset({Status.SUBMITTED, Status.DRAFT, Status.PAUSED, Status.ACTIVE, Status.ENDED}),
    Status.ACTIVE: frozenset({Status.ACTIVE, Status.SUBMITTED, Status.PAUSED, Status.ENDED}),
    Status.PAUSED: frozenset({Status.PAUSED, Status.SUBMITTED, Status.ACTIVE, Status.ENDED}),
    Status.ENDED: frozenset({Status.ENDED}),
}
"""What was sent cannot become a draft again, and what has ended stays so: its reports are final."""


_STANDS: Final = {
    "waiting": frozenset({Status.SUBMITTED}),
    "approved": frozenset({Status.ACTIVE, Status.PAUSED, Status.ENDED}),
    "rejected": frozenset({Status.DRAFT, Status.PAUSED, Status.ENDED}),
}
"""With which status a review goes on, as long as the content does."""


def succeed(before: Offer | None, after: Offer, at_ms: int, author: str) -> Offer:
    """The document to store: the next version, with who saved it, and the age it had.

    Its review stays only while its content does. Raises DocumentErrors for a status that cannot follow.
    """
    replace = msgspec.structs.replace
    if before is None:
        return replace(after, version=1, created_at_ms=at_ms, author=author, review=None)
    allowed = FOLLOWS[before.status]
    if before.status is Status.SUBMITTED and before.review is not None:
        allowed -= {Status.DRAFT if before.review.was_live else Status.PAUSED}
    if after.status not in allowed:
        names = ", ".join(sorted(allowed))
        detail = f"An offer that is {before.status} cannot become {after.status}; it may be {names}. Copy it instead."
        raise DocumentErrors([fault("/status", "invalid_status_change", detail)])
    return replace(
        after,
        version=before.version + 1,
        created_at_ms=before.created_at_ms,
        author=author,
        review=_review_kept(before, after),
    )


def is_same(one: Offer, other: Offer) -> bool:
    """Whether two versions say the same: all but their status and what the catalog keeps of them."""
    return _content(one) == _content(other)


def submit(before: Offer | None, offer: Offer, at_ms: int, key_id: str, reach: int | None = None) -> Offer:
    """The offer as its author, with the key ``key_id``, hands it to a second person; one that waits already, waits on.

    ``reach`` is the users a week that it was estimated to reach.
    """
    waits = offer.review is not None and offer.review.verdict == "waiting" and offer.review.submitted_key == key_id
    review = offer.review if waits else None
    if review is None:
        earlier = before.review if before is not None and before.status is Status.SUBMITTED else None
        was_live = earlier.was_live if earlier else before is not None and before.status is not Status.DRAFT
        review = Review(offer.author, key_id, at_ms, was_live=was_live)
    review = msgspec.structs.replace(review, reach=reach if reach is not None else review.reach)
    return msgspec.structs.replace(offer, status=Status.SUBMITTED, review=review)


def approve(offer: Offer, review: Review, at_ms: int, by: str) -> Offer:
    """The submitted offer, live by a second person's word."""
    decided = msgspec.structs.replace(review, verdict="approved", decided_by=by, decided_at_ms=at_ms, reason="")
    return msgspec.structs.replace(offer, status=Status.ACTIVE, review=decided, version=offer.version + 1)


def reject(offer: Offer, review: Review, at_ms: int, by: str, reason: str) -> Offer:
    """The submitted offer, back with its author for a reason: a draft, or paused if it had been live."""
    decided = msgspec.structs.replace(review, verdict="rejected", decided_by=by, decided_at_ms=at_ms, reason=reason)
    status = Status.PAUSED if review.was_live else Status.DRAFT
    return msgspec.structs.replace(offer, status=status, review=decided, version=offer.version + 1)


def _review_kept(before: Offer, after: Offer) -> Review | None:
    review = before.review
    return review if review is not None and after.status in _STANDS[review.verdict] and is_same(before, after) else None


def _content(offer: Offer) -> Offer:
    return msgspec.structs.replace(offer, status=Status.DRAFT, version=1, created_at_ms=0, author="", review=None)
