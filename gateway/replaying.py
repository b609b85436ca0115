"""Another try for pushes that were given up: each is claimed anew, as on the ping path.

Giving a push up gave its claim back: its code and its unit of stock may be another shopper's by now, and its user may
have been pushed to since. So another try keeps every cooldown, cap, budget and consent as they are now. A push that
may have arrived kept its claim, and is sent with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from gateway.delivery.job import PushJob
from gateway.store import Store
from gateway.store.budgets import budgets_of
from gateway.store.claiming import ALREADY_CLAIMED
from gateway.store.claims import ClaimCandidate, ClaimRequest
from gateway.store.dead_letters import DeadLetter
from gateway.store.users import User
from rules.compiled import CompiledOffer
from rules.model import push_kind
from rules.rulebook import Rulebook
from rules.schedule import zone_named
from rules.stores import Store as Shop


class Refused(msgspec.Struct, frozen=True):
    """A letter that stays.

    ``reason`` is ``expired``, ``consent``, ``offer_deleted``, ``store_deleted``, or the rule of the claim that refuses.
    ``free_at_ms`` is when that rule would let it pass; None where that cannot be said.
    """

    id: str
    reason: str
    free_at_ms: int | None = None


class Replayed(msgspec.Struct, frozen=True):
    """How many of the letters that were still there are in the outbox again, and which are not, with the reason."""

    replayed: int
    refused: Sequence[Refused] = ()


async def replay(store: Store, rulebook: Rulebook, letter_ids: Sequence[str], at_ms: int) -> Replayed:
    """Puts into the outbox again what may be sent now. Raises Unavailable."""
    letters = await store.dead_letters.find(letter_ids)
    users = await store.profiles.load(sorted({letter.user_id for letter in letters}))
    refused: list[Refused] = []
    requests: list[tuple[str, ClaimRequest]] = []
    standing: list[str] = []
    for letter in letters:
        asked = _request(letter, users.get(letter.user_id), rulebook, at_ms)
        if isinstance(asked, ClaimRequest):
            requests.append((letter.letter_id, asked))
        elif asked:
            refused.append(Refused(letter.letter_id, asked))
        else:
            standing.append(letter.letter_id)
    claimed: list[str] = []
    results = await store.claims.claim_many([request for _, request in requests])
    for (letter_id, _), result in zip(requests, results, strict=True):
        if result.winner is not None:
            claimed.append(letter_id)
        elif result.refusals[0].rule == ALREADY_CLAIMED:
            standing.append(letter_id)
        else:
            refused.append(Refused(letter_id, result.refusals[0].rule, result.refusals[0].free_at_ms))
    await store.dead_letters.discard(claimed)
    return Replayed(len(claimed) + await store.dead_letters.put_back(standing), refused)


def _request(letter: DeadLetter, user: User | None, rulebook: Rulebook, at_ms: int) -> ClaimRequest | str:
    """The claim to make, or why none may be made; "" for a push that cannot be read, whose claim was never undone."""
    try:
        job = PushJob.decode(letter.job)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    if job.expires_at_ms <= at_ms:
        return "expired"
    if user is None or not user.consent.push.granted:
        return "consent"
    offer, shop = rulebook.get(job.offer_id), rulebook.store(job.geofence_id)
    if offer is None:
        return "offer_deleted"
    if shop is None:
        return "store_deleted"
    if letter.has_code and offer.code_pool is None:
        return "codes"
    candidate = ClaimCandidate(
        push_id=job.push_id,
        offer_id=job.offer_id,
        geofence_id=job.geofence_id,
        brand=offer.brand,
        limits=CompiledOffer(offer, rulebook.policy).limits(job.geofence_id, at_ms, _zone(user, shop)),
        entry=replace(job, claimed_at_ms=at_ms, received_at_ms=at_ms).encode(),
        kind=push_kind(held_out=False, transactional=job.transactional),
        variant=job.variant,
        budgets=budgets_of(
            offer.id, at_ms, total_cap=offer.total_cap, stock=offer.stock, max_per_hour=offer.max_per_hour
        ),
        code_pool=offer.code_pool if letter.has_code else None,
    )
    return ClaimRequest(user_id=job.user_id, at_ms=at_ms, candidates=(candidate,))


def _zone(user: User, shop: Shop) -> ZoneInfo:
    """Where calendar days are counted."""
    try:
        return zone_named(user.time_zone) if user.time_zone else shop.zone
    except ValueError:
        return shop.zone
