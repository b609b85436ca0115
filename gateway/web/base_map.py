"""The ground under the console's map: tiles of another host, an archive of our own, or none.

Raster tiles and vector tiles are named by an address with ``{z}``, ``{x}`` and ``{y}``; a PMTiles archive by the
address of one file, or by a file that the gateway serves itself. By default there is none, and a browser that shows the
console asks nobody but the gateway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from gateway.errors import ConfigError
from gateway.settings import Settings

Kind = Literal["raster", "vector", "pmtiles"]

ARCHIVE_ADDRESS: Final = "/console/base.pmtiles"
"""Where the gateway serves ``console_tiles_file``."""
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_VECTOR_ENDINGS: Final = (".mvt", ".pbf")
_PMTILES_MAGIC: Final = b"PMTiles\x03"


class BaseMap(msgspec.Struct, frozen=True):
    """What the console draws under the stores. ``url`` is empty where there is nothing."""

    kind: Kind = "raster"
    url: str = ""
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class TileSource:
    """The base map with what serving it needs: another host's origin, or a file of ours."""

    base: BaseMap = field(default_factory=BaseMap)
    origin: str = ""
    archive: Path | None = None


def tile_source(settings: Settings) -> TileSource:
    """The base map that the settings ask for. Raises ConfigError where they cannot work."""
    url, archive, words = settings.console_tiles_url, settings.console_tiles_file, settings.console_tiles_attribution
    if archive is not None:
        if url:
            raise ConfigError("set console_tiles_url or console_tiles_file, not both")
        _check_archive(archive)
        return TileSource(BaseMap("pmtiles", ARCHIVE_ADDRESS, words), archive=archive)
    if not url:
        return TileSource()
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if not _ORIGIN.fullmatch(origin):
        raise ConfigError(f"console_tiles_url must begin with https:// and a plain host name, not {origin!r}")
    kind = _kind(parts.path)
    if kind != "pmtiles" and not all(name in url for name in ("{z}", "{x}", "{y}")):
        raise ConfigError("console_tiles_url must name {z}, {x} and {y}, or a .pmtiles archive")
    return TileSource(BaseMap(kind, url, words), origin)


def _kind(path: str) -> Kind:
    if path.endswith(".pmtiles"):
        return "pmtiles"
    return "vector" if path.endswith(_VECTOR_ENDINGS) else "raster"


def _check_archive(archive: Path) -> None:
    try:
        with archive.open("rb") as file:
            is_archive = file.read(len(_PMTILES_MAGIC)) == _PMTILES_MAGIC
    except OSError as error:
        raise ConfigError(f"console_tiles_file {archive} cannot be read: {error.strerror}") from error
    if not is_archive:
        raise ConfigError(f"console_tiles_file {archive} is not a PMTiles archive of version 3")
