"""The map: tiles in place of stores where there are many of them, and a base map only where a setting names one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import pytest_asyncio
import shapely
from aiohttp import web
from playwright.async_api import Page, Request, expect

from gateway.ops.vector_tile import areas_layer
from tests.console.canned import KEY, CannedGateway
from tests.console.pictures import archive, color_of, png
from tests.console.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = 2_400
MIDDLE_OF_THE_MAP = (720, 476)
FREE_PLACE = (640, 70)
LIGHT_WATER, DARK_WATER = (0xCF, 0xDD, 0xE3), (0x0D, 0x25, 0x30)


@pytest_asyncio.fixture(loop_scope="session")
async def crowded(served: Served) -> Served:
    """The gateway with more stores than a page loads whole, and one that stands alone."""
    dice = random.Random(11)
    alone = {"radius_m": 80, "name": "Lighthouse", "tags": ["island"], "opening_hours": "Mo-Su 10:00-18:00"}
    places = [((26.5, 59.95), "zz-lighthouse", alone)] + [
        ((24.9 + dice.gauss(0, 0.1), 60.2 + dice.gauss(0, 0.05)), f"many-{number}", {"radius_m": 30})
        for number in range(MANY)
    ]
    features = [
        {"type": "Feature", "id": name, "geometry": {"type": "Point", "coordinates": place}, "properties": facts}
        for place, name, facts in places
    ]
    status, _ = await served.call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
    assert status == 200
    return served


def heard(page: Page) -> list[Request]:
    """The requests that a page makes from now on."""
    requests: list[Request] = []

    def hear(request: Request) -> None:
        requests.append(request)

    page.on("request", hear)
    return requests


def paths(requests: list[Request]) -> list[str]:
    return [urlsplit(request.url).path for request in requests]


async def look_at_the_lighthouse(page: Page, crowded: Served) -> None:
    """Find the store that stands alone in the list, and open it: the map goes there at once."""
    await page.goto(crowded.address("geofences"))
    search = page.get_by_placeholder("Search 2,441 geofences")
    await expect(search).to_be_visible()
    await search.fill("Lighthouse")
    async with page.expect_request(lambda asked: "/v1/tiles/geofences/16/" in asked.url):
        await page.get_by_role("button", name="Lighthouse").click()
    await expect(page.get_by_label("Name")).to_have_value("Lighthouse")


async def test_many_stores_come_as_tiles_and_in_outline(page: Page, crowded: Served) -> None:
    """Beyond 2,000 the page loads an outline of the rest; list, search and map work as with few."""
    requests = heard(page)
    await look_at_the_lighthouse(page, crowded)
    queries = [urlsplit(request.url).query for request in requests if urlsplit(request.url).path == "/v1/geofences"]
    assert ["outline" in query for query in queries] == [False, False, True]


async def test_a_store_of_a_tile_is_chosen_like_any_other(page: Page, crowded: Served) -> None:
    """A click on a shape that only a tile has drawn opens the store's card, with all that is known of it."""
    await look_at_the_lighthouse(page, crowded)
    await page.get_by_role("link", name="Live", exact=True).click()
    card = page.locator(".store-card")
    while not await card.is_visible():  # the tile is on its way
        await page.mouse.click(*MIDDLE_OF_THE_MAP)
        await page.wait_for_timeout(300)
    await expect(card.get_by_role("heading", name="Lighthouse")).to_be_visible()
    await expect(card).to_contain_text("Mo-Su 10:00-18:00")


async def test_few_stores_need_no_tiles(page: Page, served: Served) -> None:
    """Below that, all are loaded as they are, and no tile is asked for."""
    requests = heard(page)
    await page.goto(served.address("geofences"))
    await expect(page.get_by_placeholder("Search 40 geofences")).to_be_visible()
    await page.wait_for_timeout(1_000)
    assert not [path for path in paths(requests) if path.startswith("/v1/tiles/geofences")]


