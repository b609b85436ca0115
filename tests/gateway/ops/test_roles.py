"""Roles over HTTP: what each may, what it may not, and that store operations stay within their own tags."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import ingest, ops
from gateway.ops.keys import NewKey
from gateway.web.permissions import ROLES, SCOPES
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle
from tests.patience import PATIENCE_S

OPERATIONS = [*ingest.OPERATIONS, *ops.OPERATIONS]


@pytest.fixture
async def mia(http: Http) -> str:
    """The key of Helsinki's store operations, beside stores of Espoo."""
    features = [
        circle("h1", 24.94, 60.17, tags=["helsinki", "kiosk"]),
        circle("e1", 24.65, 60.2, tags=["espoo", "kiosk"]),
        circle("n1", 24.6, 60.3),
    ]
    await http.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
    return await http.new_key(role="store_ops", tags=["helsinki"])


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_opens_what_the_table_says_and_nothing_else(http: Http, role: str) -> None:
    """Every operation is asked with every role; what is refused names the permission that the operation declares."""
    key = await http.new_key(role=role, **({"tags": ["helsinki"]} if role == "store_ops" else {}))
    for op in OPERATIONS:
        if op.needs is None or op.answer_type == "text/event-stream" or op.status == 101:
            continue
        path = op.path.replace("{version}", "1").replace("{kind}", "offers").replace("{", "").replace("}", "")
        status, answer = await http.call(op.method, path, key=key)
        is_refused = status == 403 and answer.get("permission") == op.needs
        assert is_refused == (op.needs not in ROLES[role]), (op.method, path, status, answer)


def test_the_api_knows_the_roles_and_scopes_of_the_table() -> None:
    hints = {name: str(hint) for name, hint in NewKey.__annotations__.items()}
    assert hints["role"].startswith("Role")
    from gateway.ops.keys import Role, Scope

    assert list(Role.__args__) == list(ROLES)  # type: ignore[attr-defined]
    assert list(Scope.__args__) == list(SCOPES)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, "/scopes"),
        ({"role": "store_ops"}, "/tags"),
        ({"role": "viewer", "tags": ["helsinki"]}, "/tags"),
        ({"scopes": ["ops"], "tags": ["helsinki"]}, "/tags"),
        ({"role": "viewer", "user_id": "u1"}, "/user_id"),
        ({"role": "king"}, "/role"),
    ],
)
async def test_a_key_that_would_mean_nothing_is_refused(http: Http, document: Any, pointer: str) -> None:
    status, problem = await http.call("POST", "/v1/keys", {"name": "x", **document})
    assert (status, problem["pointer"]) == (422, pointer)


async def test_a_key_is_listed_with_its_role_and_tags(http: Http, mia: str) -> None:
    _, page = await http.call("GET", "/v1/keys")
    assert [(k.get("role"), k.get("tags")) for k in page["items"]] == [(None, None), ("store_ops", ["helsinki"])]


async def test_a_rotated_key_opens_with_both_secrets_for_a_while_and_is_one_key(http: Http) -> None:
    _, made = await http.call("POST", "/v1/keys", {"name": "Mia", "role": "viewer"})
    path = f"/v1/keys/{made['key_id']}/rotate"
    status, rotated = await http.call("POST", path, {"overlap_s": 600})
    assert (status, rotated["key_id"], rotated["role"]) == (200, made["key_id"], "viewer")
    assert [(await http.call("GET", "/v1/offers", key=k["secret"]))[0] for k in (made, rotated)] == [200, 200]
    _, again = await http.call("POST", path, {"overlap_s": 0})
    assert [(await http.call("GET", "/v1/offers", key=k["secret"]))[0] for k in (rotated, again)] == [401, 200]
    assert (await http.call("POST", "/v1/keys/none/rotate", {}))[0] == 404
    assert (await http.call("POST", path, {"overlap_s": -1}))[0] == 422


async def test_the_last_key_that_lets_others_in_stays(http: Http) -> None:
    _, page = await http.call("GET", "/v1/keys")
    (first,) = (f"/v1/keys/{key['key_id']}" for key in page["items"])
    assert (await http.call("DELETE", first))[0] == 409
    await http.new_key("admin", expires_at_ms=1)
    assert (await http.call("DELETE", first))[0] == 409
    other = await http.new_key(role="admin")
    assert (await http.call("DELETE", first, key=other))[0] == 204


async def test_only_who_sees_users_lets_a_stored_one_walk(http: Http) -> None:
    """The trace would tell his consents and attributes; a made-up walker is everybody's."""
    walk = {"user_id": "jane", "pings": [{"ts": 1767261600000, "lat": 60.17, "lon": 24.94}]}
    viewer = await http.new_key(role="viewer")
    status, problem = await http.call("POST", "/v1/explain", walk, key=viewer)
    assert (status, problem["permission"]) == (403, "users:read")
    assert (await http.call("POST", "/v1/explain", walk | {"user": {}}, key=viewer))[0] == 200
    assert (await http.call("POST", "/v1/explain", walk))[0] == 200


