"""Imports as jobs: watched, compared before they are committed, atomic, with errors by line."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import circle
from tests.patience import PATIENCE_S

FILES = Path(__file__).parents[2] / "data" / "imports"


def collection(*features: dict[str, Any]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


async def run(http: Http, body: bytes, query: str = "", content_type: str = "application/geo+json") -> dict[str, Any]:
    status, job = await http.call("POST", f"/v1/imports?{query}", data=body, headers={"Content-Type": content_type})
    assert status == 202, job
    async with asyncio.timeout(PATIENCE_S):
        while job["state"] == "running" if "state" in job else True:
            await asyncio.sleep(0.05)
            status, job = await http.call("GET", f"/v1/imports/{job['job_id']}")
            assert status == 200
            if job.get("phase") == "finished":
                return job  # type: ignore[no-any-return]
    raise AssertionError("not reached")


async def ids(http: Http) -> list[str]:
    return [feature["id"] for feature in (await http.call("GET", "/v1/geofences"))[1]["items"]]


async def test_a_dry_run_shows_the_difference_and_changes_nothing(http: Http) -> None:
    await run(http, collection(circle("a", 24, 60), circle("b", 24.1, 60), circle("c", 24.2, 60)))
    after = collection(circle("a", 24, 60), circle("b", 24.5, 60), circle("d", 24.3, 60))
    job = await run(http, after, "dry_run=true&mode=replace")
    assert (job["state"], job["is_dry_run"]) == ("done", True)
    difference = job["difference"]
    assert (difference["added"], difference["changed"], difference["removed"], difference["unchanged"]) == (1, 1, 1, 1)
    assert (difference["added_ids"], difference["changed_ids"], difference["removed_ids"]) == (["d"], ["b"], ["c"])
    assert await ids(http) == ["a", "b", "c"]
    await run(http, after, "mode=replace")
    assert await ids(http) == ["a", "b", "d"]


async def test_merging_keeps_what_the_file_does_not_name(http: Http) -> None:
    await run(http, collection(circle("a", 24, 60)))
    await run(http, collection(circle("b", 24, 60)))
    assert await ids(http) == ["a", "b"]


async def test_an_unchanged_file_makes_no_new_version(http: Http) -> None:
    first = await run(http, collection(circle("a", 24, 60)))
    again = await run(http, collection(circle("a", 24, 60)))
    assert again["version"] == first["version"]
    assert again["difference"] == {"unchanged": 1}


async def test_faults_refuse_the_whole_file_and_come_as_a_table(http: Http) -> None:
    job = await run(http, collection(circle("a", 24, 60), circle("b", 24, 195), circle("a", 24, 61)))
    assert (job["state"], job["failed"], job["total"]) == ("refused", 2, 3)
    assert await ids(http) == []
    async with http.request("GET", f"/v1/imports/{job['job_id']}/errors.csv") as answer:
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["index"] for row in rows] == ["1", "2"]
    assert rows[1]["code"] == "duplicate_id"
    job = await run(http, collection(circle("a", 24, 60), circle("b", 24, 195)), "partial=true")
    assert (job["state"], job["failed"], await ids(http)) == ("done", 1, ["a"])


OURS = b"""id,name,lat,lng,radius_m,tags,opening_hours
s1,Kiosk,60.17,24.94,60,kiosk;city,Mo-Fr 08:00-18:00
s2,Hall,60.18,24.95,,,
bad,Nowhere,sixty,24.9,50,,
s1,Twin,60.19,24.96,50,,
"""
RADAR = b"""description,tag,externalId,type,radius,coordinates,enabled,metadata.chain
Shop A,store,a,circle,80,"[24.94, 60.17]",true,north
Shop B,store,b,polygon,,"[[24.94,60.17],[24.95,60.17],[24.95,60.18],[24.94,60.17]]",true,south
"""
WKT = b'id;wkt\nw;"POLYGON ((24.94 60.17, 24.95 60.17, 24.95 60.18, 24.94 60.17))"\nx;POLYGON ((1 2\n'


async def test_our_csv_is_read_with_line_numbers(http: Http) -> None:
    job = await run(http, OURS, "partial=true&radius_m=75", "text/csv")
    assert [(e["line"], e["code"]) for e in job["errors"]] == [(4, "invalid_row"), (5, "duplicate_id")]
    assert "decimal point" in job["errors"][0]["detail"]
    _, kiosk = await http.call("GET", "/v1/geofences/s1")
    assert kiosk["properties"] == {
        "name": "Kiosk", "tags": ["kiosk", "city"], "radius_m": 60, "opening_hours": "Mo-Fr 08:00-18:00"
    }  # fmt: skip
    assert (await http.call("GET", "/v1/geofences/s2"))[1]["properties"]["radius_m"] == 75


async def test_radars_export_and_wkt_are_read_as_they_are(http: Http) -> None:
    assert (await run(http, RADAR, "", "text/csv"))["state"] == "done"
    _, shop = await http.call("GET", "/v1/geofences/a")
    assert shop["properties"] == {"name": "Shop A", "tags": ["store"], "radius_m": 80, "chain": "north"}
    assert (await http.call("GET", "/v1/geofences/b"))[1]["geometry"]["type"] == "Polygon"
    job = await run(http, WKT, "partial=true", "text/csv")
    assert ([e["line"] for e in job["errors"]], await ids(http)) == ([3], ["a", "b", "w"])


async def test_a_watcher_hears_of_progress_and_the_end(http: Http) -> None:
    features = [circle(f"g{i:04}", 24 + i / 1000, 60) for i in range(3000)]
    _, job = await http.call("POST", "/v1/imports", data=collection(*features))
    async with http.request("GET", f"/v1/imports/{job['job_id']}/events") as answer, asyncio.timeout(PATIENCE_S):
        lines = (await answer.text()).splitlines()
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("progress", "finished")
    last = json.loads(lines[-2].removeprefix("data: "))
    assert (last["state"], last["covered"], last["difference"]["added"]) == ("done", 3000, 3000)


@pytest.mark.parametrize("body", [b"nonsense", b"", b"[]"])
async def test_a_file_that_cannot_be_read_is_refused_with_the_reason(http: Http, body: bytes) -> None:
    job = await run(http, body, "", "application/json")
    assert (job["state"], bool(job["detail"])) == ("refused", True)


@pytest.mark.parametrize("query", ["mode=overwrite", "radius_m=-5", "radius_m=wide", "dry_run=maybe"])
async def test_a_bad_parameter_is_named(http: Http, query: str) -> None:
    status, problem = await http.call("POST", f"/v1/imports?{query}", data=b"{}")
    assert (status, problem["parameter"]) == (400, query.partition("=")[0])


async def test_one_import_runs_at_a_time_and_unknown_jobs_are_not_found(http: Http) -> None:
    features = [circle(f"g{i:04}", 24 + i / 1000, 60) for i in range(500)]
    first = await http.call("POST", "/v1/imports", data=collection(*features))
    second = await http.call("POST", "/v1/imports", data=collection(*features))
    assert (first[0], second[0]) == (202, 503)
    assert (await http.call("GET", "/v1/imports/none"))[0] == 404


async def rows_of(http: Http, job: dict[str, Any], table: str) -> list[dict[str, str]]:
    async with http.request("GET", f"/v1/imports/{job['job_id']}/{table}.csv") as answer:
        assert answer.status == 200
        return list(csv.DictReader(io.StringIO(await answer.text())))


async def test_repairs_are_told_with_their_areas_and_shown_before_and_after(http: Http) -> None:
    job = await run(http, (FILES / "messy.geojson").read_bytes(), "dry_run=true&partial=true")
    assert (job["state"], job["format"], job["failed"], job["total"]) == ("done", "geojson", 3, 15)
    assert job["repaired"] == {
        "bow_tie": 1, "unclosed_ring": 1, "spike": 1, "orientation": 1, "duplicate_vertices": 1, "swapped_axes": 2,
        "reprojected": 1,
    }  # fmt: skip
    (bow_tie,) = [repair for repair in job["repairs"] if repair["code"] == "bow_tie"]
    assert (bow_tie["id"], bow_tie["index"], bow_tie["before"]["type"]) == ("bow-tie", 3, "Polygon")
    assert bow_tie["after"]["type"] == "MultiPolygon"
    assert job["warned"]["small_radius"] == 1
    assert (await rows_of(http, job, "repairs"))[0].keys() >= {"index", "id", "code", "area_before_m2", "change_ratio"}
    assert {row["code"] for row in await rows_of(http, job, "warnings")} == set(job["warned"])
    assert len(await rows_of(http, job, "errors")) == 3
    assert await ids(http) == []


async def test_without_repairs_a_file_that_needs_them_is_refused(http: Http) -> None:
    unclosed = {
        "type": "Feature", "id": "a", "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [[[24, 60], [24.1, 60], [24.1, 60.1]]]},
    }  # fmt: skip
    job = await run(http, collection(unclosed), "repair=false")
    assert (job["state"], job["errors"][0]["code"], job["repairs"]) == ("refused", "unclosed_ring", [])
    assert (await run(http, collection(unclosed)))["state"] == "done"
    status, _ = await http.call("PUT", "/v1/geofences/b", unclosed | {"id": "b"})
    assert status == 422, "a document that is put by hand is never changed"


async def test_what_is_there_tells_that_a_whole_file_is_swapped(http: Http) -> None:
    await run(http, collection(circle("a", 24, 60)))
    job = await run(http, collection(circle("b", 60.1, 24.1)))
    assert job["repaired"] == {"swapped_axes": 1}
    assert (await http.call("GET", "/v1/geofences/b"))[1]["geometry"]["coordinates"] == [24.1, 60.1]


@pytest.mark.parametrize("name", ["stores.shp.zip", "stores.gpkg", "stores.fgb", "stores.kmz"])
async def test_binary_files_are_known_by_content_whatever_type_is_claimed(http: Http, name: str) -> None:
    job = await run(http, (FILES / name).read_bytes(), "", "text/csv")
    assert (job["state"], sorted(await ids(http))) == ("done", ["kallio", "kamppi"])


async def test_a_table_holds_no_formula_and_there_are_three(http: Http) -> None:
    job = await run(http, collection(circle("=HYPERLINK(1)", 24, 60), circle("=HYPERLINK(1)", 24, 60)))
    job = await run(http, collection(circle("=1+1", 24, 60) | {"properties": {"radius_m": 5}}))
    assert {row["id"] for row in await rows_of(http, job, "warnings")} == {"'=1+1"}
    assert (await http.call("GET", f"/v1/imports/{job['job_id']}/secrets.csv"))[0] == 404


async def test_a_large_import_is_one_version_and_can_be_taken_back(http: Http) -> None:
    features = [circle(f"g{i:04}", 24 + i / 1000, 60) for i in range(1200)]
    job = await run(http, collection(*features))
    _, versions = await http.call("GET", "/v1/catalog/versions")
    assert (versions["items"][0]["version"], versions["items"][0]["changes"]) == (job["version"], 1200)
    job = await run(http, collection(circle("other", 25, 60)), "mode=replace")
    assert (job["difference"]["added"], job["difference"]["removed"]) == (1, 1200)
    status, _ = await http.call("POST", "/v1/catalog/rollback", {"version": job["version"] - 1})
    assert status == 200
    assert len(await ids(http)) == 100
