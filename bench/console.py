"""How smoothly the console's map moves with many stores: ``python -m bench.console [stores]``.

A made-up gateway on loopback serves the built console and N store-like polygons, beyond 2,000 as tiles; Chromium drags
the map about for a few seconds while 200 events a second arrive. Prints as JSON the page's own CPU time per frame, and
the time between frames. Without a graphics card Chromium draws in software on the same cores: the former is what a
frame costs on any machine (16 ms is the room for 60 a second), the latter an upper bound.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import shutil
import sys
from typing import Any

from aiohttp import web
from playwright.async_api import CDPSession, Page, async_playwright
from shapely import Polygon

from gateway.catalog.shelf import Shelf
from gateway.clock import now_ms
from gateway.console.serve import routes
from gateway.ops.tiling import Tiling
from gateway.web.permissions import Permission
from geofences.covering import cover
from geofences.index import GeofenceIndex
from geofences.model import Geofence

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
CENTER = (24.94, 60.17)
SPREAD_DEG = 0.35
SEED = 7
MEASURED_S = 6
EVENTS_PER_S = 200

FRAMES = """
() => new Promise(resolve => {
  const gaps = [];
  let last = performance.now();
  const until = last + SECONDS * 1000;
  const step = now => {
    gaps.push(now - last);
    last = now;
    if (now < until) requestAnimationFrame(step); else resolve(gaps.slice(1));
  };
  requestAnimationFrame(step);
})
""".replace("SECONDS", str(MEASURED_S))


def stores(count: int) -> list[dict[str, Any]]:
    """Twelve-cornered polygons of 20 to 60 m, scattered over a region."""
    dice = random.Random(SEED)
    made = []
    for number in range(count):
        lng, lat = CENTER[0] + dice.gauss(0, SPREAD_DEG), CENTER[1] + dice.gauss(0, SPREAD_DEG / 2)
        radius_deg = dice.uniform(20, 60) / 111_195
        turns = [2 * math.pi * corner / 12 for corner in range(12)]
        ring = [[lng + 2 * radius_deg * math.cos(turn), lat + radius_deg * math.sin(turn)] for turn in turns]
        made.append(
            {
                "type": "Feature",
                "id": f"store-{number:06}",
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                "properties": {"name": f"Store {number}", "tags": ["store"]},
            }
        )
    return made


def shelf_of(catalog: list[dict[str, Any]]) -> Shelf:
    """The stores as a list that tiles are drawn from; one covering serves them all, for tiles need none."""
    shapes = [
        Geofence(id=made["id"], shape=Polygon(made["geometry"]["coordinates"][0]), properties=made["properties"])
        for made in catalog
    ]
    covering = cover(shapes[0].shape)
    return Shelf(GeofenceIndex.build((one, covering) for one in shapes))


def outline(store: dict[str, Any]) -> dict[str, Any]:
    """A store as the gateway lists it in outline."""
    geometry = {"type": "Point", "coordinates": store["geometry"]["coordinates"][0][0]}
    return store | {"geometry": geometry}


def gateway(catalog: list[dict[str, Any]]) -> web.Application:
    """The routes that the console asks for."""
    app = web.Application()
    app.add_routes(routes())
    tiling = Tiling(shelf_of(catalog))

    async def tile(request: web.Request) -> web.Response:
        z, x, y = (int(request.match_info[name]) for name in "zxy")
        body = await asyncio.to_thread(tiling.draw, z, x, y)
        return web.Response(body=body, status=200 if body else 204)

    async def geofences(request: web.Request) -> web.Response:
        start, limit = int(request.query.get("cursor", "0")), int(request.query["limit"])
        end = start + limit
        items = catalog[start:end]
        if "outline" in request.query:
            items = [outline(store) for store in items]
        return web.json_response({"items": items, "next_cursor": str(end) if end < len(catalog) else None})

    async def offers(_request: web.Request) -> web.Response:
        return web.json_response({"items": [], "next_cursor": None})

    async def activity(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        dice = random.Random(SEED)
        while not request.transport or not request.transport.is_closing():
            event = {
                "type": "decision",
                "at_ms": now_ms(),
                "user": "0123456789",
                "offer_id": f"offer-{dice.randrange(20)}",
                "geofence_id": dice.choice(catalog)["id"],
                "kind": "enter",
                "outcome": "refused",
                "gate": dice.choice(["active", "claim", "consent"]),
            }
            await response.write(f"event: decision\ndata: {json.dumps(event)}\n\n".encode())
            await asyncio.sleep(1 / EVENTS_PER_S)
        return response

    async def session(_request: web.Request) -> web.Response:
        return web.json_response({"name": "bench", "permissions": [*Permission], "csrf_token": ""}, status=201)

    app.add_routes(
        [
            web.post("/v1/session", session),
            web.get("/v1/session", session),
            web.get("/v1/geofences", geofences),
            web.get("/v1/tiles/geofences/{z}/{x}/{y}", tile),
            web.get("/v1/offers", offers),
            web.get("/v1/activity", activity),
        ]
    )
    return app


async def drag(page: Page) -> None:
    """Move the map to and fro until cancelled."""
    await page.mouse.move(600, 450)
    await page.mouse.down()
    while True:
        for turn in range(64):
            angle = 2 * math.pi * turn / 64
            await page.mouse.move(600 + 220 * math.sin(angle), 450 + 150 * math.sin(2 * angle))


async def task_s(devtools: CDPSession) -> float:
    """CPU seconds that the page's main thread has spent."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


async def measure(count: int) -> dict[str, Any]:
    """Time from opening the page to the last store, and between frames while the map is dragged."""
    runner = web.AppRunner(gateway(stores(count)), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/console/"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        begun_ms = now_ms()
        await page.goto(f"{url}geofences#key=bench")
        await page.get_by_placeholder(f"Search {count:,} geofences").wait_for(timeout=120_000)
        listed_ms = now_ms() - begun_ms
        await page.get_by_role("link", name="Live", exact=True).click()
        await page.wait_for_timeout(8_000)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        before_s = await task_s(devtools)
        dragging = asyncio.create_task(drag(page))
        gaps = sorted(await page.evaluate(FRAMES))
        cpu_s = await task_s(devtools) - before_s
        dragging.cancel()
        await browser.close()
    await runner.cleanup()
    return {
        "stores": count,
        "listed_ms": listed_ms,
        "frames": len(gaps),
        "cpu_ms_per_frame": round(cpu_s * 1000 / len(gaps), 1),
        "frame_ms": {"p50": round(gaps[len(gaps) // 2], 1), "p95": round(gaps[int(len(gaps) * 0.95)], 1)},
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))))
