"""Any decision that is told of can be opened, refused ones too, and names nobody."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from gateway.clock import now_ms
from gateway.settings import Settings
from tests.gateway.conftest import Http
from tests.gateway.ops.test_activity import documents
from tests.gateway.ops.test_geofences import OFFER, circle


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Raw geometry: the first fix inside enters."""
    return dataclasses.replace(settings, policy="raw")


async def decided(http: Http, user_id: str) -> dict[str, Any]:
    """The event that tells of what is decided about a user who has given no consent."""
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    await http.call("PUT", "/v1/offers/o1", OFFER)
    ping = {"user_id": user_id, "ts": now_ms(), "lat": 60.17, "lon": 24.94, "accuracy": 5}
    async with http.request("GET", "/v1/activity?type=decision") as answer:
        while await http.gateway.context.store.activity.publish([{"type": "delivery", "at_ms": 1}]) == 0:
            await asyncio.sleep(0.01)
        assert (await http.call("POST", "/v1/pings", ping))[0] == 202
        (event,) = await documents(answer, 1)
    return event


async def test_a_refusal_that_is_told_of_is_opened_by_its_id(http: Http) -> None:
    event = await decided(http, "jane-doe")
    assert (event["outcome"], event["gate"]) == ("refused", "consent")
    viewer = await http.new_key(role="viewer")
    status, trace = await http.call("GET", f"/v1/decisions/{event['decision_id']}", key=viewer)
    assert (status, trace["at_ms"]) == (200, event["at_ms"])
    assert [(c["offer_id"], c["refused_by"]) for c in trace["candidates"]] == [("o1", "consent")]
    assert (await http.call("GET", "/v1/users/jane-doe/decisions"))[1]["items"][0]["at_ms"] == event["at_ms"]


async def test_neither_event_nor_trace_names_the_user(http: Http) -> None:
    event = await decided(http, "jane-doe")
    _, trace = await http.call("GET", f"/v1/decisions/{event['decision_id']}")
    assert "jane-doe" not in json.dumps([event, trace])


async def test_the_id_of_a_user_of_any_length_and_script_can_be_opened(http: Http) -> None:
    event = await decided(http, "名" * 128)
    assert (await http.call("GET", f"/v1/decisions/{event['decision_id']}"))[0] == 200


@pytest.mark.parametrize("name", ["x", "AAAA", "a" * 64, "a" * 2_000, "%C3%A4"])
async def test_another_word_is_no_decision(http: Http, name: str) -> None:
    assert (await http.call("GET", f"/v1/decisions/{name}"))[0] == 404


async def test_once_the_trace_is_gone_the_answer_says_why(http: Http) -> None:
    event = await decided(http, "jane-doe")
    await http.call("PUT", "/v1/users/jane-doe", {})
    await http.call("DELETE", "/v1/users/jane-doe")
    status, problem = await http.call("GET", f"/v1/decisions/{event['decision_id']}")
    assert (status, "decision_trace_ttl_s" in problem["detail"]) == (404, True)
