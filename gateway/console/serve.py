"""Serves the built console under /console: static files only, since the page itself uses the public API.

The page may talk to nobody but the gateway it came from, and the browser is told so by a
Content-Security-Policy whose one exception is the host of a base map, where a setting names one. Assets carry a hash
of their content in their name and are cached for good; the page itself is always asked for anew.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.web.base_map import ARCHIVE_ADDRESS, TileSource

DIST: Final = Path(__file__).parent / "dist"
"""Where ``npm run build`` leaves the console."""

SETTINGS: Final = ("versions", "audit", "letters", "codes", "phones", "keys")
"""The parts of the settings that have an address of their own."""

PAGES: Final = (
    *("", "geofences", "offers", "simulator", "reports", "users", "settings"),
    *(f"settings/{part}" for part in SETTINGS),
)
"""The addresses below /console/ that the page itself draws."""


def security_headers(tiles_origin: str = "") -> dict[str, str]:
    """What the browser is told of the page: whom it may talk to, and what it says of itself there.

    ``tiles_origin`` is the host of the base map. Public tile servers ask to be told which page they serve.
    """
    tiles = f" {tiles_origin}" if tiles_origin else ""
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        f"img-src 'self' data: blob:{tiles}",  # data: the map's control icons; blob: images decoded by its worker
        f"connect-src 'self'{tiles}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "strict-origin" if tiles_origin else "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


SECURITY_HEADERS: Final = security_headers()

_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"

_EMPTY_GROUND: Final = json.dumps({"type": "FeatureCollection", "features": []})

_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>geopush console</title>
<h1>The console has not been built</h1>
<p>The gateway is running and its API works. To build this page, with Node 18 or newer:</p>
<pre>cd gateway/console &amp;&amp; npm ci &amp;&amp; npm run build</pre>
<p>Then load this address again; the gateway need not be restarted.</p>
</html>
"""

_NO_TILES: Final = TileSource()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(dist: Path = DIST, ground: Path | None = None, tiles: TileSource = _NO_TILES) -> list[web.RouteDef]:
    """The routes of the console.

    ``dist`` is the built page; where it is missing, every address explains how to build it. ``ground`` is an
    optional GeoJSON file (a ``.gz`` of one is served as it lies) with streets, parks and water to draw
    under the stores; without it the map has a plain ground. ``tiles`` are a base map to draw instead.
    """
    headers = security_headers(tiles.origin)
    page = _page(dist, headers)
    archive = [] if tiles.archive is None else [web.get(ARCHIVE_ADDRESS, _archive(tiles.archive))]
    return [
        web.get("/console", _redirect),
        web.get("/console/ground.geojson", _ground(ground)),
        *archive,
        web.get("/console/assets/{name}", _asset(dist, headers)),
        *(web.get(f"/console/{name}", page) for name in PAGES),
    ]


async def _redirect(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPPermanentRedirect("/console/")


def _page(dist: Path, security: Mapping[str, str]) -> Handler:
    index = dist / "index.html"

    async def page(_request: web.Request) -> web.StreamResponse:
        headers = {**security, "Cache-Control": _ASK_FIRST}
        if not index.is_file():
            return web.Response(text=_NOT_BUILT, content_type="text/html", status=503, headers=headers)
        return web.FileResponse(index, headers=headers)

    return page


def _asset(dist: Path, security: Mapping[str, str]) -> Handler:
    """The map's worker is an asset too, and what it may ask whom is said by its own headers."""
    folder = dist / "assets"

    async def asset(request: web.Request) -> web.StreamResponse:
        path = folder / Path(request.match_info["name"]).name
        if not path.is_file():
            raise web.HTTPNotFound(text="No such asset: the console was rebuilt; load the page again.")
        return web.FileResponse(path, headers={**security, "Cache-Control": _FOREVER})

    return asset


def _ground(file: Path | None) -> Handler:
    headers = {**SECURITY_HEADERS, "Cache-Control": _ASK_FIRST, "Content-Type": "application/geo+json"}
    if file is not None and file.suffix == ".gz":
        headers["Content-Encoding"] = "gzip"

    async def ground(_request: web.Request) -> web.StreamResponse:
        if file is None:
            return web.Response(text=_EMPTY_GROUND, headers=headers)
        return web.FileResponse(file, headers=headers)

    return ground


def _archive(file: Path) -> Handler:
    headers = {**SECURITY_HEADERS, "Cache-Control": _ASK_FIRST, "Content-Type": "application/vnd.pmtiles"}

    async def archive(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file, headers=headers)  # maps read it by byte ranges, which this answers

    return archive
