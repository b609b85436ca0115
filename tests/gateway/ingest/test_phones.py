"""Existing clients on a whole gateway: let in by the key in their path, heard out, told what they need."""

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import now_ms
from gateway.ingest.clients import CLIENTS
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import circle

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text(encoding="utf-8")


async def added(http: Http, kind: str, **facts: Any) -> dict[str, Any]:
    status, source = await http.call("POST", "/v1/sources", {"kind": kind, "name": "test", **facts})
    assert status == 201, source
    return source  # type: ignore[no-any-return]


async def send(http: Http, url: str, body: bytes, **options: Any) -> tuple[int, bytes]:
    async with http.session.post(url, data=body, **options) as answer:
        return answer.status, await answer.read()


def owntracks(lat: float = 60.17, lng: float = 24.94) -> bytes:
    message = {"_type": "location", "lat": lat, "lon": lng, "tst": now_ms() // 1000, "acc": 5, "vel": 3}
    return json.dumps(message).encode()


def taken(http: Http) -> float:
    return http.gateway.context.metrics.registry.get_sample_value("geopush_pings_total") or 0.0


async def test_an_owntracks_phone_is_heard_and_told_its_nearest_stores_once(http: Http) -> None:
    for i in range(25):
        await http.call("PUT", f"/v1/geofences/g{i}", circle(f"g{i}", 24.94 + i / 100, 60.17, name=f"Store {i}"))
    source = await added(http, "owntracks", user_id="jane", sends_geofences=True)
    url = source["setup"]["url"]
    status, body = await send(http, url, owntracks())
    (command,) = json.loads(body)
    waypoints = command["waypoints"]["waypoints"]
    assert (status, [w["desc"] for w in waypoints]) == (200, [f"Store {i}" for i in range(20)])
    assert (waypoints[0]["lat"], waypoints[0]["lon"], waypoints[0]["rad"]) == (60.17, 24.94, 50)
    assert await send(http, url, owntracks()) == (200, b"[]")
    assert taken(http) == 2
    assert http.gateway.context.store.present.is_maybe_present("jane")


async def test_an_overland_batch_and_a_traccar_query_are_taken(http: Http) -> None:
    at = datetime.fromtimestamp(now_ms() / 1000, UTC).isoformat()
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [24.94, 60.17]},
        "properties": {"timestamp": at, "device_id": "p"},
    }
    overland = (await added(http, "overland"))["setup"]["url"]
    assert await send(http, overland, json.dumps({"locations": [feature]}).encode()) == (200, b'{"result":"ok"}')
    traccar = (await added(http, "traccar"))["setup"]["url"]
    async with http.session.get(f"{traccar}?id=7&lat=60.1&lon=24.9&timestamp={now_ms() // 1000}") as answer:
        assert answer.status == 200
    assert taken(http) == 2


@pytest.mark.parametrize("body", [b"poison", b'{"_type":"location","lat":"x"}', b""])
async def test_poison_is_counted_and_answered_as_success(http: Http, body: bytes) -> None:
    url = (await added(http, "owntracks", user_id="j"))["setup"]["url"]
    assert await send(http, url, body) == (200, b"[]")
    assert await send(http, url, b"not gzip", headers={"Content-Encoding": "gzip"}) == (200, b"[]")
    assert taken(http) == 0


async def test_a_wrong_or_removed_key_lets_nobody_in(http: Http) -> None:
    source = await added(http, "overland")
    url = source["setup"]["url"]
    assert (await send(http, url.replace("overland", "traccar"), b"{}"))[0] == 401
    assert (await send(http, f"{http.gateway.url}/ingest/guess/overland", b"{}"))[0] == 401
    assert (await http.call("DELETE", f"/v1/sources/{source['source_id']}"))[0] == 204
    assert (await send(http, url, b"{}"))[0] == 401
    assert (await http.call("DELETE", f"/v1/sources/{source['source_id']}"))[0] == 404


async def test_sources_are_listed_without_their_secrets(http: Http) -> None:
    await added(http, "owntracks", user_id="jane", encryption_key="secret")
    status, listed = await http.call("GET", "/v1/sources")
    (source,) = listed["items"]
    assert (status, source["kind"], source["user_id"]) == (200, "owntracks", "jane")
    assert "setup" not in source
    assert "secret" not in json.dumps(listed)


