"""Users and devices over HTTP."""

from typing import Any

import pytest

from gateway.clock import now_ms
from gateway.store.profiles import TokenNews
from tests.gateway.conftest import Http

USER: dict[str, Any] = {
    "locale": "fi",
    "time_zone": "Europe/Helsinki",
    "attributes": {"member": True, "tier": "gold"},
    "consent": {"location": True, "push": {"granted": True, "at_ms": 5, "source": "app", "text_version": "v3"}},
}
DEVICE = {"platform": "apns", "token": "ab" * 32, "app_version": "1.2"}


async def test_a_user_comes_back_as_put_with_consents_dated(http: Http) -> None:
    assert (await http.call("PUT", "/v1/users/u1", USER))[0] == 200
    status, user = await http.call("GET", "/v1/users/u1")
    assert (status, user["locale"], user["time_zone"]) == (200, "fi", "Europe/Helsinki")
    assert user["attributes"] == USER["attributes"]
    assert user["consent"]["push"] == USER["consent"]["push"]
    assert user["consent"]["location"]["granted"] is True
    assert user["consent"]["location"]["at_ms"] > 1_700_000_000_000
    assert user["consent"]["profiling"]["granted"] is False


async def test_devices_stay_when_the_user_is_put_again_and_tokens_are_not_shown(http: Http) -> None:
    await http.call("PUT", "/v1/users/u1/devices/phone", DEVICE)
    await http.call("PUT", "/v1/users/u1", USER)
    (device,) = (await http.call("GET", "/v1/users/u1"))[1]["devices"]
    assert (device["device_id"], device["platform"], device["token_end"]) == ("phone", "apns", "ababab")
    assert "token" not in device
    assert (await http.call("DELETE", "/v1/users/u1/devices/phone"))[0] == 204
    assert (await http.call("DELETE", "/v1/users/u1/devices/phone"))[0] == 404


async def test_a_device_whose_token_its_provider_refused_says_so_until_it_is_put_again(http: Http) -> None:
    await http.call("PUT", "/v1/users/u1/devices/phone", DEVICE)
    profiles = http.gateway.context.store.profiles
    (device,) = (await http.call("GET", "/v1/users/u1"))[1]["devices"]
    assert device["refused"] is None
    news = TokenNews(
        user_id="u1", token=DEVICE["token"], registered_at_ms=device["registered_at_ms"],
        reason="DeviceTokenNotForTopic", at_ms=7,
    )  # fmt: skip
    await profiles.note_tokens([news])
    (device,) = (await http.call("GET", "/v1/users/u1"))[1]["devices"]
    assert device["refused"] == {"reason": "DeviceTokenNotForTopic", "at_ms": 7}
    await http.call("PUT", "/v1/users/u1/devices/phone", DEVICE)
    (device,) = (await http.call("GET", "/v1/users/u1"))[1]["devices"]
    assert device["refused"] is None


async def test_a_deleted_user_is_gone(http: Http) -> None:
    await http.call("PUT", "/v1/users/u1", USER)
    assert (await http.call("DELETE", "/v1/users/u1"))[0] == 204
    assert (await http.call("GET", "/v1/users/u1"))[0] == 404
    assert (await http.call("DELETE", "/v1/users/u1"))[0] == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Helsinki/Europe"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"locale": "finnish!"}, "/locale"),
        ({"consent": {"marketing": True}}, "/consent/marketing"),
        ({"consent": {"push": "yes"}}, "/consent/push"),
        ({"name": "Jane"}, "/name"),
    ],
)
async def test_a_bad_user_is_refused_with_its_pointer(http: Http, change: dict[str, Any], pointer: str) -> None:
    status, problem = await http.call("PUT", "/v1/users/u1", USER | change)
    assert (status, problem["pointer"]) == (422, pointer)
    assert (await http.call("GET", "/v1/users/u1"))[0] == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"platform": "windows"}, "/platform"), ({"token": "short"}, "/token"), ({"token": "white space!"}, "/token")],
)
async def test_a_bad_device_is_refused_with_its_pointer(http: Http, change: dict[str, Any], pointer: str) -> None:
    status, problem = await http.call("PUT", "/v1/users/u1/devices/d", DEVICE | change)
    assert (status, problem["pointer"]) == (422, pointer)


async def test_ids_with_slashes_and_umlauts_are_ids_like_others(http: Http) -> None:
    assert (await http.call("PUT", "/v1/users/caf%C3%A9%2F7", USER))[0] == 200
    assert (await http.call("GET", "/v1/users/caf%C3%A9%2F7"))[1]["user_id"] == "café/7"


async def test_a_key_bound_to_one_user_touches_no_other(http: Http) -> None:
    key = await http.new_key("ingest", user_id="u1")
    assert (await http.call("PUT", "/v1/users/u1", USER, key=key))[0] == 200
    assert (await http.call("PUT", "/v1/users/u1/devices/d", DEVICE, key=key))[0] == 200
    assert (await http.call("PUT", "/v1/users/u2", USER, key=key))[0] == 403
    assert (await http.call("PUT", "/v1/users/u2/devices/d", DEVICE, key=key))[0] == 403
    assert (await http.call("GET", "/v1/users/u1", key=key))[0] == 403


async def test_what_a_user_did_is_told_store_by_store_and_event_by_event(http: Http) -> None:
    consent = {"consent": {"location": True, "profiling": True}}
    assert (await http.call("PUT", "/v1/users/u1", consent))[0] == 200
    at_ms = now_ms() - 3_600_000
    await http.gateway.context.store.behaviour.record_visits([("u1", "cafe", at_ms), ("u1", "bank", at_ms + 60_000)])
    event = {"user_id": "u1", "name": "purchase", "ts": at_ms, "value": 12.5}
    assert (await http.call("POST", "/v1/events", event))[0] == 202
    status, done = await http.call("GET", "/v1/users/u1/behaviour")
    assert status == 200
    assert [(one["geofence_id"], one["count"], one["recent_at_ms"]) for one in done["visits"]] == [
        ("bank", 1, [at_ms + 60_000]),
        ("cafe", 1, [at_ms]),
    ]
    assert done["events"] == [{"name": "purchase", "count": 1, "first_at_ms": at_ms, "last_at_ms": at_ms}]
    assert await http.call("GET", "/v1/users/nobody/behaviour") == (200, {"visits": [], "events": []})
