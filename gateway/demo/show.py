"""The demo from start to end: a gateway, its catalog, a crowd, a narrator, and the sum of it all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from shapely.geometry import shape

from gateway.clock import now_ms
from gateway.demo.api import Api
from gateway.demo.child import free_port, serving
from gateway.demo.crowd import Crowd
from gateway.demo.narrator import Narrator
from gateway.demo.offers import DATA, POLICY, offers, stores
from gateway.demo.reactions import Reactions
from gateway.demo.streets import Plane, Streets, city, read_features
from gateway.demo.tally import Tally
from gateway.demo.walkers import Shop

SHOPPERS = 200
LINE_PERIOD_S = 5
"""Between two printings of the live line where there is no terminal."""
DRAIN_S = 2.0
"""After the last ping: what is on its way to a provider arrives well within this."""

SETTINGS = {
    "log_level": "warning",
    "activity_min_users": "1",  # simulated people need no anonymity
    "ground_file": str(DATA / "ground.geojson.gz"),
}


def run(*, seconds: float | None = None, port: int = 8080) -> int:
    """Run the demo for ``seconds``, or until Ctrl-C; returns 0 only if both APNs and FCM accepted pushes.

    The last line printed is the summary as JSON.
    """
    return asyncio.run(_run(seconds, port))


async def _run(seconds: float | None, port: int) -> int:
    console = Console()
    tally = Tally()
    narrator = Narrator(console, tally)
    collection, documents = stores(), offers(now_ms())
    with tempfile.TemporaryDirectory(prefix="geopush-demo-") as folder:
        async with (
            serving(Path(folder), free_port(port), SETTINGS) as child,
            aiohttp.ClientSession() as session,
        ):
            api = Api(session, child.url, child.admin_key)
            await _furnish(api, collection, documents)
            phones = {"name": "demo phones", "scopes": ["ingest", "events"]}
            key = (await api.call("POST", "/v1/keys", phones))["secret"]
            narrator.opening(
                child.url, child.admin_key, child.announcement, len(collection["features"]), len(documents), SHOPPERS
            )
            plane, streets = city(read_features(DATA / "ground.geojson.gz"))
            crowd = Crowd(child.url, key, plane, streets, shops(collection, plane, streets))
            sandbox = Api(session, child.sandbox_url, "")
            reactions = Reactions(Api(session, child.url, key), sandbox, crowd.owners)
            with narrator.narrating():
                await _watch(api, crowd, reactions, narrator, tally, seconds)
    if crowd.failures:
        console.print(f"{crowd.failures} calls failed, the last one: {crowd.last_failure}", style="red", markup=False)
    summary = tally.summary() | {"reactions": dict(reactions.told.most_common())}
    print(json.dumps(summary), flush=True)
    return 0 if all(summary["pushes_accepted"].values()) else 1


async def _furnish(api: Api, collection: dict[str, Any], documents: list[dict[str, Any]]) -> None:
    """Put the policy, the stores and the offers, as a retailer would."""
    await api.call("PUT", "/v1/policy", POLICY)
    await api.call("POST", "/v1/geofences/import", collection)
    for document in documents:
        await api.call("PUT", f"/v1/offers/{document['id']}", document)


async def _watch(
    api: Api, crowd: Crowd, reactions: Reactions, narrator: Narrator, tally: Tally, seconds: float | None
) -> None:
    """Let the crowd walk and tell of it, until the time is up or Ctrl-C; then let the last pushes arrive."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)

    async def tell_pushes() -> None:
        async for event in api.activity():
            if tally.add(event):
                narrator.push(event)

    async def count() -> None:
        for second in itertools.count(1):
            await asyncio.sleep(1)
            tally.read(await api.call("GET", "/metrics"), loop.time())
            if second % LINE_PERIOD_S == 0:
                narrator.tell_line()

    walking = asyncio.create_task(crowd.walk(SHOPPERS))
    parts = [walking, asyncio.create_task(tell_pushes()), asyncio.create_task(count())]
    parts.append(asyncio.create_task(reactions.live()))
    for part in parts:
        part.add_done_callback(lambda _: stop.set())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    ended = [part for part in parts if part.done()]
    walking.cancel()
    await asyncio.sleep(DRAIN_S)
    for part in parts:
        part.cancel()
    await asyncio.gather(*parts, return_exceptions=True)
    for part in ended:
        part.result()
    tally.read(await api.call("GET", "/metrics"), loop.time())


def shops(collection: dict[str, Any], plane: Plane, streets: Streets) -> list[Shop]:
    """Where shoppers go: a point inside every store, and the street node nearest to it."""
    found = []
    for feature in collection["features"]:
        inside = shape(feature["geometry"]).representative_point()
        point = plane.point(inside.y, inside.x)
        found.append(Shop(point, streets.nearest(point)))
    return found
