"""Pushes that were given up: found a page at a time, tried again as far as they may be sent now, or forgotten."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.clock import now_ms
from gateway.store import Store
from gateway.store.claims import ClaimCandidate, ClaimRequest
from rules.message import CODE_PLACEHOLDER
from rules.model import Message
from tests.gateway.conftest import Http
from tests.gateway.delivery.jobs import a_job
from tests.gateway.ops.test_geofences import OFFER, circle

REFUSED = "terminal: apns Unregistered"


async def give_up(
    store: Store, user_id: str, reason: str = REFUSED, *, pool: str | None = None, in_doubt: bool = False, **facts: Any
) -> str:
    """Claims a push for the user and gives it up as the sender would; answers the push id."""
    job = a_job(user_id, **facts)
    candidate = ClaimCandidate(
        push_id=job.push_id, offer_id=job.offer_id, geofence_id=job.geofence_id, brand="", limits=(),
        entry=job.encode(), code_pool=pool,
    )  # fmt: skip
    assert (
        await store.claims.claim(ClaimRequest(user_id=user_id, at_ms=now_ms(), candidates=(candidate,)))
    ).winner == 0
    (entry,) = await store.outbox.read("test", 1, 1000)
    await store.dead_letters.bury([(entry, reason)], {} if in_doubt else {entry.entry_id: job.push_id})
    return job.push_id


@pytest.fixture
def store(http: Http) -> Store:
    return http.gateway.context.store


async def open_shop(http: Http, *users: str, **offer: Any) -> None:
    """The store and the offer that the letters are of, and users who want pushes."""
    await http.call("PUT", "/v1/geofences/cafe-1", circle("cafe-1", 24.94, 60.17))
    changed = OFFER | {"id": "croissant", "targets": {"geofences": ["cafe-1"]}} | offer
    status, said = await http.call("PUT", "/v1/offers/croissant", changed)
    assert status in {200, 201}, said
    for user_id in users:
        await http.call("PUT", f"/v1/users/{user_id}", {"consent": {"location": True, "push": True}})


async def listed(http: Http, **query: Any) -> list[dict[str, Any]]:
    """All letters that a query finds, page after page."""
    items: list[dict[str, Any]] = []
    while True:
        status, page = await http.call("GET", f"/v1/dead-letters?{urlencode(query)}")
        assert status == 200, page
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]


async def replayed(http: Http, letters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    status, answer = await http.call("POST", "/v1/dead-letters/replay", {"ids": [one["id"] for one in letters]})
    assert status == 200, answer
    return dict(answer)


async def test_a_letter_says_what_was_given_up_when_and_why_and_names_nobody(http: Http, store: Store) -> None:
    push_id = await give_up(store, "user-who-must-not-be-named")
    (letter,) = await listed(http)
    assert (letter["push_id"], letter["offer_id"]) == (push_id, "croissant")
    assert (letter["reason"], letter["channel"]) == (REFUSED, "apns")
    assert "user-who-must-not-be-named" not in json.dumps(letter)


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_pages_hold_every_letter_once_newest_first(http: Http, store: Store, limit: int) -> None:
    """Whatever the page's size and however unevenly the letters lie over partitions."""
    wanted = [await give_up(store, f"user-{n}") for n in range(30)]
    wanted += [await give_up(store, "ann", push_id=f"push-{n}") for n in range(30)]
    letters = await listed(http, limit=limit)
    assert sorted(one["push_id"] for one in letters) == sorted(wanted)
    assert [one["at_ms"] for one in letters] == sorted((one["at_ms"] for one in letters), reverse=True)


async def test_letters_of_one_millisecond_are_told_apart_by_their_partition(http: Http, store: Store) -> None:
    for partition in range(4):
        for n in range(3):
            stream = f"gp:{{p{partition:02}}}:dead"
            await store.connection.call("XADD", stream, f"5-{n}", "user", "ann", "job", b"?", "reason", "unreadable")
    ids = [one["id"] for one in await listed(http, limit=1)]
    assert ids == [f"{partition}:5-{n}" for n in (2, 1, 0) for partition in (3, 2, 1, 0)]


async def test_letters_are_found_by_push_offer_channel_and_reason(http: Http, store: Store) -> None:
    push_id = await give_up(store, "ann")
    await give_up(store, "bob", "expired: fcm breaker_open", offer_id="tea")
    await give_up(store, "cid", "terminal: no_device (no phone)", offer_id="tea")
    await give_up(store, "dan", "unreadable")

    async def found(**query: str) -> list[str]:
        return sorted(one["reason"].partition(" (")[0] for one in await listed(http, limit=1, **query))

    assert await found(offer="tea") == ["expired: fcm breaker_open", "terminal: no_device"]
    assert await found(push=push_id) == [REFUSED]
    assert await found(channel="fcm") == ["expired: fcm breaker_open"]
    assert await found(reason="UNRE") == [REFUSED, "unreadable"]
    assert await found(offer="tea", reason="terminal") == ["terminal: no_device"]
    assert await found(offer="coffee") == []
    assert sorted(one["channel"] for one in await listed(http)) == ["", "", "apns", "fcm"]


@pytest.mark.parametrize("cursor", ["!", "bm9uc2Vuc2U", ""])
async def test_a_cursor_that_is_none_of_ours_is_refused(http: Http, cursor: str) -> None:
    status, problem = await http.call("GET", f"/v1/dead-letters?cursor={cursor}")
    assert (status, problem["parameter"]) == (400, "cursor")


