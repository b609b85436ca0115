"""The base map by the settings: what is drawn, whom the browser may ask for it, and what is refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings
from gateway.web.base_map import BaseMap, TileSource, tile_source


def test_by_default_there_is_none() -> None:
    assert tile_source(Settings()) == TileSource(BaseMap("raster", "", ""))


@pytest.mark.parametrize(
    ("url", "kind", "origin"),
    [
        ("https://Tiles.example/{z}/{x}/{y}.png", "raster", "https://tiles.example"),
        ("https://tiles.example:8443/{z}/{x}/{y}@2x.webp?key=1", "raster", "https://tiles.example:8443"),
        ("http://10.0.0.7/v3/{z}/{x}/{y}.mvt", "vector", "http://10.0.0.7"),
        ("http://[fd00::7]:81/{z}/{y}/{x}.pbf?v=2", "vector", "http://[fd00::7]:81"),
        ("https://tiles.example/europe.pmtiles", "pmtiles", "https://tiles.example"),
    ],
)
def test_an_address_says_what_it_is(url: str, kind: str, origin: str) -> None:
    found = tile_source(Settings(console_tiles_url=url, console_tiles_attribution="© someone"))
    assert (found.base.kind, found.base.url, found.origin) == (kind, url, origin)
    assert found.base.attribution == "© someone"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tiles.example/{z}/{x}/{y}.png", "https://"),
        ("ftp://tiles.example/{z}/{x}/{y}.png", "https://"),
        ("https://me:secret@tiles.example/{z}/{x}/{y}.png", "plain host name"),
        ("https://tiles.example;script-src/{z}/{x}/{y}.png", "plain host name"),
        ("https://tiles.example 'unsafe-inline'/{z}/{x}/{y}", "plain host name"),
        ("https://*/{z}/{x}/{y}.png", "plain host name"),
        ("https://tiles.example/{z}/{x}.png", "{z}, {x} and {y}"),
    ],
)
def test_an_address_that_cannot_work_or_would_widen_the_policy_is_refused(url: str, words: str) -> None:
    """What ends up in a Content-Security-Policy is one plain origin."""
    with pytest.raises(ConfigError, match="console_tiles_url") as refusal:
        tile_source(Settings(console_tiles_url=url))
    assert words in refusal.value.detail


def test_a_file_is_looked_at_before_it_is_served(tmp_path: Path) -> None:
    file = tmp_path / "region.pmtiles"
    with pytest.raises(ConfigError, match="cannot be read"):
        tile_source(Settings(console_tiles_file=file))
    file.write_bytes(b"SQLite format 3")
    with pytest.raises(ConfigError, match="not a PMTiles archive"):
        tile_source(Settings(console_tiles_file=file))
    file.write_bytes(b"PMTiles\x03")
    assert tile_source(Settings(console_tiles_file=file)) == TileSource(
        BaseMap("pmtiles", "/console/base.pmtiles", ""), archive=file
    )
    with pytest.raises(ConfigError, match="not both"):
        tile_source(Settings(console_tiles_file=file, console_tiles_url="https://t.example/{z}/{x}/{y}"))
