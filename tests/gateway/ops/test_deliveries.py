"""Deliveries over HTTP: previews, and pushes that were given up."""

from __future__ import annotations

import asyncio
import json
import sys

from gateway.clock import now_ms
from gateway.store.claims import ClaimCandidate, ClaimRequest
from tests.gateway.conftest import Http
from tests.gateway.delivery.jobs import a_job

MESSAGE = {
    "title": "Two croissants for one",
    "body": "Until noon.",
    "image_url": "https://cdn.example/croissant.jpg",
    "deep_link": "shop://offers/croissant",
    "actions": [{"id": "open", "title": "Show me"}],
}


async def test_a_preview_shows_the_exact_json_of_every_platform(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/messages/preview", {"message": MESSAGE})
    assert status == 200
    platforms = answer["platforms"]
    assert set(platforms) == {"apns", "fcm", "rustore", "huawei", "web_push", "webhook"}
    assert platforms["apns"]["payload"]["aps"]["alert"] == {"title": MESSAGE["title"], "body": MESSAGE["body"]}
    assert platforms["apns"]["headers"]["apns-push-type"] == "alert"
    assert platforms["fcm"]["payload"]["message"]["token"] == "DEVICE-TOKEN"
    for preview in platforms.values():
        assert preview["size_bytes"] == len(json.dumps(preview["payload"], separators=(",", ":")))


async def test_a_preview_says_where_a_message_does_not_fit(http: Http) -> None:
    message = MESSAGE | {"deep_link": "shop://" + "x" * 5000}
    status, answer = await http.call("POST", "/v1/messages/preview", {"message": message})
    assert status == 200
    assert "4096" in answer["platforms"]["apns"]["refused"]
    assert answer["platforms"]["webhook"]["payload"]["data"]["message"]["deep_link"] == message["deep_link"]


async def test_a_preview_of_a_malformed_message_names_the_member(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/messages/preview", {"message": {"title": "", "body": "b"}})
    assert status == 422
    assert "title" in json.dumps(answer)


async def bury(http: Http, user_id: str) -> str:
    """Claims a push for the user and gives it up; answers the push id."""
    store, job = http.gateway.context.store, a_job(user_id)
    candidate = ClaimCandidate(
        push_id=job.push_id, offer_id=job.offer_id, geofence_id=job.geofence_id, brand="", limits=(),
        entry=job.encode(),
    )  # fmt: skip
    await store.claims.claim(ClaimRequest(user_id=user_id, at_ms=now_ms(), candidates=(candidate,)))
    entries = await store.outbox.read("test", 1, 1000)
    await store.dead_letters.bury([(entry, "terminal: apns Unregistered") for entry in entries])
    return job.push_id


async def test_pushes_that_were_given_up_are_listed_with_their_reason_and_tried_again(http: Http) -> None:
    push_id = await bury(http, "user-who-must-not-be-named")
    status, answer = await http.call("GET", "/v1/dead-letters")
    assert (status, answer["total"]) == (200, 1)
    (letter,) = answer["items"]
    assert (letter["push_id"], letter["offer_id"]) == (push_id, "croissant")
    assert letter["reason"] == "terminal: apns Unregistered"
    assert "user-who-must-not-be-named" not in json.dumps(answer)
    status, answer = await http.call("POST", "/v1/dead-letters/replay", {"ids": [letter["id"], "0:1-1", "nonsense"]})
    assert (status, answer) == (200, {"replayed": 1})
    assert await http.gateway.context.store.outbox.depth() == 1
    assert (await http.call("GET", "/v1/dead-letters"))[1] == {"items": [], "total": 0}


async def test_a_push_that_was_given_up_is_forgotten_when_it_is_discarded(http: Http) -> None:
    await bury(http, "ann")
    (letter,) = (await http.call("GET", "/v1/dead-letters"))[1]["items"]
    status, answer = await http.call("POST", "/v1/dead-letters/discard", {"ids": [letter["id"], "0:1-1", "1:x", "0"]})
    assert (status, answer) == (200, {"discarded": 1})
    assert (await http.call("GET", "/v1/dead-letters"))[1] == {"items": [], "total": 0}
    assert await http.gateway.context.store.outbox.depth() == 0
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


async def test_the_command_lists_and_replays_and_says_what_is_wrong(http: Http) -> None:
    await bury(http, "ann")
    status, said = await command(http)
    assert (status, said.splitlines()[-1]) == (0, "1 kept")
    assert "croissant" in said
    assert await command(http, "--replay", "all") == (0, '{"replayed": 1}\n')
    status, said = await command(http, key="wrong")
    assert status == 1
    assert said.startswith("the gateway refused GET /v1/dead-letters?limit=50: ")