async def test_another_try_is_claimed_as_the_first_was(http: Http, store: Store) -> None:
    """It is in the outbox, counts towards cooldowns again, and its opening will be counted."""
    await open_shop(http, "ann")
    push_id = await give_up(store, "ann")
    (letter,) = await listed(http)
    assert await replayed(http, [letter, letter, {"id": "0:1-1"}, {"id": "x"}]) == {"replayed": 1, "refused": []}
    assert await listed(http) == []
    (entry,) = await store.outbox.read("test", 5, 0)
    assert json.loads(entry.job)["push_id"] == push_id
    assert await store.claims.refund("ann", push_id)
    (noted, *_) = (await http.call("GET", "/v1/audit?what=dead-letters"))[1]["items"]
    assert (noted["action"], noted["after"]) == ("replay", {"replayed": 1})


async def test_a_code_that_went_back_to_its_pool_is_nobody_elses_twice(http: Http, store: Store) -> None:
    """The code of a push that was given up went to the next shopper; another try draws one that is free."""
    await open_shop(http, "ann", "bob", code_pool="pool")
    await store.codes.add("pool", ["A-1"])
    text = Message(title="Yours", body=f"Show {CODE_PLACEHOLDER}", deep_link="app://c?c=%E2%81%A0code%E2%81%A0")
    pushes = [
        await give_up(store, "ann", pool="pool", message=text),
        await give_up(store, "bob", pool="pool", message=text, in_doubt=True),
    ]
    letters = {letter["push_id"]: letter for letter in await listed(http)}
    anns, bobs = (letters[push_id] for push_id in pushes)
    assert (await replayed(http, [anns]))["refused"] == [{"id": anns["id"], "reason": "codes", "free_at_ms": None}]
    await store.codes.add("pool", ["B-2"])
    assert await replayed(http, [anns, bobs]) == {"replayed": 2, "refused": []}
    sent = {entry.user_id: json.loads(entry.job)["message"] for entry in await store.outbox.read("test", 5, 0)}
    assert {user: (one["body"], one["deep_link"]) for user, one in sent.items()} == {
        "ann": ("Show B-2", "app://c?c=B-2"),
        "bob": ("Show A-1", "app://c?c=A-1"),
    }


async def test_what_may_not_be_sent_now_stays_and_the_answer_says_why(http: Http, store: Store) -> None:
    """Too late, consent withdrawn, another push meanwhile, no stock, an offer or a store that is gone."""
    await open_shop(http, "late", "fresh", "spent", "ann", "bob", stock=1)
    await http.call("PUT", "/v1/users/shy", {"consent": {"location": True}})
    whys = {
        "late": "expired", "shy": "consent", "fresh": "min_gap", "spent": "stock", "ann": "offer_deleted",
        "bob": "store_deleted",
    }  # fmt: skip
    changes = {"late": {"expires_at_ms": now_ms() - 1}, "ann": {"offer_id": "gone"}, "bob": {"geofence_id": "gone"}}
    for user_id in whys:
        await give_up(store, user_id, push_id=user_id, **changes.get(user_id, {}))
    other = ClaimCandidate(push_id="x", offer_id="x", geofence_id="x", brand="", limits=(), entry=b"")
    await store.claims.claim(ClaimRequest(user_id="fresh", at_ms=now_ms(), candidates=(other,)))
    await open_shop(http, "last", stock=1)
    await give_up(store, "last", push_id="last")
    letters = await listed(http)
    last = [letter for letter in letters if letter["push_id"] == "last"]
    assert (await replayed(http, last))["replayed"] == 1
    answer = await replayed(http, [letter for letter in letters if letter not in last])
    assert answer["replayed"] == 0
    pushes = {letter["id"]: letter["push_id"] for letter in letters}
    assert {pushes[one["id"]]: one["reason"] for one in answer["refused"]} == whys
    assert len(await listed(http)) == len(whys)


async def test_a_push_that_was_given_up_is_forgotten_when_it_is_discarded(http: Http, store: Store) -> None:
    await give_up(store, "ann")
    (letter,) = await listed(http)
    status, answer = await http.call("POST", "/v1/dead-letters/discard", {"ids": [letter["id"], "0:1-1", "1:x", "0"]})
    assert (status, answer) == (200, {"discarded": 1})
    assert (await http.call("GET", "/v1/dead-letters"))[1] == {"items": [], "total": 0, "next_cursor": None}
    assert await store.outbox.depth() == 0
    (entry, *_) = (await http.call("GET", "/v1/audit"))[1]["items"]
    assert (entry["action"], entry["what"], entry["after"]) == ("discard", "dead-letters", {"discarded": 1})


async def test_dead_letters_need_the_scope_ops(http: Http) -> None:
    key = await http.new_key("ingest")
    assert (await http.call("GET", "/v1/dead-letters", key=key))[0] == 403


async def command(http: Http, *arguments: str, key: str | None = None) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.delivery.letters", "--url", http.gateway.url, "--key", key or http.key,
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_command_lists_and_replays_and_says_what_is_wrong(http: Http, store: Store) -> None:
    await open_shop(http, "ann")
    for user_id in ("ann", "bob"):
        await give_up(store, user_id)
    await give_up(store, "cid", "expired: fcm timeout")
    status, said = await command(http)
    assert (status, said.splitlines()[-1]) == (0, "3 kept")
    assert "croissant" in said
    status, said = await command(http, "--channel", "fcm")
    assert len(said.splitlines()) == 2
    assert await command(http, "--reason", "unregistered", "--replay", "all") == (
        0,
        '{"replayed": 1, "refused": {"consent": 1}}\n',
    )
    status, said = await command(http, key="wrong")
    assert status == 1
    assert said.startswith("the gateway refused GET /v1/dead-letters?limit=50: ")
