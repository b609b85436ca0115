"""GET /v1/tiles/geofences: the geofences as vector tiles, for maps of any number of them.

Tiles are drawn in a thread, a few at a time, and kept compressed until the geofences change. Their ETag is a digest of
what they show: after an edit a browser loads only the tiles that look different, from whichever worker answers.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import hdrs, web

from gateway.catalog.shelf import Shelf
from gateway.catalog.snapshot import Snapshot
from gateway.errors import BadRequest
from gateway.ops import stored
from gateway.ops.tiling import MAX_LAT, MAX_ZOOM, Tiling
from gateway.web.base_map import BaseMap
from gateway.web.context import CONTEXT, SHELVES
from gateway.web.documents import json_answer
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from geofences.index import GeofenceIndex

KEPT_BYTES: Final = 16_000_000
"""Compressed tiles kept by a worker: some thousands, more than the maps of one office show at once."""
DRAWN_AT_ONCE: Final = 2
"""Threads that draw; more would only take the processor from the ping path."""
DEEPEST_NEEDED_ZOOM: Final = 16
"""At which a unit is some 10 cm; maps enlarge these tiles when they look closer."""
MEDIA_TYPE: Final = "application/vnd.mapbox-vector-tile"

Address = tuple[int, int, int]
"""Zoom, column, row."""


class DrawnTile(msgspec.Struct, frozen=True, gc=False):
    """A tile as it is sent: gzip of its bytes, empty where it shows nothing."""

    etag: str
    body: bytes


class Tiles:
    """Tiles of the newest geofences that were asked for."""

    def __init__(self) -> None:
        self._index: GeofenceIndex | None = None
        self._tiling: asyncio.Task[Tiling] | None = None
        self._kept: OrderedDict[Address, DrawnTile] = OrderedDict()
        self._kept_bytes = 0
        self._drawing = asyncio.Semaphore(DRAWN_AT_ONCE)

    async def tile(self, snapshot: Snapshot, shelf: Shelf, address: Address) -> DrawnTile:
        """One tile of ``snapshot``, whose geofences ``shelf`` holds."""
        if self._tiling is None or self._index is not snapshot.index:
            self._index = snapshot.index
            self._tiling = asyncio.create_task(asyncio.to_thread(Tiling, shelf))
            self._kept, self._kept_bytes = OrderedDict(), 0
        tiling, kept = self._tiling, self._kept
        if found := kept.get(address):
            kept.move_to_end(address)
            return found
        async with self._drawing:
            drawn = kept.get(address)
            if drawn is None:
                drawn = await asyncio.to_thread(_draw, await asyncio.shield(tiling), address)
                if kept is self._kept:
                    self._keep(address, drawn)
        return drawn

    def _keep(self, address: Address, drawn: DrawnTile) -> None:
        if address in self._kept:  # drawn twice at once
            return
        self._kept[address] = drawn
        self._kept_bytes += len(drawn.body)
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.body)


TILES = web.AppKey("tiles", Tiles)


class LayerFacts(msgspec.Struct, frozen=True):
    """A layer of the tiles, and what its features tell."""

    id: str
    description: str
    fields: dict[str, str]


class TileSet(msgspec.Struct, frozen=True):
    """The tiles as TileJSON 3.0 describes them; ``bounds`` is west, south, east, north of all geofences."""

    tilejson: str
    name: str
    tiles: tuple[str, ...]
    vector_layers: Sequence[LayerFacts]
    minzoom: int
    maxzoom: int
    bounds: tuple[float, float, float, float]


_LAYERS: Final = (
    LayerFacts("areas", "Shapes that are large enough to be seen.", {"id": "String", "name": "String"}),
    LayerFacts("stores", "A point in the middle of each geofence.", {"id": "String", "name": "String"}),
    LayerFacts("clusters", "A point in place of several geofences close together.", {"count": "Number"}),
)


@operation("GET", "/v1/tiles/geofences", needs=Permission.READ_CATALOG, answer=TileSet)
async def describe_tiles(request: web.Request) -> web.StreamResponse:
    """Describe the geofences' vector tiles (TileJSON), for maps and desktop GIS."""
    shelf = await request.app[SHELVES].of(request.app[CONTEXT].catalog.current)
    bounds = (-180.0, -MAX_LAT, 180.0, MAX_LAT)
    if len(shelf.boxes):
        west, south, east, north = shelf.boxes.T
        bounds = (float(west.min()), float(south.min()), float(east.max()), float(north.max()))
    address = f"{request.url.origin()}/v1/tiles/geofences/{{z}}/{{x}}/{{y}}"
    return json_answer(TileSet("3.0.0", "geofences", (address,), _LAYERS, 0, DEEPEST_NEEDED_ZOOM, bounds))


@operation(
    "GET",
    "/v1/tiles/geofences/{z}/{x}/{y}",
    needs=Permission.READ_CATALOG,
    answer_type=MEDIA_TYPE,
    parameters=(stored.IF_CHANGED,),
    also=(204, 304),
)
async def get_tile(request: web.Request) -> web.StreamResponse:
    """Get a Mapbox Vector Tile: shapes, points, and counts where points crowd; 204 where there is nothing.

    Whatever the catalog, a tile has at most 1,000 shapes and 1,000 points.
    """
    address = _address(request)
    snapshot = request.app[CONTEXT].catalog.current
    shelf = await request.app[SHELVES].of(snapshot)
    tile = await request.app[TILES].tile(snapshot, shelf, address)
    headers = {hdrs.ETAG: tile.etag, hdrs.CACHE_CONTROL: "private, no-cache", hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if tile.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    if not tile.body:
        return web.Response(status=204, headers=headers)
    if "gzip" not in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=gzip.decompress(tile.body), content_type=MEDIA_TYPE, headers=headers)
    headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=tile.body, content_type=MEDIA_TYPE, headers=headers)


BASE_MAP = web.AppKey("base_map", BaseMap)


@operation("GET", "/v1/tiles/base", needs=Permission.READ_CATALOG, answer=BaseMap)
async def get_base_map(request: web.Request) -> web.StreamResponse:
    """Tell what the console draws under the stores: another host's tiles, an archive, or, with an empty url, nothing.

    Kept from callers without a key, because a tile server's own key may be part of the address.
    """
    return json_answer(request.app[BASE_MAP])


OPERATIONS = (describe_tiles, get_tile, get_base_map)


def _draw(tiling: Tiling, address: Address) -> DrawnTile:
    content = tiling.draw(*address)
    digest = hashlib.blake2b(content, digest_size=12).hexdigest()
    return DrawnTile(f'W/"{digest}"', gzip.compress(content, 6, mtime=0) if content else b"")


def _address(request: web.Request) -> Address:
    texts = [request.match_info[name] for name in "zxy"]
    if not all(text.isascii() and text.isdigit() and len(text) <= 8 for text in texts):
        raise BadRequest("the address of a tile is three whole numbers: zoom, column and row")
    z, x, y = map(int, texts)
    if z > MAX_ZOOM or x >= 2**z or y >= 2**z:
        raise BadRequest(f"there is no such tile: zoom goes from 0 to {MAX_ZOOM}, column and row from 0 to 2^zoom - 1")
    return z, x, y
