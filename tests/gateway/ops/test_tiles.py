"""Tiles over HTTP: who may see them, what they weigh, when they are asked for again."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.conftest import Http
from tests.gateway.ops.decoded import decoded
from tests.gateway.ops.test_geofences import circle

CENTER = "/v1/tiles/geofences/14/9327/4742"
"""The tile of 24.9414° east, 60.1712° north."""
ELSEWHERE = "/v1/tiles/geofences/14/0/0"


async def test_a_tile_shows_the_stores_of_its_place(http: Http) -> None:
    """The tile is there as soon as the geofence is, compressed, with a shape and a point."""
    await http.call("PUT", "/v1/geofences/kiosk", circle("kiosk", 24.9414, 60.1712, name="Kiosk"))
    async with http.request("GET", CENTER) as answer:
        layers = decoded(await answer.read())
        assert answer.headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
        assert answer.headers["Content-Encoding"] == "gzip"
    assert {name: [facts for _, facts in features] for name, features in layers.items()} == {
        "areas": [{"id": "kiosk", "name": "Kiosk"}],
        "stores": [{"id": "kiosk", "name": "Kiosk"}],
    }


async def test_a_client_that_cannot_unpack_gets_it_plain(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/kiosk", circle("kiosk", 24.9414, 60.1712))
    async with http.request("GET", CENTER, headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert set(decoded(await answer.read())) == {"areas", "stores"}


async def test_a_tile_that_looks_the_same_is_not_sent_again(http: Http) -> None:
    """The ETag outlives edits elsewhere, and changes with what the tile shows."""
    await http.call("PUT", "/v1/geofences/kiosk", circle("kiosk", 24.9414, 60.1712))
    async with http.request("GET", CENTER) as answer:
        held = {"If-None-Match": answer.headers["ETag"]}
    await http.call("PUT", "/v1/geofences/far", circle("far", 2.35, 48.85))
    assert (await http.call("GET", CENTER, headers=held))[0] == 304
    await http.call("PUT", "/v1/geofences/near", circle("near", 24.9418, 60.1713))
    async with http.request("GET", CENTER, headers=held) as answer:
        assert answer.status == 200
        assert {facts["id"] for _, facts in decoded(await answer.read())["stores"]} == {"kiosk", "near"}


async def test_a_tile_without_stores_has_no_content(http: Http) -> None:
    assert await http.call("GET", ELSEWHERE) == (204, None)


async def test_many_tiles_asked_for_at_once_are_all_right(http: Http) -> None:
    """A browser asks for a screenful; each tile is of the same geofences."""
    await http.call("PUT", "/v1/geofences/kiosk", circle("kiosk", 24.9414, 60.1712))
    answers = await asyncio.gather(
        *(http.call("GET", f"/v1/tiles/geofences/14/{9327 + x}/{4742 + y}") for x in range(-3, 4) for y in range(-3, 4))
    )
    assert sorted(status for status, _ in answers) == [200, *([204] * 48)]


@pytest.mark.parametrize("address", ["23/0/0", "1/2/0", "1/0/2", "a/0/0", "1/-1/0", "0/0/99999999999", "1/٠/0"])
async def test_an_address_that_no_tile_has_is_refused(http: Http, address: str) -> None:
    status, problem = await http.call("GET", f"/v1/tiles/geofences/{address}")
    assert (status, problem["code"]) == (400, "bad_request")
    assert "zoom" in problem["detail"]


async def test_tiles_need_a_key_that_may_read_the_catalog(http: Http) -> None:
    assert (await http.call("GET", CENTER, key="wrong"))[0] == 401
    assert (await http.call("GET", CENTER, key=await http.new_key("ingest")))[0] == 403


async def test_the_tiles_describe_themselves(http: Http) -> None:
    """TileJSON: the address, the layers, and where on earth anything is."""
    status, described = await http.call("GET", "/v1/tiles/geofences")
    assert (status, described["bounds"][0], described["tilejson"]) == (200, -180, "3.0.0")
    await http.call("PUT", "/v1/geofences/kiosk", circle("kiosk", 24.9414, 60.1712))
    _, described = await http.call("GET", "/v1/tiles/geofences")
    west, south, east, north = described["bounds"]
    assert 24.93 < west < 24.9414 < east < 24.95
    assert 60.16 < south < 60.1712 < north < 60.18
    assert described["tiles"] == [f"{http.gateway.url}/v1/tiles/geofences/{{z}}/{{x}}/{{y}}"]
    assert [layer["id"] for layer in described["vector_layers"]] == ["areas", "stores", "clusters"]


async def test_the_base_map_is_told_to_who_may_see_the_catalog(http: Http) -> None:
    """Without a setting there is none; its address, which may hold a key of its own, is told to nobody else."""
    assert await http.call("GET", "/v1/tiles/base") == (200, {"kind": "raster", "url": "", "attribution": ""})
    assert (await http.call("GET", "/v1/tiles/base", key=await http.new_key("ingest")))[0] == 403
