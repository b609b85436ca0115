"""POST /v1/pings on a whole gateway."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from gateway.clock import now_ms
from tests.gateway.conftest import Http


def ping(**change: Any) -> dict[str, Any]:
    return {"user_id": "u1", "ts": now_ms(), "lat": 60.17, "lon": 24.94, **change}


async def test_good_pings_are_accepted_and_bad_ones_named(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/pings", [ping(), ping(lat=91), ping(ts=1_707_057_574), ping()])
    assert (status, answer["accepted"]) == (202, 2)
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [(1, "out_of_range"), (2, "ts_not_milliseconds")]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_one_object_is_taken(http: Http, content_type: str) -> None:
    options = {"data": json.dumps(ping()), "headers": {"Content-Type": content_type}}
    assert await http.call("POST", "/v1/pings", **options) == (202, {"accepted": 1, "rejected": []})


async def test_lines_in_gzip_are_taken(http: Http) -> None:
    body = gzip.compress("\n".join(json.dumps(ping()) for _ in range(500)).encode())
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    status, answer = await http.call("POST", "/v1/pings", data=body, headers=headers)
    assert (status, answer["accepted"]) == (202, 500)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Content-Type": "application/json"}, b"{", 400, "bad_request"),
        ({"Content-Type": "text/plain"}, b"[]", 415, "unsupported_media_type"),
        ({"Content-Type": "application/json", "Content-Encoding": "br"}, b"[]", 415, "unsupported_media_type"),
        ({"Content-Type": "application/json"}, b"[" + b"{}," * 10_000 + b"{}]", 413, "too_large"),
        ({"Content-Type": "application/json"}, b" " * 50_000_000, 413, "too_large"),
        (
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            gzip.compress(bytes(100_000_000)),
            413,
            "too_large",
        ),
    ],
)
async def test_a_body_that_cannot_be_pings_is_refused_whole(
    http: Http, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    """A refusal changes nothing and does not slow others."""
    refusal = asyncio.create_task(http.call("POST", "/v1/pings", data=body, headers=headers))
    assert (await http.call("POST", "/v1/pings", ping()))[0] == 202
    found, problem = await refusal
    assert (found, problem["code"]) == (status, code)


async def test_pings_ask_for_the_scope_ingest(http: Http) -> None:
    assert (await http.call("POST", "/v1/pings", ping(), key=await http.new_key("ingest")))[0] == 202
    assert (await http.call("POST", "/v1/pings", ping(), key=await http.new_key("ops")))[0] == 403
    assert (await http.call("POST", "/v1/pings", ping(), key="gp_no"))[0] == 401
    async with http.session.post(http.gateway.url + "/v1/pings", json=ping()) as answer:
        assert answer.status == 401


async def test_a_key_bound_to_one_user_pings_for_no_other(http: Http) -> None:
    key = await http.new_key("ingest", user_id="u1")
    status, answer = await http.call("POST", "/v1/pings", [ping(), ping(user_id="u2")], key=key)
    assert (status, answer["accepted"]) == (202, 1)
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [(1, "wrong_user")]


async def test_pings_inside_a_geofence_make_the_user_present(http: Http) -> None:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [24.94, 60.17]},
        "properties": {"radius_m": 100},
    }
    await http.call("PUT", "/v1/geofences/g1", feature)
    at_ms = now_ms()
    await http.call("POST", "/v1/pings", [ping(ts=at_ms - 2000, accuracy=5), ping(ts=at_ms, accuracy=5)])
    assert http.gateway.context.store.present.is_maybe_present("u1")
    assert not http.gateway.context.store.present.is_maybe_present("u2")
