"""Geofences over HTTP: put, shown, listed, imported, deleted; every mistake named and nothing half done."""

import asyncio
import json
from typing import Any

import pytest

from tests.gateway.conftest import Http

STORE: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[24.94, 60.17], [24.95, 60.17], [24.95, 60.18], [24.94, 60.17]]]},
    "properties": {"name": "Kiosk", "tags": ["kiosk"]},
}
OFFER: dict[str, Any] = {
    "name": "Soup",
    "status": "active",
    "targets": {"geofences": ["g1"]},
    "trigger": {"type": "enter"},
    "messages": {"en": {"title": "Soup", "body": "Have soup today."}},
}


def circle(geofence_id: str, lng: float, lat: float, **properties: Any) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [lng, lat]}
    return {"type": "Feature", "id": geofence_id, "geometry": geometry, "properties": {"radius_m": 50, **properties}}


async def test_a_geofence_is_live_once_its_put_is_answered(http: Http) -> None:
    status, stored = await http.call("PUT", "/v1/geofences/g1", STORE)
    assert (status, stored["id"]) == (200, "g1")
    index = http.gateway.context.catalog.current.index
    assert index.locate(60.172, 24.947) == ("g1",)


async def test_properties_that_rules_cannot_read_are_warned_of_and_stored_as_they_are(http: Http) -> None:
    doubtful = circle("g1", 24.94, 60.17, opening_hours="ask inside", time_zone="Mars/Base")
    for query in ("?dry_run=true", ""):
        status, stored = await http.call("PUT", f"/v1/geofences/g1{query}", doubtful)
        assert (status, [warning["pointer"] for warning in stored["warnings"]]) == (
            200, ["/properties/time_zone", "/properties/opening_hours"],
        )  # fmt: skip
    assert (await http.call("GET", "/v1/geofences/g1"))[1]["properties"]["opening_hours"] == "ask inside"


async def test_what_was_put_comes_back_and_can_be_put_again(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", STORE)
    status, shown = await http.call("GET", "/v1/geofences/g1")
    assert (status, shown["id"], shown["properties"]) == (200, "g1", STORE["properties"])
    assert {tuple(p) for p in shown["geometry"]["coordinates"][0]} == {
        (24.94, 60.17),
        (24.95, 60.17),
        (24.95, 60.18),
    }
    assert (await http.call("PUT", "/v1/geofences/g1", shown))[0] == 200


async def test_only_the_version_named_by_if_match_is_replaced(http: Http) -> None:
    async with http.request("PUT", "/v1/geofences/g1", STORE) as answer:
        first = answer.headers["ETag"]
    async with http.request("PUT", "/v1/geofences/g1", STORE, headers={"If-Match": first}) as answer:
        second = answer.headers["ETag"]
        assert (answer.status, second != first) == (200, True)
    status, problem = await http.call("PUT", "/v1/geofences/g1", STORE, headers={"If-Match": first})
    assert (status, problem["code"]) == (412, "precondition_failed")
    status, _ = await http.call("PUT", "/v1/geofences/g1", STORE, headers={"If-None-Match": "*"})
    assert status == 412
    assert (await http.call("GET", "/v1/geofences/g1", headers={"If-None-Match": second}))[0] == 304
    assert (await http.call("DELETE", "/v1/geofences/g1", headers={"If-Match": first}))[0] == 412
    assert (await http.call("DELETE", "/v1/geofences/g1", headers={"If-Match": second}))[0] == 204
    assert (await http.call("GET", "/v1/geofences/g1"))[0] == 404


BOW_TIE = [[24.94, 60.17], [24.95, 60.18], [24.95, 60.17], [24.94, 60.18], [24.94, 60.17]]


@pytest.mark.parametrize(
    ("geometry", "code", "pointer"),
    [
        ({"type": "Polygon", "coordinates": [BOW_TIE]}, "self_intersection", "/geometry/coordinates"),
        ({"type": "Polygon", "coordinates": [BOW_TIE[:3]]}, None, "/geometry/coordinates/0"),
        ({"type": "Point", "coordinates": [24.94, 91]}, None, "/geometry/coordinates"),
        ({"type": "LineString", "coordinates": [[24, 60], [25, 61]]}, "unsupported_geometry", "/geometry/type"),
        (None, "missing_geometry", "/geometry"),
    ],
)
async def test_a_broken_shape_is_refused_with_its_place(
    http: Http, geometry: Any, code: str | None, pointer: str
) -> None:
    status, problem = await http.call("PUT", "/v1/geofences/g1", STORE | {"geometry": geometry})
    assert (status, problem["code"]) == (422, "invalid_document")
    (fault,) = problem["errors"]
    assert fault["pointer"].startswith(pointer)
    assert code is None or fault["code"] == code
    assert (await http.call("GET", "/v1/geofences/g1"))[0] == 404


async def test_a_million_vertices_are_refused_without_slowing_others(http: Http) -> None:
    ring = [[24.94 + i * 1e-9, 60.17] for i in range(200_000)]
    big = STORE | {"geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}}
    (status, problem), (others, _) = await asyncio.gather(
        http.call("PUT", "/v1/geofences/g1", big), http.call("GET", "/healthz")
    )
    assert others == 200
    assert status in {413, 422}, problem
    assert status == 413 or problem["errors"][0]["code"] == "too_many_vertices"


async def test_the_address_and_the_document_must_agree(http: Http) -> None:
    status, problem = await http.call("PUT", "/v1/geofences/g1", STORE | {"id": "g2"})
    assert (status, problem["errors"][0]["code"]) == (422, "other_id")


async def test_lists_come_in_order_a_page_at_a_time(http: Http) -> None:
    features = [circle(f"g{i:02}", 24 + i / 100, 60) for i in range(7)]
    await http.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
    seen: list[str] = []
    path = "/v1/geofences?limit=3"
    while True:
        status, page = await http.call("GET", path)
        assert status == 200
        seen += [feature["id"] for feature in page["items"]]
        if page["next_cursor"] is None:
            break
        path = f"/v1/geofences?limit=3&cursor={page['next_cursor']}"
    assert seen == [f"g{i:02}" for i in range(7)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("bbox=24.0,59.9,24.02,60.1", ["a", "b"]),
        ("bbox=170,-20,-170,-10", ["fiji"]),
        ("tag=cafe", ["b"]),
        ("q=KULMA", ["a"]),
        ("q=fij", ["fiji"]),
        ("tag=cafe&q=kulma", []),
    ],
)
async def test_lists_are_filtered_by_place_tag_and_text(http: Http, query: str, expected: list[str]) -> None:
    features = [
        circle("a", 24.0, 60, name="Kulmakauppa"),
        circle("b", 24.01, 60, tags=["cafe"]),
        circle("fiji", 179.99, -16.5),
    ]
    await http.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
    status, page = await http.call("GET", f"/v1/geofences?{query}")
    assert (status, [feature["id"] for feature in page["items"]]) == (200, expected)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "cursor=%C3%A9", "bbox=1,2,3", "bbox=a,b,c,d"])
