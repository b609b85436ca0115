"""What happened after pushes, against a real server: outcomes once each, purchases for the week before, visits."""

from __future__ import annotations

from gateway.store import Store
from gateway.store.outcomes import PURCHASE_WINDOW_MS, VISIT_MS, VISIT_WINDOW_MS, PushFacts, Stay
from rules.model import PushKind
from tests.gateway.store.test_claims import NOW, candidate, request


async def test_an_outcome_counts_once_and_only_of_a_push_that_the_user_got(store: Store) -> None:
    await store.claims.claim(request(candidate("p1")))
    first = await store.outcomes.record("ann", "p1", "opened", NOW + 1)
    assert first == PushFacts(True, NOW, "lunch", "s1", "")
    again = await store.outcomes.record("ann", "p1", "opened", NOW + 2)
    assert again is not None
    assert not again.is_first
    assert await store.outcomes.record("bob", "p1", "opened", NOW) is None


async def test_a_purchase_counts_for_the_pushes_and_ghosts_of_the_week_before(store: Store) -> None:
    """Services are left out, as are pushes that came later or longer ago; of each push the first purchase is told."""
    for at_ms, one in (
        (NOW - PURCHASE_WINDOW_MS, candidate("old")),
        (NOW - 3, candidate("push", offer_id="a")),
        (NOW - 2, candidate("ghost", offer_id="b", kind=PushKind.GHOST)),
        (NOW - 1, candidate("service", kind=PushKind.TRANSACTIONAL)),
        (NOW + 1, candidate("later")),
    ):
        assert (await store.claims.claim(request(one, at_ms=at_ms))).winner == 0
    [followed, nobodys] = await store.outcomes.record_purchases([("ann", NOW), ("bob", NOW)])
    push, ghost = PushFacts(True, NOW - 3, "a", "s1", ""), PushFacts(True, NOW - 2, "b", "s1", "", is_ghost=True)
    assert (followed, nobodys) == ([push, ghost], [])
    [second] = await store.outcomes.record_purchases([("ann", NOW)])
    assert [(facts.offer_id, facts.is_first) for facts in second] == [("a", False), ("b", False)]


async def test_a_stay_is_a_visit_of_the_pushes_for_that_store_of_the_day_before(store: Store) -> None:
    """Before the entry or during the stay; not of other stores, services, the day before that, or at the door."""
    entered_ms, left_ms = NOW, NOW + 10 * VISIT_MS
    for at_ms, one in (
        (entered_ms - VISIT_WINDOW_MS, candidate("old")),
        (entered_ms - 3, candidate("push", offer_id="a", variant="B")),
        (entered_ms - 2, candidate("ghost", offer_id="b", kind=PushKind.GHOST)),
        (entered_ms - 1, candidate("service", kind=PushKind.TRANSACTIONAL)),
        (entered_ms, candidate("elsewhere", geofence_id="s2")),
        (left_ms - VISIT_MS, candidate("inside", offer_id="c")),
        (left_ms - VISIT_MS + 1, candidate("leaving")),
    ):
        assert (await store.claims.claim(request(one, at_ms=at_ms))).winner == 0
    stays = [Stay("ann", "s1", entered_ms, left_ms), Stay("bob", "s1", entered_ms, left_ms)]
    push, inside = PushFacts(True, entered_ms - 3, "a", "s1", "B"), PushFacts(True, left_ms - VISIT_MS, "c", "s1", "")
    ghost = PushFacts(True, entered_ms - 2, "b", "s1", "", is_ghost=True)
    assert await store.outcomes.record_visits(stays) == [push, ghost, inside]
    assert await store.outcomes.record_visits(stays) == []
