"""Offers that wait in the app."""

from __future__ import annotations

import asyncio
import json

from gateway.clock import now_ms
from gateway.delivery.channel import Status
from gateway.delivery.courier import Courier
from gateway.delivery.in_app import InAppChannel
from gateway.metrics import Metrics
from tests.gateway.conftest import Http
from tests.gateway.delivery.jobs import MESSAGE, a_job
from tests.patience import PATIENCE_S


async def deliver(http: Http, user_id: str, push_id: str, life_ms: int = 60_000) -> None:
    """Delivers an offer whose channels are the app and nothing else."""
    courier = Courier({"in_app": InAppChannel(http.gateway.context.store.inbox)}, Metrics())
    job = a_job(user_id, push_id=push_id, channels=("in_app",), expires_at_ms=now_ms() + life_ms)
    delivery = await courier.deliver(job, [], asyncio.Event())
    assert delivery.outcome.status is Status.ACCEPTED


async def waiting(http: Http, user_id: str, key: str | None = None) -> list[str]:
    status, answer = await http.call("GET", f"/v1/users/{user_id}/offers", key=key)
    assert status == 200, answer
    return sorted(item["push_id"] for item in answer["items"])


async def test_an_offer_waits_in_the_app_until_it_is_seen(http: Http) -> None:
    await deliver(http, "ann", "p1")
    await deliver(http, "ann", "p2")
    await deliver(http, "ann", "p2")
    assert await waiting(http, "ann") == ["p1", "p2"]
    assert (await http.call("DELETE", "/v1/users/ann/offers/p1"))[0] == 204
    assert (await http.call("DELETE", "/v1/users/ann/offers/p1"))[0] == 404
    assert await waiting(http, "ann") == ["p2"]
    assert await waiting(http, "bob") == []


async def test_an_app_that_asks_gets_its_offers_with_the_answer_to_its_pings(http: Http) -> None:
    await deliver(http, "ann", "p1")
    await deliver(http, "bob", "p2")
    pings = [{"user_id": user, "ts": now_ms(), "lat": 60.0, "lon": 25.0} for user in ("ann", "eve")]
    status, answer = await http.call("POST", "/v1/pings?offers=true", pings)
    assert (status, answer["accepted"], answer["rejected"]) == (202, 2, [])
    assert [(offer["user_id"], offer["push_id"]) for offer in answer["offers"]] == [("ann", "p1")]
    assert answer["offers"][0]["message"]["title"] == MESSAGE.title
    assert "offers" not in (await http.call("POST", "/v1/pings", pings))[1]
    assert (await http.call("POST", "/v1/pings?offers=maybe", pings))[0] == 400


async def test_a_stream_that_asks_hears_of_each_offer_once(http: Http) -> None:
    await deliver(http, "ann", "p1")
    headers = {"Authorization": f"Bearer {http.key}"}
    url = http.gateway.url + "/v1/stream?offers=true"
    heard: list[str] = []
    async with http.session.ws_connect(url, headers=headers) as socket:
        for push_id in ("p1", "p2", ""):
            await socket.send_json({"user_id": "ann", "ts": now_ms(), "lat": 60.0, "lon": 25.0})
            acknowledged = False
            while not acknowledged or (push_id and push_id not in heard):
                message = json.loads((await socket.receive(timeout=PATIENCE_S)).data)
                acknowledged |= message["type"] == "ack"
                heard += [offer["push_id"] for offer in message.get("items", ())]
            if push_id == "p1":
                await deliver(http, "ann", "p2")
    assert heard == ["p1", "p2"]


async def test_a_stale_offer_waits_no_longer(http: Http) -> None:
    await http.gateway.context.store.inbox.put("ann", "p1", b"{}", now_ms() - 1)
    assert await waiting(http, "ann") == []
    assert (await http.call("DELETE", "/v1/users/ann/offers/p1"))[0] == 404


async def test_a_key_that_speaks_for_one_user_reads_no_other_inbox(http: Http) -> None:
    key = await http.new_key("ingest", user_id="ann")
    await deliver(http, "ann", "p1")
    assert await waiting(http, "ann", key) == ["p1"]
    assert (await http.call("GET", "/v1/users/bob/offers", key=key))[0] == 403


async def test_erasing_a_user_empties_the_inbox(http: Http) -> None:
    await deliver(http, "ann", "p1")
    await http.call("DELETE", "/v1/users/ann")
    assert await waiting(http, "ann") == []