async def test_a_bad_query_is_told_which_parameter(http: Http, query: str) -> None:
    status, problem = await http.call("GET", f"/v1/geofences?{query}")
    assert (status, problem["parameter"]) == (400, query.partition("=")[0])


async def test_an_import_is_all_or_nothing_and_names_every_fault(http: Http) -> None:
    features = [circle("a", 24, 60), circle("a", 25, 60), circle("b", 24, 95), circle("c", 24, 61)]
    collection = {"type": "FeatureCollection", "features": features}
    status, problem = await http.call("POST", "/v1/geofences/import", collection)
    assert (status, problem["failed"]) == (422, 2)
    assert problem["errors"][0]["code"] == "duplicate_id"
    assert [e["index"] for e in problem["errors"]] == [1, 2]
    assert (await http.call("GET", "/v1/geofences"))[1]["items"] == []
    status, done = await http.call("POST", "/v1/geofences/import?partial=true", collection)
    assert (status, done["imported"], done["failed"]) == (200, 2, 2)
    assert [f["id"] for f in (await http.call("GET", "/v1/geofences"))[1]["items"]] == ["a", "c"]


async def test_features_a_line_are_imported_and_faults_have_their_line(http: Http) -> None:
    lines = "\n".join([json.dumps(circle("a", 24, 60)), "", "{broken", json.dumps(circle("b", 24, 60))])
    options = {"data": lines, "headers": {"Content-Type": "application/x-ndjson"}}
    status, problem = await http.call("POST", "/v1/geofences/import", **options)
    assert (status, [(e["index"], e["line"]) for e in problem["errors"]]) == (422, [(1, 3)])


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"type": "FeatureCollection"}', "no json"])
async def test_what_is_no_collection_is_refused_whole(http: Http, body: str) -> None:
    options = {"data": body, "headers": {"Content-Type": "application/json"}}
    status, problem = await http.call("POST", "/v1/geofences/import", **options)
    assert (status, problem["code"]) == (400, "bad_request")


async def test_a_geofence_that_a_live_offer_names_is_kept_unless_forced(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", STORE)
    assert (await http.call("PUT", "/v1/offers/o1", OFFER))[0] == 200
    status, problem = await http.call("DELETE", "/v1/geofences/g1")
    assert (status, problem["used_by"]) == (409, ["o1"])
    assert (await http.call("DELETE", "/v1/geofences/g1?force=true"))[0] == 204


async def test_geofences_ask_for_the_scope_ops(http: Http) -> None:
    key = await http.new_key("ingest")
    assert (await http.call("GET", "/v1/geofences", key=key))[0] == 403
    assert (await http.call("GET", "/v1/geofences", key="gp_unknown"))[0] == 401


async def test_an_outline_tells_where_and_what_and_not_how_it_looks(http: Http) -> None:
    """For a list of a hundred thousand: id, name, tags, and a point in the middle, whatever the shape."""
    await http.call("PUT", "/v1/geofences/g1", STORE)
    await http.call("PUT", "/v1/geofences/g2", circle("g2", 24.9, 60.1, opening_hours="24/7"))
    status, page = await http.call("GET", "/v1/geofences?outline=true&limit=1")
    assert (status, page["items"]) == (
        200,
        [
            {
                "type": "Feature",
                "id": "g1",
                "geometry": {"type": "Point", "coordinates": [24.945, 60.175]},
                "properties": {"name": "Kiosk", "tags": ["kiosk"]},
            }
        ],
    )
    _, page = await http.call("GET", f"/v1/geofences?outline=true&cursor={page['next_cursor']}")
    assert [item["geometry"]["coordinates"] for item in page["items"]] == [[24.9, 60.1]]
    assert page["items"][0]["properties"] == {"name": None, "tags": []}


async def test_lists_are_sent_compressed_to_whom_can_unpack(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", STORE)
    async with http.request("GET", "/v1/geofences", headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.headers["Content-Encoding"], len((await answer.json())["items"])) == ("gzip", 1)
    async with http.request("GET", "/v1/geofences", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