async def test_without_a_setting_no_other_host_is_asked(page: Page, served: Served) -> None:
    """All that the console loads comes from its gateway."""
    requests = heard(page)
    await page.goto(served.address(""))
    await expect(page.locator(".stage-map canvas")).to_be_visible()
    await page.wait_for_timeout(1_500)
    hosts = {urlsplit(request.url).netloc for request in requests if not request.url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(served.url).netloc}
    assert await page.locator(".map-credit").count() == 0


class TileServer:
    """Another host: it gives anybody a green tile, or one of nothing but water, and remembers who asked."""

    def __init__(self) -> None:
        self.referers: list[str] = []
        self.url = ""
        app = web.Application()
        app.router.add_get("/{z}/{x}/{y}.png", self._tile)
        app.router.add_get("/{z}/{x}/{y}.mvt", self._water)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _tile(self, request: web.Request) -> web.Response:
        self.referers.append(request.headers.get("Referer", ""))
        return web.Response(
            body=png(20, 200, 60), content_type="image/png", headers={"Access-Control-Allow-Origin": "*"}
        )

    async def _water(self, _request: web.Request) -> web.Response:
        sea = np.array([shapely.box(-64, -64, 4160, 4160)], dtype=object)
        body = areas_layer("water", sea, [{"kind": "ocean"}])
        return web.Response(body=body, headers={"Access-Control-Allow-Origin": "*"})


@pytest_asyncio.fixture(loop_scope="session")
async def tile_server() -> AsyncIterator[TileServer]:
    server = TileServer()
    await server.start()
    yield server
    await server.stop()


Colour = tuple[int, int, int]


async def shows(page: Page, is_right: Callable[[Colour], bool]) -> None:
    """Wait until a place of the map that nothing else covers has a colour."""
    x, y = FREE_PLACE
    while not is_right(color_of(await page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1}))):
        await page.wait_for_timeout(100)


def is_green(colour: Colour) -> bool:
    red, green, _ = colour
    return green - red > 30


async def test_tiles_of_another_host_lie_under_the_stores(
    page: Page, console_redis_url: str, tile_server: TileServer
) -> None:
    """A setting names the host; the browser may ask it, and tells it which page asks. Whom it is owed to is shown."""
    url = f"{tile_server.url}/{{z}}/{{x}}/{{y}}.png"
    settings = {"console_tiles_url": url, "console_tiles_attribution": "© <b>a test</b>"}
    async with serving(console_redis_url, run_sender=False, **settings) as served:
        await page.goto(served.address(""))
        await expect(page.locator(".map-credit")).to_have_text("© <b>a test</b>")
        await shows(page, is_green)
        assert set(tile_server.referers) == {f"{served.url}/"}


async def test_vector_tiles_are_drawn_in_the_colours_of_the_page(
    page: Page, console_redis_url: str, tile_server: TileServer
) -> None:
    """Water of a vector tile has the console's own colour, and that of the other theme once it is chosen."""
    url = f"{tile_server.url}/{{z}}/{{x}}/{{y}}.mvt"
    async with serving(console_redis_url, run_sender=False, console_tiles_url=url) as served:
        await page.goto(served.address(""))
        await shows(page, lambda colour: colour == LIGHT_WATER)
        await page.get_by_role("button", name="Use dark colours").click()
        await shows(page, lambda colour: colour == DARK_WATER)


async def test_an_archive_of_our_own_lies_under_the_stores(page: Page, console_redis_url: str, tmp_path: Path) -> None:
    """A PMTiles file is served by the gateway, read by ranges, and drawn."""
    file = tmp_path / "world.pmtiles"
    file.write_bytes(archive(png(20, 200, 60)))
    async with serving(console_redis_url, run_sender=False, console_tiles_file=file) as served:
        requests = heard(page)
        await page.goto(served.address(""))
        await shows(page, is_green)
        assert "/console/base.pmtiles" in paths(requests)


async def test_a_gateway_without_tiles_still_has_a_map(page: Page, canned: CannedGateway) -> None:
    """An answer that the console does not know is no base map, and no fault."""
    await page.goto(f"{canned.url}/console/#key={KEY}")
    await expect(page.locator(".stage-map canvas")).to_be_visible()
