"""Behaviour events, visits, push outcomes, deferred decisions, traces and dead letters."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store import Store
from gateway.store.behaviour import MAX_STORES, Event, Recorded
from gateway.store.profiles import ConsentFlags
from gateway.store.traces import Trace
from rules.behaviour import EventRecord, VisitRecord
from tests.gateway.store.test_claims import HOUR, NOW, candidate, gap, request
from tests.gateway.store.test_profiles import AGREED, ANN


async def consenting(store: Store, *users: str) -> None:
    for user in users:
        await store.profiles.put_user(user, type(ANN)(consent=ConsentFlags(AGREED, AGREED, AGREED)))


def viewed(user_id: str = "ann", event_id: str = "", at_ms: int = NOW) -> Event:
    return Event(user_id=user_id, name="viewed:shoes", at_ms=at_ms, value=2.5, properties={"sku": 7}, event_id=event_id)


async def test_an_event_is_seen_by_the_next_decision(store: Store) -> None:
    await consenting(store, "ann")
    assert await store.behaviour.record([viewed(), viewed()]) == [Recorded.RECORDED] * 2
    record = (await store.profiles.load_shoppers(["ann"]))["ann"].events["viewed:shoes"]
    assert isinstance(record, EventRecord)
    assert (record.count, record.value, record.last) == (2, 5.0, {"sku": 7})


async def test_a_repeated_event_counts_once(store: Store) -> None:
    await consenting(store, "ann", "bob")
    first = await store.behaviour.record([viewed(event_id="e1"), viewed("bob", event_id="e1"), viewed(event_id="e1")])
    assert first == [Recorded.RECORDED, Recorded.RECORDED, Recorded.DUPLICATE]
    assert await store.behaviour.record([viewed(event_id="e1")]) == [Recorded.DUPLICATE]
    assert (await store.behaviour.get("ann")).events["viewed:shoes"].count == 1


async def test_nothing_is_kept_of_who_did_not_consent_to_profiling(store: Store) -> None:
    await store.profiles.put_user("ann", ANN)
    assert await store.behaviour.record([viewed(), viewed("stranger")]) == [Recorded.NO_CONSENT] * 2
    await store.behaviour.record_visits([("ann", "s1", NOW)])
    assert await store.connection.call("KEYS", "*:behaviour") == []


async def test_events_and_visits_of_the_same_moment_are_all_counted(store: Store) -> None:
    await consenting(store, "ann")
    await asyncio.gather(
        *(store.behaviour.record([viewed(at_ms=NOW + n)]) for n in range(8)),
        *(store.behaviour.record_visits([("ann", "s1", NOW + n * HOUR)]) for n in range(4)),
    )
    habits = await store.behaviour.get("ann")
    assert habits.events["viewed:shoes"].count == 8
    assert habits.visits["s1"].count == 4


async def test_the_same_visit_counts_once(store: Store) -> None:
    await consenting(store, "ann")
    await store.behaviour.record_visits([("ann", "s1", NOW), ("ann", "s1", NOW), ("ann", "s2", NOW)])
    await store.behaviour.record_visits([("ann", "s1", NOW)])
    assert {store_id: visit.count for store_id, visit in (await store.behaviour.get("ann")).visits.items()} == {
        "s1": 1,
        "s2": 1,
    }


async def test_visits_of_many_users_are_added_to_what_was_read_of_them(store: Store) -> None:
    """One read for a batch, one script call to write; what was not read is read now."""
    users = [f"user-{number}" for number in range(30)]
    await consenting(store, *users)
    known = await store.profiles.load_known(users[:20])
    await store.behaviour.record_visits([(user, "s1", NOW) for user in users], known)
    await store.behaviour.record_visits([(user, "s2", NOW) for user in users], known)
    shoppers = await store.profiles.load_shoppers(users)
    assert all(list(shoppers[user].visits) == ["s1", "s2"] for user in users)


@pytest.mark.parametrize("is_erased", [True, False])
async def test_nothing_is_kept_of_who_is_erased_or_withdraws_once_he_was_read(store: Store, *, is_erased: bool) -> None:
    await consenting(store, "ann", "bob")
    known = await store.profiles.load_known(["ann", "bob"])
    if is_erased:
        assert await store.profiles.delete("ann")
    else:
        await store.profiles.put_user("ann", ANN)
    await store.behaviour.record_visits([("ann", "s1", NOW), ("bob", "s1", NOW)], known)
    assert (await store.behaviour.get("bob")).visits["s1"].count == 1
    assert not (await store.behaviour.get("ann")).visits
    assert len(await store.connection.call("KEYS", "*:behaviour")) == 1


async def test_events_and_visits_of_a_shopper_read_as_all_that_was_stored(store: Store) -> None:
    """A decision's records are decoded as they are looked at; the whole, as an export shows it, is the same."""
    await consenting(store, "ann")
    await store.behaviour.record([viewed(event_id="e1"), viewed(at_ms=NOW + 1)])
    await store.behaviour.record_visits([("ann", "s1", NOW), ("ann", "s2", NOW + 1), ("ann", "s1", NOW + HOUR)])
    await store.behaviour.record([viewed(event_id="e2")])
    habits, shopper = await store.behaviour.get("ann"), (await store.profiles.load_shoppers(["ann"]))["ann"]
    assert (dict(shopper.events), dict(shopper.visits)) == (habits.events, habits.visits)
    assert (len(shopper.visits), "s2" in shopper.visits, shopper.visits.get("s3")) == (2, True, None)
    assert habits.visits == {"s1": VisitRecord(2, (NOW, NOW + HOUR)), "s2": VisitRecord(1, (NOW + 1,))}
    assert (habits.events["viewed:shoes"].count, habits.recent_ids) == (3, ("e1", "e2"))


