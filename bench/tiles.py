"""What a vector tile costs in a crowded city: ``python -m bench.tiles [--stores N] [--json]``.

N twelve-cornered stores are scattered around one city, denser than any real one of that number. At each zoom the tile
of its middle is drawn, five times; the least CPU time counts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from typing import Any

from bench.console import CENTER, shelf_of, stores
from gateway.ops.tiling import Tiling

ZOOMS = (0, 4, 8, 10, 11, 12, 13, 14, 15, 16)
ROUNDS = 5


def middle_tile(z: int) -> tuple[int, int]:
    """Column and row of the city's middle."""
    lng, lat = CENTER
    return int((lng + 180) / 360 * 2**z), int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z)


def measure(count: int) -> dict[str, Any]:
    """CPU milliseconds, and kilobytes compressed, by zoom."""
    shelf = shelf_of(stores(count))
    begin = time.process_time()
    tiling = Tiling(shelf)
    ready_ms = (time.process_time() - begin) * 1000
    found: dict[str, Any] = {"stores": count, "ready_ms": round(ready_ms, 1)}
    for z in ZOOMS:
        least, tile = math.inf, b""
        for _ in range(ROUNDS):
            begin = time.process_time()
            tile = tiling.draw(z, *middle_tile(z))
            least = min(least, time.process_time() - begin)
        found[f"zoom {z}"] = {"cpu_ms": round(least * 1000, 1), "gzip_kb": round(len(gzip.compress(tile, 6)) / 1000, 1)}
    return found


def main() -> None:
    """Print a line per zoom, or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiles", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stores", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args()
    found = measure(options.stores)
    if options.json:
        print(json.dumps(found))
        return
    for name, figure in found.items():
        print(f"{name:>10}  {figure}")


if __name__ == "__main__":
    main()
