"""A phone with a token pings for its own user only, and too fast a key is slowed."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import now_ms
from gateway.settings import Settings
from tests.gateway.conftest import Http
from tests.gateway.web.test_tokens import jwks, token
from tests.patience import patient


@pytest.fixture
def settings(gateway_redis_url: str, tmp_path: Path) -> Settings:
    path = tmp_path / "jwks.json"
    path.write_text(jwks("h", "e"))
    plain = patient(redis_url=gateway_redis_url, port=0, partitions=4, run_sender=False)
    return dataclasses.replace(plain, jwks_file=path, key_pings_per_s=50.0, user_min_interval_s=2.0, trusts_proxy=True)


def ping(user: str = "u1", after_ms: int = 0) -> dict[str, Any]:
    return {"user_id": user, "ts": now_ms() - 60_000 + after_ms, "lat": 10.0, "lon": 10.0}


async def test_a_token_pings_for_its_subject_and_nobody_else(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/pings", [ping("u1"), ping("u2")], key=token("e"))
    assert (status, answer["accepted"]) == (202, 1)
    assert answer["rejected"][0]["code"] == "wrong_user"
    assert (await http.call("PUT", "/v1/users/u1", {}, key=token("e")))[0] == 200
    assert (await http.call("PUT", "/v1/users/u2", {}, key=token("e")))[0] == 403
    assert (await http.call("GET", "/v1/offers", key=token("e")))[0] == 403
    status, problem = await http.call("POST", "/v1/pings", ping(), key=token("h", exp=1))
    assert (status, problem["detail"]) == (401, "the token has expired; fetch a new one")


async def test_a_key_that_sends_too_fast_is_told_when_to_come_back(http: Http) -> None:
    key = await http.new_key("ingest")
    batch = [ping(f"u{i}") for i in range(120)]
    assert (await http.call("POST", "/v1/pings", batch, key=key))[0] == 202
    async with http.request("POST", "/v1/pings", batch, key=key) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert json.loads(await answer.read())["code"] == "too_many_requests"
    assert (await http.call("POST", "/v1/pings", ping(), key=await http.new_key("ingest")))[0] == 202


async def test_behind_a_proxy_that_ends_tls_phones_are_told_its_address(http: Http) -> None:
    headers = {"Authorization": f"Bearer {http.key}", "Host": "geo.example", "X-Forwarded-Proto": "https"}
    wanted = {"kind": "colota", "name": "x", "user_id": "u1"}
    async with http.session.post(f"{http.gateway.url}/v1/sources", json=wanted, headers=headers) as answer:
        assert (await answer.json())["setup"]["url"].startswith("https://geo.example/ingest/")


async def test_a_source_beyond_its_rate_keeps_its_fixes(http: Http) -> None:
    """After a 429 OwnTracks on iOS would throw them away."""
    _, source = await http.call("POST", "/v1/sources", {"kind": "gpslogger", "name": "x", "user_id": "u1"})
    rows = "".join(f"{now_ms() + row * 3000},10,10\n" for row in range(120))
    for status, retry_after in ((200, None), (503, "1")):
        headers = {"Content-Type": "text/csv"}
        async with http.session.post(source["setup"]["url"], data=f"ts,lat,lon\n{rows}", headers=headers) as answer:
            assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)


async def test_phones_with_tokens_are_slowed_each_for_itself(http: Http) -> None:
    """One key signs the tokens of all: a phone that sends too fast takes nothing from the others."""
    fast, calm = token("e"), token("e", sub="u2")
    batch = [ping(after_ms=i) for i in range(120)]
    assert [(await http.call("POST", "/v1/pings", batch, key=fast))[0] for _ in range(2)] == [202, 429]
    assert (await http.call("POST", "/v1/pings", ping("u2"), key=calm))[0] == 202


async def test_fixes_too_close_together_are_accepted_counted_and_dropped(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/pings", [ping(after_ms=i * 500) for i in range(9)])
    assert (status, answer["accepted"]) == (202, 9)
    value = http.gateway.context.metrics.registry.get_sample_value
    assert value("geopush_pings_total") == 3
    assert value("geopush_pings_ignored_total", {"reason": "too_close"}) == 6