async def test_store_operations_write_their_own_geofences(http: Http, mia: str) -> None:
    moved = circle("h1", 24.95, 60.17, tags=["helsinki"])
    new = circle("h2", 24.95, 60.18, tags=["helsinki"])
    assert (await http.call("PUT", "/v1/geofences/h1", moved, key=mia))[0] == 200
    assert (await http.call("PUT", "/v1/geofences/h2", new, key=mia))[0] == 200
    assert (await http.call("PATCH", "/v1/geofences/h2", {"properties": {"name": "Two"}}, key=mia))[0] == 200
    assert (await http.call("DELETE", "/v1/geofences/h2", key=mia))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", "/v1/geofences/e1", circle("e1", 24.65, 60.2, tags=["helsinki"])),
        ("PUT", "/v1/geofences/h1", circle("h1", 24.94, 60.17, tags=["espoo"])),
        ("PUT", "/v1/geofences/h1", circle("h1", 24.94, 60.17)),
        ("PUT", "/v1/geofences/new?dry_run=true", circle("new", 24.94, 60.17)),
        ("PATCH", "/v1/geofences/e1", {"properties": {"tags": ["helsinki"]}}),
        ("DELETE", "/v1/geofences/e1", None),
        ("DELETE", "/v1/geofences/n1", None),
        ("POST", "/v1/geofences/tags", {"ids": ["h1", "e1"], "add": ["open"]}),
        ("POST", "/v1/geofences/tags", {"ids": ["h1"], "remove": ["helsinki"]}),
        (
            "POST",
            "/v1/geofences/import",
            {
                "type": "FeatureCollection",
                "features": [circle(name, 24.94, 60.17, tags=["helsinki"]) for name in ("h1", "e1")],
            },
        ),
    ],
)
async def test_store_operations_touch_nobody_elses(http: Http, mia: str, method: str, path: str, document: Any) -> None:
    """Neither taken over, nor given away, nor by way of many at once; and nothing of it is half done."""
    before = await http.call("GET", "/v1/geofences")
    status, problem = await http.call(method, path, document, key=mia)
    assert (status, problem["tags"]) == (403, ["helsinki"])
    assert await http.call("GET", "/v1/geofences") == before


async def test_an_import_job_is_held_to_the_tags_too(http: Http, mia: str) -> None:
    before = await http.call("GET", "/v1/geofences")
    features = [circle("h1", 24.99, 60.17, tags=["helsinki"]), circle("e1", 24.99, 60.17, tags=["helsinki"])]
    collection = {"type": "FeatureCollection", "features": features}
    status, job = await http.call("POST", "/v1/imports", collection, key=mia)
    assert status == 202
    async with asyncio.timeout(PATIENCE_S):
        while job["phase"] != "finished":
            await asyncio.sleep(0.05)
            _, job = await http.call("GET", f"/v1/imports/{job['job_id']}", key=mia)
    assert (job["state"], "'e1' has none of your tags" in job["detail"]) == ("failed", True)
    assert await http.call("GET", "/v1/geofences") == before


async def test_a_back_end_sees_its_users_and_not_what_was_decided_about_them(http: Http) -> None:
    """What a scope opens does not grow with the roles beside it."""
    key = await http.new_key("events")
    await http.call("PUT", "/v1/users/jane", {}, key=key)
    assert (await http.call("GET", "/v1/users/jane", key=key))[0] == 200
    for part in ("decisions", "export"):
        assert (await http.call("GET", f"/v1/users/jane/{part}", key=key))[0] == 403


async def test_store_operations_pause_offers_of_their_own_stores_only(http: Http, mia: str) -> None:
    own = {"tagged": {"tags": ["helsinki"]}, "named": {"geofences": ["h1"]}}
    foreign = {
        "all": {"all": True},
        "both": {"tags": ["helsinki", "espoo"]},
        "kiosks": {"tags": ["kiosk"]},
        "other": {"geofences": ["h1", "e1"]},
    }
    for name, targets in (own | foreign).items():
        assert (await http.call("PUT", f"/v1/offers/{name}", OFFER | {"targets": targets}))[0] == 200
    told = {name: (await http.call("POST", f"/v1/offers/{name}/pause", key=mia))[0] for name in own | foreign}
    assert told == dict.fromkeys(own, 200) | dict.fromkeys(foreign, 403)
    assert (await http.call("PATCH", "/v1/offers/tagged", {"status": "active"}, key=mia))[0] == 403
