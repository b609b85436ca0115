"""The catalog's past: versions, differences, documents as they were, rollback; and who did it all."""

import json
from typing import Any

import pytest

from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle


async def put(http: Http, path: str, document: dict[str, Any]) -> int:
    status, stored = await http.call("PUT", path, document)
    assert status == 200, stored
    version: int = stored["version"]
    return version


async def test_versions_tell_when_by_whom_and_how_much(http: Http) -> None:
    await put(http, "/v1/geofences/g1", circle("g1", 24.9, 60.1))
    features = [circle(f"h{i}", 24.9, 60.1) for i in range(3)]
    await http.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
    _, page = await http.call("GET", "/v1/catalog/versions")
    assert [(v["changes"], v["author"]) for v in page["items"]] == [(3, "first admin"), (1, "first admin")]
    assert page["items"][0]["at_ms"] > 1_700_000_000_000
    _, first = await http.call("GET", "/v1/catalog/versions?limit=1")
    _, second = await http.call("GET", f"/v1/catalog/versions?limit=1&before={first['next_before']}")
    assert [v["changes"] for v in second["items"]] == [1]


async def test_a_rollback_brings_back_what_was_and_can_be_undone(http: Http) -> None:
    await put(http, "/v1/geofences/g1", circle("g1", 24.9, 60.1, name="Old"))
    before = await put(http, "/v1/offers/o1", OFFER)
    after = await put(http, "/v1/geofences/g1", circle("g1", 24.9, 60.1, name="New"))
    await http.call("DELETE", "/v1/offers/o1")
    _, found = await http.call("GET", f"/v1/catalog/diff?older={before}")
    assert [(d["kind"], d["id"], d["after"]) for d in found["items"]] == [
        ("geofences", "g1", after),
        ("offers", "o1", None),
    ]
    status, old = await http.call("GET", f"/v1/catalog/versions/{before}/geofences/g1")
    assert (status, old["properties"]["name"]) == (200, "Old")
    status, done = await http.call("POST", "/v1/catalog/rollback", {"version": before})
    assert (status, done["version"]) == (200, after + 2)
    assert (await http.call("GET", "/v1/geofences/g1"))[1]["properties"]["name"] == "Old"
    assert http.gateway.context.catalog.current.rulebook.get("o1") is not None
    await http.call("POST", "/v1/catalog/rollback", {"version": done["version"] - 1})
    assert (await http.call("GET", "/v1/offers/o1"))[0] == 404


async def test_a_long_difference_comes_in_pages(http: Http) -> None:
    """An import of thousands is one version; what it changed is read page by page, in order, each document once."""
    before = (await http.call("GET", "/v1/catalog/versions"))[1]["items"]
    older = before[0]["version"] if before else 0
    stores = [circle(f"s{number:02}", 24.9, 60.1) for number in range(25)]
    await http.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": stores})
    await put(http, "/v1/offers/o1", OFFER | {"targets": {"all": True}})
    seen, query = [], f"older={older}&limit=10"
    while query:
        _, page = await http.call("GET", f"/v1/catalog/diff?{query}")
        assert (page["total"], len(page["items"]) <= 10) == (26, True)
        seen += [f"{one['kind']}/{one['id']}" for one in page["items"]]
        query = f"older={older}&limit=10&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == [*(f"geofences/s{number:02}" for number in range(25)), "offers/o1"]
    assert (await http.call("GET", f"/v1/catalog/diff?older={older}&limit=0"))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("POST", "/v1/catalog/rollback", {"version": 999}, 404),
        ("POST", "/v1/catalog/rollback", {"version": -1}, 422),
        ("GET", "/v1/catalog/diff", None, 400),
        ("GET", "/v1/catalog/diff?older=9&newer=1", None, 404),
        ("GET", "/v1/catalog/diff?older=0&newer=999999999999999", None, 404),
        ("GET", "/v1/catalog/versions/999999999999999/offers/none", None, 404),
        ("GET", "/v1/catalog/versions/1/geofences/none", None, 404),
        ("GET", "/v1/catalog/versions/1/gossip/none", None, 404),
    ],
)
async def test_a_past_that_is_not_there_is_no_past(
    http: Http, method: str, path: str, document: Any, status: int
) -> None:
    assert (await http.call(method, path, document))[0] == status


async def test_every_change_is_written_down_with_before_and_after(http: Http) -> None:
    await put(http, "/v1/geofences/g1", circle("g1", 24.9, 60.1, name="Old"))
    await put(http, "/v1/geofences/g1", circle("g1", 24.9, 60.1, name="New"))
    await http.call("DELETE", "/v1/geofences/g1")
    key = await http.new_key("ops")
    await http.call("PUT", "/v1/users/jane", {})
    await http.call("DELETE", "/v1/users/jane")
    assert (await http.call("GET", "/v1/audit", key=key))[0] == 403
    _, page = await http.call("GET", "/v1/audit")
    told = [(e["action"], e["what"].partition("/")[0], e["who"]) for e in page["items"]]
    assert told == [
        ("erase", "users", "first admin"),
        ("make", "keys", "first admin"),
        ("delete", "geofences", "first admin"),
        ("put", "geofences", "first admin"),
        ("put", "geofences", "first admin"),
    ]
    edit = page["items"][3]
    assert (edit["before"]["properties"]["name"], edit["after"]["properties"]["name"]) == ("Old", "New")
    assert "jane" not in json.dumps(page)
    assert key not in json.dumps(page)
    _, first = await http.call("GET", "/v1/audit?limit=2")
    _, second = await http.call("GET", f"/v1/audit?limit=2&cursor={first['next_cursor']}")
    assert [*first["items"], *second["items"]] == page["items"][:4]


async def test_a_user_is_exported_with_all_that_is_held(http: Http) -> None:
    await http.call("PUT", "/v1/users/jane", {"locale": "fi", "consent": {"push": True}})
    status, exported = await http.call("GET", "/v1/users/jane/export")
    assert (status, exported["user_id"], exported["profile"]["locale"]) == (200, "jane", "fi")