async def test_the_store_visited_longest_ago_makes_room(store: Store) -> None:
    await consenting(store, "ann")
    visits = [("ann", f"s{number}", NOW - number) for number in range(MAX_STORES)]
    await store.behaviour.record_visits(visits)
    await store.behaviour.record_visits([("ann", "new", NOW + 1)])
    held = (await store.behaviour.get("ann")).visits
    assert len(held) == MAX_STORES
    assert "new" in held
    assert f"s{MAX_STORES - 1}" not in held


async def test_the_outcome_of_a_push_is_recorded_once_with_what_the_push_was(store: Store) -> None:
    await store.claims.claim(request(candidate("p1", offer_id="o7")))
    first = await store.outcomes.record("ann", "p1", "opened", NOW + 5)
    again = await store.outcomes.record("ann", "p1", "opened", NOW + 6)
    other = await store.outcomes.record("ann", "p1", "converted", NOW + 7)
    assert first is not None
    assert (first.is_first, first.offer_id, first.geofence_id, first.claimed_at_ms) == (True, "o7", "s1", NOW)
    assert again is not None
    assert not again.is_first
    assert other is not None
    assert other.is_first
    assert await store.outcomes.record("ann", "p2", "opened", NOW) is None
    assert await store.outcomes.record("bob", "p1", "opened", NOW) is None


async def test_withdrawing_consent_to_pushes_leaves_the_rest(store: Store) -> None:
    await consenting(store, "ann")
    assert await store.profiles.withdraw_push("ann", NOW, "push")
    shopper = (await store.profiles.load_shoppers(["ann"]))["ann"]
    assert (shopper.consent.location, shopper.consent.push, shopper.consent.profiling) == (True, False, True)
    assert not await store.profiles.withdraw_push("stranger", NOW, "push")


async def test_what_is_deferred_is_handed_out_once_when_it_is_due(store: Store) -> None:
    await store.deferrals.put("ann", "review", NOW + 10, b"review")
    await store.deferrals.put("ann", "morning", NOW + 5, b"first")
    await store.deferrals.put("ann", "morning", NOW + 5, b"morning")
    await store.deferrals.put("bob", "review", NOW + 5, b"bob")
    assert await store.deferrals.take(NOW + 4, 100) == []
    assert sorted(await store.deferrals.take(NOW + 6, 100)) == [("ann", b"morning"), ("bob", b"bob")]
    assert await store.deferrals.take(NOW + 6, 100) == []
    taken = await asyncio.gather(*(store.deferrals.take(NOW + 11, 100) for _ in range(5)))
    assert [one for some in taken for one in some] == [("ann", b"review")]
    assert await store.connection.call("KEYS", "*deferred*") == []


async def test_traces_are_found_by_push_and_by_user_newest_first(store: Store) -> None:
    await store.traces.put([Trace("ann", b"1", "p1"), Trace("ann", b"2"), Trace("bob", b"3")])
    await store.traces.put([Trace("ann", b"%d" % n) for n in range(10, 70)])
    assert await store.traces.of_push("p1") == b"1"
    assert await store.traces.of_push("p2") is None
    latest = await store.traces.of_user("ann")
    assert (len(latest), latest[0], latest[-1]) == (50, b"69", b"20")
    assert await store.traces.of_user("bob") == [b"3"]


async def test_a_claim_is_given_back_with_its_push_and_only_while_that_waits(store: Store) -> None:
    """One script: a push without a claim is never in the outbox, and an entry that has ended gives nothing back."""
    await store.claims.claim(request(candidate("first", (gap(NOW),))))
    [entry] = await store.outbox.read("a", 3, 0)
    assert (await store.claims.claim(request(candidate("second", (gap(NOW),))))).winner is None
    await store.dead_letters.bury([(entry, "expired")], {entry.entry_id: "first"})
    assert (await store.claims.claim(request(candidate("second", (gap(NOW),))))).winner == 0
    await store.dead_letters.bury([(entry, "expired")], {entry.entry_id: "second"})
    assert (await store.claims.claim(request(candidate("third", (gap(NOW),))))).winner is None


async def test_a_push_that_is_given_up_can_be_looked_at_and_tried_again(store: Store) -> None:
    await store.claims.claim_many([request(candidate(f"p{n}", (gap(NOW),)), user_id=f"user-{n}") for n in range(3)])
    entries = [entry for _ in range(3) for entry in await store.outbox.read("a", 3, 0)]
    await store.dead_letters.bury([(entry, "Unregistered") for entry in entries])
    await store.dead_letters.bury([(entries[0], "again")])
    assert (await store.outbox.depth(), await store.dead_letters.depth()) == (0, 3)
    letters = (await store.dead_letters.read())[0]
    assert {letter.job for letter in letters} == {b"p0", b"p1", b"p2"}
    assert {(letter.reason, letter.user_id[:5]) for letter in letters} == {("Unregistered", "user-")}
    assert await store.dead_letters.put_back([letters[0].letter_id, letters[0].letter_id, "99:1-1", "nonsense"]) == 1
    assert (await store.outbox.depth(), await store.dead_letters.depth()) == (1, 2)
    [again] = await store.outbox.read("b", 3, 0)
    assert (again.job, again.user_id) == (letters[0].job, letters[0].user_id)
    assert await store.outbox.take_over("c", 0) == [again]
