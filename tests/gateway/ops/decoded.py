"""Vector tiles read by GDAL: a decoder that shares nothing with the encoder.

GDAL runs in a process of its own: in this one, tests of imports let all drivers go but three.
"""

from __future__ import annotations

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyogrio
import shapely

Features = list[tuple[shapely.Geometry, dict[str, Any]]]


def decoded(tile: bytes) -> dict[str, Features]:
    """Each layer's features: geometry in tile units (y downwards), and what it tells."""
    return _reader().submit(_decoded, tile).result() if tile else {}


@functools.cache
def _reader() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _decoded(tile: bytes) -> dict[str, Features]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tile.mvt"
        file.write_bytes(tile)
        return {str(name): _features(f"MVT:{file}", str(name)) for name, _ in pyogrio.list_layers(f"MVT:{file}")}


def _features(source: str, layer: str) -> Features:
    meta, _, geometries, columns = pyogrio.raw.read(source, layer=layer, CLIP="NO")
    rows = zip(*columns, strict=True)
    return [
        (
            shapely.transform(shapely.from_wkb(geometry), lambda places: places * [1, -1] + [0, 4096]),
            {
                str(name): value
                for name, value in zip(meta["fields"], row, strict=True)
                if value == value and value is not None and name != "mvt_id"
            },
        )
        for geometry, row in zip(geometries, rows, strict=True)
    ]
