"""Bytes in, push out: the main job, through the real parts."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.clock import now_ms
from gateway.delivery.sandbox.process import SandboxProcess
from tests.journeys.conftest import INSIDE, OUTSIDE, SQUARE, Journey, offer, open_shop, settings_for, welcome


def ping(user_id: str, at_ms: int, point: tuple[float, float] = INSIDE, **more: Any) -> dict[str, Any]:
    lat, lon = point
    return {
        "user_id": user_id,
        "ts": at_ms,
        "lat": lat,
        "lon": lon,
        "accuracy": 5,
        "speed": None,
        "heading": None,
    } | more


@pytest.mark.parametrize("platform", ["apns", "fcm"])
async def test_a_shopper_who_enters_gets_one_push(journey: Journey, platform: str) -> None:
    """A sure fix inside a store sends its offer once; staying, leaving and coming back within the cooldown do not."""
    await open_shop(journey)
    await welcome(journey, "anna", platform)
    start = now_ms() - 60_000
    for second, point in enumerate([OUTSIDE, INSIDE, INSIDE, OUTSIDE, OUTSIDE, INSIDE]):
        answer = await journey.call("POST", "/v1/pings", ping("anna", start + 10_000 * second, point, speed=1.0))
        assert answer == {"accepted": 1, "rejected": []}
    pushes = await journey.pushes(1)
    await asyncio.sleep(0.3)
    assert len((await journey.sandbox.pushes())["pushes"]) == 1
    text = json.dumps(pushes[0], ensure_ascii=False)
    assert "Coffee now" in text
    assert "A cup for 2 € at Corner Café. Come in!" in text
    assert platform in text


async def test_without_consent_nothing_goes_out_and_explain_says_so(journey: Journey) -> None:
    """Who did not agree to marketing gets nothing, and explain names the gate, the actual and the required."""
    await open_shop(journey)
    await welcome(journey, "bert", push=False)
    await journey.call("POST", "/v1/pings", [ping("bert", now_ms() - 10_000, OUTSIDE), ping("bert", now_ms())])
    question = {"user_id": "bert", "pings": [ping("bert", now_ms() - 10_000, OUTSIDE), ping("bert", now_ms())]}
    answer = await journey.call("POST", "/v1/explain", question)
    touched = [candidate for moment in answer["moments"] for candidate in moment.get("candidates", [])]
    refused = next(v for v in touched[0]["verdicts"] if not v["passed"])
    assert touched[0]["offer_id"] == "coffee"
    assert refused["gate"] == "consent"
    assert (await journey.sandbox.pushes())["pushes"] == []


async def test_explaining_changes_nothing(journey: Journey) -> None:
    """After an explanation that ends in a push the shopper still gets the real one."""
    await open_shop(journey)
    await welcome(journey, "carla")
    walk = [ping("carla", now_ms() - 10_000, OUTSIDE), ping("carla", now_ms())]
    answer = await journey.call("POST", "/v1/explain", {"user_id": "carla", "pings": walk})
    assert [moment["pushes"] for moment in answer["moments"] if moment.get("pushes")] == [["coffee"]]
    assert (await journey.sandbox.pushes())["pushes"] == []
    await journey.call("POST", "/v1/pings", walk)
    assert len(await journey.pushes(1)) == 1


async def test_one_bad_ping_never_loses_the_good_ones(journey: Journey) -> None:
    """In a packed NDJSON batch every bad line is named, and the good one pushes."""
    await open_shop(journey)
    await welcome(journey, "dora")
    lines = [
        json.dumps(ping("dora", now_ms(), (91.0, 24.9))),
        "not json",
        json.dumps(ping("dora", now_ms() // 1000)),
        json.dumps(ping("dora", now_ms()) | {"lat": "north"}),
        json.dumps(ping("dora", now_ms())),
    ]
    headers = {
        "Authorization": f"Bearer {journey.key}",
        "Content-Type": "application/x-ndjson",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress("\n".join(lines).encode())
    async with journey.session.post(journey.url + "/v1/pings", data=body, headers=headers) as response:
        answer = await response.json()
    assert response.status == 202
    assert answer["accepted"] == 1
    assert [rejected["index"] for rejected in answer["rejected"]] == [0, 1, 2, 3]
    assert len(await journey.pushes(1)) == 1


async def test_a_change_of_the_catalog_is_live_at_once(journey: Journey) -> None:
    """A store and an offer put now match the very next ping, and an offer paused no longer pushes."""
    await open_shop(journey, status="paused")
    await welcome(journey, "emil")
    start = now_ms() - 60_000
    await journey.call("POST", "/v1/pings", ping("emil", start))
    await journey.call("PUT", "/v1/geofences/shop", SQUARE | {"properties": {"name": "Shop"}})
    await journey.call("PUT", "/v1/offers/coffee", offer(targets={"geofences": ["shop"]}))
    for second, point in enumerate([OUTSIDE, OUTSIDE, INSIDE]):
        await journey.call("POST", "/v1/pings", ping("emil", start + 10_000 * (second + 1), point))
    assert "at Shop." in json.dumps(await journey.pushes(1))


async def test_cooldowns_survive_a_restart(tmp_path: Path, sandbox: SandboxProcess) -> None:
    """A second gateway on the same data remembers keys, catalog and cooldowns, and shows no new admin key."""
    settings = settings_for(tmp_path / "data", sandbox)
    async with aiohttp.ClientSession() as session:
        async with running(settings) as gateway:
            assert gateway.new_admin_key is not None
            key = gateway.new_admin_key
            first = Journey(session, gateway.url, key, sandbox)
            await open_shop(first)
            await welcome(first, "finn")
            start = now_ms() - 60_000
            await first.call("POST", "/v1/pings", ping("finn", start))
            await first.pushes(1)
        async with running(settings) as gateway:
            assert gateway.new_admin_key is None
            again = Journey(session, gateway.url, key, sandbox)
            for second, point in enumerate([OUTSIDE, OUTSIDE, INSIDE]):
                await again.call("POST", "/v1/pings", ping("finn", start + 10_000 * (second + 1), point))
            await asyncio.sleep(0.3)
            assert len((await sandbox.pushes())["pushes"]) == 1


async def test_nothing_on_disk_holds_a_coordinate(tmp_path: Path, sandbox: SandboxProcess) -> None:
    """An auditor who reads every file of the data directory finds no fix of a shopper."""
    async with (
        running(settings_for(tmp_path / "data", sandbox)) as gateway,
        aiohttp.ClientSession() as session,
    ):
        assert gateway.new_admin_key is not None
        journey = Journey(session, gateway.url, gateway.new_admin_key, sandbox)
        await open_shop(journey)
        await welcome(journey, "greta")
        await journey.call("POST", "/v1/pings", ping("greta", now_ms(), (60.170512345, 24.941098765)))
        await journey.pushes(1)
    lat, lng = 60.170512345, 24.941098765
    traces = [b"60.1705123", b"24.9410987", *(struct.pack(order + "d", x) for order in "<>" for x in (lat, lng))]
    files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
    assert any(b"greta" in file.read_bytes() for file in files)
    for file in files:
        content = file.read_bytes()
        assert not any(trace in content for trace in traces), file


async def test_a_visit_offer_fires_for_the_store_a_stay_is_in(journey: Journey) -> None:
    """Standing still in a store for two minutes is a visit, and the offer that waits for one is sent once."""
    await open_shop(journey, trigger={"type": "visit", "min_probability": 0.5})
    ring = [[24.9407, 60.17035], [24.9413, 60.17035], [24.9413, 60.17065], [24.9407, 60.17065], [24.9407, 60.17035]]
    await journey.call("PUT", "/v1/geofences/cafe", SQUARE | {"geometry": {"type": "Polygon", "coordinates": [ring]}})
    await welcome(journey, "hugo")
    start = now_ms() - 200_000
    walk = [(60.1690 + 0.00015 * step, 24.941) for step in range(10)] + [INSIDE] * 28
    pings = [
        ping("hugo", start + 5_000 * n, point, speed=1.4 if n < 10 else 0.0) | {"accuracy": 8 if n < 10 else 15}
        for n, point in enumerate(walk)
    ]
    await journey.call("POST", "/v1/pings", pings[:30])
    await journey.call("POST", "/v1/pings", pings[30:])
    assert "Coffee now" in str(await journey.pushes(1))
