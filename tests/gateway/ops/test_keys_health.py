"""Keys are made, listed and revoked; health and metrics are open to all."""

import pytest

from tests.gateway.conftest import Http


async def test_a_secret_is_shown_once_and_a_revoked_key_opens_nothing_at_once(http: Http) -> None:
    status, made = await http.call("POST", "/v1/keys", {"name": "phones", "scopes": ["ops", "ingest"]})
    assert (status, made["scopes"], made["secret"][:3]) == (201, ["ingest", "ops"], "gp_")
    assert (await http.call("GET", "/v1/offers", key=made["secret"]))[0] == 200
    listed = (await http.call("GET", "/v1/keys"))[1]["items"]
    assert [key["name"] for key in listed] == ["first admin", "phones"]
    assert not any("secret" in key for key in listed)
    assert (await http.call("DELETE", f"/v1/keys/{made['key_id']}"))[0] == 204
    assert (await http.call("GET", "/v1/offers", key=made["secret"]))[0] == 401
    assert (await http.call("DELETE", f"/v1/keys/{made['key_id']}"))[0] == 404


async def test_an_expired_key_opens_nothing(http: Http) -> None:
    key = await http.new_key("ops", expires_at_ms=1)
    assert (await http.call("GET", "/v1/offers", key=key))[0] == 401


async def test_only_admins_hand_out_keys(http: Http) -> None:
    key = await http.new_key("ops")
    assert (await http.call("POST", "/v1/keys", {"name": "x", "scopes": ["admin"]}, key=key))[0] == 403
    assert (await http.call("GET", "/v1/keys", key=key))[0] == 403


@pytest.mark.parametrize("document", [{"name": "x", "scopes": []}, {"name": "x", "scopes": ["root"]}, {"name": "x"}])
async def test_a_key_without_a_known_scope_is_refused(http: Http, document: object) -> None:
    assert (await http.call("POST", "/v1/keys", document))[0] == 422


async def test_health_and_readiness_need_no_key(http: Http) -> None:
    assert await http.call("GET", "/healthz", key="") == (200, {"status": "ok"})
    status, ready = await http.call("GET", "/readyz", key="")
    assert (status, ready["status"], ready["parts"]["redis"], ready["parts"]["catalog"]) == (200, "ready", "ok", "ok")


async def test_metrics_are_prometheus_text_without_user_ids(http: Http) -> None:
    await http.call("GET", "/v1/users/secret-person")
    async with http.request("GET", "/metrics", key="") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'geopush_http_requests_total{route="/v1/users/{user_id}",status="404"} 1.0' in text
    assert "secret-person" not in text