async def test_setup_links_open_the_app_ready_to_use(http: Http) -> None:
    facts = {"user_id": "jane", "encryption_key": "k3y", "url": "https://geo.example"}
    setup = (await added(http, "owntracks", **facts))["setup"]
    assert setup["url"].startswith("https://geo.example/ingest/")
    settings = json.loads(base64.b64decode(setup["link"].removeprefix("owntracks:///config?inline=")))
    assert (settings["_type"], settings["mode"], settings["url"]) == ("configuration", 3, setup["url"])
    assert settings["encryptionKey"] == "k3y"
    link = (await added(http, "overland", user_id="jane"))["setup"]["link"]
    assert link.startswith("overland://setup?url=http")
    assert setup["qr"].startswith("data:image/svg+xml")
    assert link.endswith("device_id=jane")
    assert (await added(http, "overland"))["setup"]["link"].endswith("unique_id=yes")


@pytest.mark.parametrize("user_id", ["a", "ab", "abc", "???>>>~~~", "aé", "王芳"])
async def test_a_setup_link_holds_nothing_that_links_or_alphabets_of_base64_read_differently(
    http: Http, user_id: str
) -> None:
    setup = (await added(http, "owntracks", user_id=user_id, encryption_key=">?~"))["setup"]
    inline = setup["link"].removeprefix("owntracks:///config?inline=")
    assert inline.isalnum()
    assert json.loads(base64.b64decode(inline))["username"] == user_id


async def test_a_day_of_fixes_in_one_body_is_taken_in_parts(http: Http) -> None:
    """GPSLogger sends its whole file again at every upload: more fixes than one request of ours may hold."""
    source = await added(http, "gpslogger", user_id="jane")
    last_s = now_ms() // 1000
    rows = "".join(f"{last_s - 12_000 + row},60.17,24.94,5\n" for row in range(12_000))
    body = f"timestamp,lat,lon,acc\n{rows}".encode()
    async with http.session.post(source["setup"]["url"], data=body, headers={"Content-Type": "text/csv"}) as answer:
        assert answer.status == 200
    assert taken(http) == 12_000


@pytest.mark.parametrize("document", re.findall(r'({"kind": .+?})\'?\n(?:```|$)', PAGE, re.DOTALL))
async def test_what_the_page_of_clients_adds_can_be_added(http: Http, document: str) -> None:
    assert (await http.call("POST", "/v1/sources", json.loads(document)))[0] == 201


def test_the_page_of_clients_has_every_client() -> None:
    assert [kind for kind in CLIENTS if f"| `{kind}` |" not in PAGE] == []


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"kind": "gpslogger", "name": "x", "url": "https://geo.example/" + "x" * 500}, "/url"),
        (
            {"kind": "custom", "name": "x", "fields": {"ts": ["t"], "lat": ["a"], "lon": ["b"], "rows": "p"}},
            "/fields/rows",
        ),
        ({"kind": "owntracks", "name": "x"}, "/user_id"),
        ({"kind": "custom", "name": "x"}, "/fields"),
        ({"kind": "gpslogger", "name": "x", "sends_geofences": True}, "/sends_geofences"),
        ({"kind": "overland", "name": "x", "encryption_key": "k"}, "/encryption_key"),
        ({"kind": "traccar", "name": "x", "fields": {"ts": ["t"], "lat": ["a"], "lon": ["b"]}}, "/fields"),
        ({"kind": "owntracks", "name": "x", "user_id": "j", "encryption_key": "x" * 33}, "/encryption_key"),
        ({"kind": "custom", "name": "x", "fields": {"ts": [], "lat": ["a"], "lon": ["b"]}}, "/fields/ts"),
        ({"kind": "nokia", "name": "x"}, "/kind"),
    ],
)
async def test_a_source_that_cannot_work_is_refused_with_its_pointer(
    http: Http, document: dict[str, Any], pointer: str
) -> None:
    status, problem = await http.call("POST", "/v1/sources", document)
    assert (status, problem["pointer"]) == (422, pointer)
