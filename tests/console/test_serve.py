"""How the console's files are served."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.console.serve import DIST, PAGES, routes
from gateway.web.base_map import BaseMap, TileSource
from tests.console.canned import GROUND

pytestmark = pytest.mark.asyncio(loop_scope="session")

Client = TestClient[web.Request, web.Application]


async def _client(dist: Path = DIST, ground: Path | None = None, tiles: TileSource | None = None) -> Client:
    app = web.Application()
    app.add_routes(routes(dist, ground, tiles or TileSource()))
    client: Client = TestClient(TestServer(app))
    await client.start_server()
    return client


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await _client(ground=GROUND)
    yield client
    await client.close()


async def test_address_without_slash_leads_to_the_console(client: Client) -> None:
    """/console answers with a redirect to /console/, so that it works as typed."""
    answer = await client.get("/console", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (308, "/console/")


async def test_every_page_is_the_same_document_asked_for_anew(client: Client) -> None:
    """Each page's address can be opened directly; the document is never cached unasked."""
    bodies = set()
    for name in PAGES:
        answer = await client.get(f"/console/{name}")
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-cache"
        bodies.add(await answer.text())
    assert len(bodies) == 1


async def test_policy_lets_the_page_talk_to_its_gateway_only(client: Client) -> None:
    """The Content-Security-Policy names no other host, no inline script or style, and no eval."""
    policy = (await client.get("/console/")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_policy_lets_the_page_and_its_worker_ask_the_host_of_the_base_map_and_no_other() -> None:
    """A base map widens two directives by exactly its origin, and the page says to that host whence it asks."""
    plain = await _client()
    client = await _client(
        tiles=TileSource(BaseMap("raster", "https://t.example/{z}/{x}/{y}.png"), "https://t.example")
    )
    worker = next((DIST / "assets").glob("*.mjs"))
    for path in ("/console/", f"/console/assets/{worker.name}"):
        narrow = (await plain.get(path)).headers
        wide = (await client.get(path)).headers
        before = narrow["Content-Security-Policy"].split("; ")
        after = wide["Content-Security-Policy"].split("; ")
        assert [one for one, other in zip(after, before, strict=True) if one != other] == [
            "img-src 'self' data: blob: https://t.example",
            "connect-src 'self' https://t.example",
        ]
        assert (narrow["Referrer-Policy"], wide["Referrer-Policy"]) == ("no-referrer", "strict-origin")
    await plain.close()
    await client.close()


async def test_an_archive_of_our_own_is_read_by_ranges(tmp_path: Path) -> None:
    """A map reads what it needs of a large archive; nothing leads to it where there is none."""
    file = tmp_path / "region.pmtiles"
    file.write_bytes(b"PMTiles\x03" + bytes(range(200)))
    client = await _client(tiles=TileSource(archive=file))
    answer = await client.get("/console/base.pmtiles", headers={"Range": "bytes=8-11"})
    assert (answer.status, await answer.read()) == (206, bytes(range(4)))
    await client.close()
    client = await _client()
    assert (await client.get("/console/base.pmtiles")).status == 404
    await client.close()


async def test_assets_are_cached_for_good_and_sent_compressed(client: Client) -> None:
    """An asset's name carries its content's hash, so browsers never ask for it again."""
    script = next((DIST / "assets").glob("maplibre-*.js"))
    answer = await client.get(f"/console/assets/{script.name}")
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content_type.endswith("/javascript")
    assert int(answer.headers["Content-Length"]) < script.stat().st_size / 3


async def test_worker_is_a_script_to_the_browser(client: Client) -> None:
    """The map's worker is a module with the ending .mjs; browsers run it only under a script's content type."""
    worker = next((DIST / "assets").glob("*.mjs"))
    assert (await client.get(f"/console/assets/{worker.name}")).content_type.endswith("/javascript")


async def test_only_assets_are_reachable(client: Client) -> None:
    """No path leads out of the folder of assets."""
    for name in ("..%2Findex.html", "%2Fetc%2Fpasswd", ".", "missing.js"):
        assert (await client.get(f"/console/assets/{name}")).status == 404


async def test_ground_is_sent_as_it_lies(client: Client) -> None:
    """The ground's streets and parks come as GeoJSON, compressed once and for all."""
    answer = await client.get("/console/ground.geojson")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert await answer.json(content_type="application/geo+json") == json.loads(gzip.decompress(GROUND.read_bytes()))


async def test_without_a_ground_the_map_is_plain() -> None:
    """A gateway without a ground file answers with an empty collection, not with an error."""
    client = await _client()
    answer = await client.get("/console/ground.geojson")
    assert await answer.json(content_type="application/geo+json") == {"type": "FeatureCollection", "features": []}
    await client.close()


async def test_console_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    """Without Node the gateway still serves; its console's address explains what is missing."""
    client = await _client(dist=tmp_path)
    answer = await client.get("/console/")
    assert answer.status == 503
    assert "npm run build" in await answer.text()
    await client.close()
