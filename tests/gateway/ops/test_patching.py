"""Parts of documents changed in place, and tags on many geofences at once."""

from typing import Any

import pytest

from gateway.ops.stored import merge
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ("foo", {"a": 1}, {"a": 1}),
    ],
)
def test_a_merge_patch_does_what_the_rfc_says(target: Any, patch: Any, expected: Any) -> None:
    assert merge(target, patch) == expected


async def test_an_offer_is_paused_at_once(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.9, 60.1))
    await http.call("PUT", "/v1/offers/o1", OFFER)
    async with http.request("GET", "/v1/offers/o1") as answer:
        tag = answer.headers["ETag"]
    assert (await http.call("PATCH", "/v1/offers/o1", {"status": "paused"}, headers={"If-Match": tag}))[0] == 200
    offer = http.gateway.context.catalog.current.rulebook.get("o1")
    assert offer is not None
    assert (offer.is_live, offer.name) == (False, "Soup")
    assert (await http.call("PATCH", "/v1/offers/o1", {"status": "active"}, headers={"If-Match": tag}))[0] == 412
    status, problem = await http.call("PATCH", "/v1/offers/o1", {"priority": "high"})
    assert (status, problem["pointer"]) == (422, "/priority")
    assert (await http.call("PATCH", "/v1/offers/none", {}))[0] == 404


async def test_a_geofence_is_renamed_and_its_shape_stays(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.9, 60.1, name="Old", chain="x"))
    patch = {"properties": {"name": "New", "chain": None}}
    assert (await http.call("PATCH", "/v1/geofences/g1", patch))[0] == 200
    _, feature = await http.call("GET", "/v1/geofences/g1")
    assert feature["properties"] == {"radius_m": 50, "name": "New"}
    assert feature["geometry"]["coordinates"] == [24.9, 60.1]
    status, problem = await http.call("PATCH", "/v1/geofences/g1", {"geometry": None})
    assert (status, problem["errors"][0]["code"]) == (422, "missing_geometry")


async def test_many_geofences_are_tagged_in_one_version(http: Http) -> None:
    features = [circle(f"g{i}", 24.9, 60.1, name=f"Shop {i}", tags=["old"]) for i in range(5)]
    await http.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
    tagging = {"q": "shop", "add": ["new"], "remove": ["old"]}
    status, done = await http.call("POST", "/v1/geofences/tags", tagging)
    assert (status, done["changed"]) == (200, 5)
    _, page = await http.call("GET", "/v1/geofences?tag=new")
    assert [f["properties"]["tags"] for f in page["items"]] == [["new"]] * 5
    assert (await http.call("POST", "/v1/geofences/tags", tagging))[1] == {"changed": 0, "version": done["version"]}
    _, one = await http.call("POST", "/v1/geofences/tags", {"ids": ["g1"], "add": ["best"]})
    assert one["changed"] == 1
    assert http.gateway.context.catalog.current.index.locate(60.1, 24.9) == ("g0", "g1", "g2", "g3", "g4")


@pytest.mark.parametrize(
    ("tagging", "status", "pointer"),
    [
        ({"ids": ["g1"]}, 400, "/add"),
        ({"add": ["x"]}, 400, "/ids"),
        ({"ids": ["g1"], "q": "x", "add": ["x"]}, 400, "/ids"),
        ({"ids": ["none"], "add": ["x"]}, 422, "/ids/0"),
        ({"ids": ["g1"], "add": [""]}, 422, "/add/0"),
    ],
)
async def test_a_tagging_that_cannot_be_meant_is_refused(
    http: Http, tagging: dict[str, Any], status: int, pointer: str
) -> None:
    found, problem = await http.call("POST", "/v1/geofences/tags", tagging)
    assert (found, problem["pointer"]) == (status, pointer)
