"""Activity as server-sent events: filtered, beating, bounded, and honest about what it dropped."""

import asyncio
import json
from typing import Any

import pytest

from gateway.ops import activity
from gateway.ops.activity import MAX_WAITING, Watcher
from tests.gateway.conftest import Http
from tests.patience import PATIENCE_S


def delivery(number: int = 0, **facts: Any) -> dict[str, Any]:
    return {"type": "delivery", "at_ms": number, "offer_id": "o1", **facts}


def give(watcher: Watcher, event: dict[str, Any]) -> None:
    watcher.offer(event, activity.frame_of(event["type"], event))


async def test_events_reach_every_watcher_in_order(http: Http) -> None:
    publish = http.gateway.context.store.activity.publish
    async with http.request("GET", "/v1/activity") as one, http.request("GET", "/v1/activity?type=delivery") as two:
        assert one.headers["Content-Type"] == "text/event-stream"
        while await publish([{"type": "transition", "at_ms": 1}, delivery(2)]) == 0:
            await asyncio.sleep(0.01)
        assert await events(one, 2) == [("transition", 1), ("delivery", 2)]
        assert await events(two, 1) == [("delivery", 2)]


async def test_each_second_tells_who_is_present_by_coarse_cell(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of fewer users than the settings ask for are left out."""
    monkeypatch.setattr(activity, "PRESENCE_PERIOD_S", 0.01)
    store = http.gateway.context.store
    store.present._cells |= {f"u{i}": 0x8911263190BFFFF for i in range(10)} | {"alone": 0x891126319A3FFFF}
    async with http.request("GET", "/v1/activity?type=presence") as answer, asyncio.timeout(PATIENCE_S):
        async for line in answer.content:
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                break
    assert event["users_present"] == 11
    assert event["cells"] == {"8911263190bffff": 10}


async def test_a_change_of_the_catalog_is_told_with_who_made_it_and_what(http: Http) -> None:
    async with http.request("GET", "/v1/activity?type=catalog") as answer:
        while await http.gateway.context.store.activity.publish([{"type": "transition", "at_ms": 1}]) == 0:
            await asyncio.sleep(0.01)
        _, stored = await http.call("PUT", "/v1/policy", {"holdout_ratio": 0.1})
        await http.call("PUT", "/v1/policy?dry_run=true", {"holdout_ratio": 0.2})
        _, back = await http.call("POST", "/v1/catalog/rollback", {"version": 0})
        told = await documents(answer, 2)
    for event in told:
        assert event.pop("at_ms") > 0
    assert told == [
        {"type": "catalog", "version": version, "by": "first admin", "what": [what], "changes": 1}
        for version, what in ((stored["version"], "policies/brand"), (back["version"], "rollback/0"))
    ]


async def test_a_watcher_whose_key_is_revoked_is_sent_away(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "ADMIT_AGAIN_S", 0.0)
    monkeypatch.setattr(activity, "HEARTBEAT_S", 0.01)
    _, made = await http.call("POST", "/v1/keys", {"name": "Mia", "role": "viewer"})
    async with http.request("GET", "/v1/activity?type=catalog", key=made["secret"]) as answer:
        await http.call("DELETE", f"/v1/keys/{made['key_id']}")
        async with asyncio.timeout(PATIENCE_S):
            assert (await answer.content.read()).startswith(b": watching")


async def documents(answer: Any, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_S):
        async for line in answer.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
                if len(found) == count:
                    break
    return found


async def events(answer: Any, count: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    name = ""
    async with asyncio.timeout(PATIENCE_S):
        async for line in answer.content:
            if line.startswith(b"event: "):
                name = line[7:].decode().strip()
            elif line.startswith(b"data: "):
                found.append((name, json.loads(line[6:])["at_ms"]))
                if len(found) == count:
                    return found
    raise AssertionError(f"the stream ended after {found}")


async def test_an_unknown_type_is_refused(http: Http) -> None:
    assert (await http.call("GET", "/v1/activity?type=gossip"))[0] == 400


async def test_watching_asks_for_the_scope_ops(http: Http) -> None:
    assert (await http.call("GET", "/v1/activity", key=await http.new_key("ingest")))[0] == 403


async def test_a_slow_watcher_loses_the_oldest_and_is_told_how_many() -> None:
    watcher = Watcher(frozenset(), {})
    for number in range(MAX_WAITING + 5):
        give(watcher, delivery(number))
    frames = (await watcher.take()).split(b"\n\n")
    assert frames[0] == b'event: lost\ndata: {"type":"lost","events":5}'
    assert b'"at_ms":5,' in frames[1]
    assert len(frames) == MAX_WAITING + 2


async def test_silence_is_broken_by_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "HEARTBEAT_S", 0.001)
    assert await Watcher(frozenset(), {}).take() == b": heartbeat\n\n"


async def test_events_that_lack_a_filtered_member_pass_and_others_must_equal_it() -> None:
    watcher = Watcher(frozenset({"delivery"}), {"offer_id": "o1", "gate": "claim"})
    give(watcher, delivery(1))
    give(watcher, delivery(2) | {"offer_id": "o2"})
    give(watcher, {"type": "presence", "at_ms": 3})
    frames = await watcher.take()
    assert frames.count(b"event:") == 1
    assert b'"at_ms":1' in frames


async def test_a_stopping_gateway_lets_watchers_go() -> None:
    watcher = Watcher(frozenset(), {})
    taking = asyncio.create_task(watcher.take())
    await asyncio.sleep(0)
    watcher.end()
    assert await taking == b""
    assert watcher.is_over
