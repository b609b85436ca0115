from __future__ import annotations

import json

from gateway.clock import now_ms
from gateway.store import Store
from gateway.store.behaviour import Event
from gateway.store.presence import PresenceChange
from gateway.store.traces import Trace
from tests.gateway.store.test_claims import candidate, request
from tests.gateway.store.test_presence import inside
from tests.gateway.store.test_profiles import AGREED, ANN, phone


async def live(store: Store, user_id: str) -> None:
    """Leave a trace of the user everywhere."""
    consent = type(ANN.consent)(AGREED, AGREED, AGREED)
    await store.profiles.put_user(user_id, type(ANN)(locale="fi", consent=consent))
    await store.profiles.put_device(user_id, phone(token=f"token-{user_id}"))
    await store.presence.save([PresenceChange(user_id, 0, inside(), now_ms() + 1000)])
    await store.behaviour.record([Event(user_id=user_id, name="viewed", at_ms=now_ms())])
    await store.claims.claim(request(candidate(f"sent-{user_id}"), user_id=user_id))
    await store.claims.claim(request(candidate(f"dead-{user_id}"), user_id=user_id))
    letter = next(e for e in await store.outbox.read("t", 1000, 0) if e.job == f"dead-{user_id}".encode())
    await store.dead_letters.bury([(letter, "expired")])
    await store.outcomes.record(user_id, f"sent-{user_id}", "opened", now_ms())
    await store.traces.put([Trace(user_id, b'{"why":1}', f"sent-{user_id}"), Trace(user_id, b'{"why":2}')])
    await store.deferrals.put(user_id, "review", now_ms() + 1000, b"later")
    await store.inbox.put(user_id, f"sent-{user_id}", b'{"message":"Tea"}', now_ms() - 1)


async def everything(store: Store) -> dict[str, bytes]:
    """All of Redis, serialised."""
    found = await store.connection.call("KEYS", "*")
    return {key.decode(): await store.connection.call("DUMP", key) or b"" for key in found}


async def test_erasing_leaves_no_trace_but_a_tombstone(store: Store) -> None:
    before = set(await everything(store))
    await live(store, "ann-the-erased")
    assert len(set(await everything(store)) - before) >= 12
    assert await store.profiles.delete("ann-the-erased")
    left = await everything(store)
    assert [key for key in set(left) - before if ":t:" not in key and not key.endswith(":dead")] == []
    for key, value in left.items():
        assert "ann-the-erased" not in key
        assert b"ann-the-erased" not in value, key
    assert not await store.profiles.delete("ann-the-erased")


async def test_erasing_one_user_leaves_the_others_alone(store: Store) -> None:
    await live(store, "bob")
    bob = await store.profiles.export("bob")
    await live(store, "ann")
    await store.profiles.delete("ann")
    assert await store.profiles.export("bob") == bob
    assert await store.outbox.depth() == 1


async def test_who_was_erased_is_known_as_such_until_registered_again(store: Store) -> None:
    await live(store, "ann")
    await store.profiles.delete("ann")
    shoppers = await store.profiles.load_shoppers(["ann", "nobody"])
    assert list(shoppers) == ["ann"]
    assert shoppers["ann"].erased
    assert not shoppers["ann"].consent.push
    await store.profiles.put_user("ann", ANN)
    assert not (await store.profiles.load_shoppers(["ann"]))["ann"].erased


async def test_export_gives_all_that_is_held(store: Store) -> None:
    await live(store, "ann")
    held = await store.profiles.export("ann")
    assert held["profile"]["locale"] == "fi"
    assert held["profile"]["devices"][0]["token"] == "token-ann"
    assert held["behaviour"]["events"]["viewed"]["count"] == 1
    assert [push[1] for push in held["pushes"]] == ["sent-ann", "dead-ann"]
    assert held["push_outcomes"].keys() == {"sent-ann opened"}
    assert held["decisions"] == [{"why": 2}, {"why": 1}]
    assert held["deferred"] == ["later"]
    assert held["inbox"] == [{"message": "Tea"}]
    assert held["last_fix"] == "sealed"
    assert held["presence"][1][0][0] == "s1"
    json.dumps(held)


async def test_export_of_a_stranger_is_empty(store: Store) -> None:
    held = await store.profiles.export("stranger")
    assert (held["profile"], held["pushes"], held["presence"], held["last_fix"]) == (None, [], None, "none")
    assert held["inbox"] == []
