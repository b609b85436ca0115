"""``make bench``: every benchmark in turn, each in a process of its own, their figures as one table.

    python -m bench [--data DIR] [--json]

DIR holds a city, stores.geojson and pings.ndjson.gz; by default the small one of the tests, which is quick but says
little about large catalogs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SMALL_CITY = Path(__file__).parents[1] / "tests" / "data" / "helsinki_mini"


def benchmarks(data: Path) -> dict[str, list[str]]:
    """What is run, by the command that prints the same figures."""
    return {
        "engine": ["--data", str(data)],
        "engine, 10,000 geofences": ["--fences", "10000"],
        "decisions": [],
        "store": [],
        "intake": ["--data", str(data)],
        "workers": ["--data", str(data), "--policy", "raw"],
        "delivery": [],
        "push": [],
    }


def figures(module: str, arguments: list[str]) -> dict[str, Any]:
    """The JSON object that ``python -m bench.MODULE`` ends with. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", f"bench.{module}", *arguments, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Run them all; returns 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=SMALL_CITY, help="folder with stores.geojson and pings.ndjson.gz")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    failed = False
    for name, arguments in benchmarks(options.data).items():
        module = name.partition(",")[0]
        if not options.json:
            print(f"\npython -m bench.{module} {' '.join(arguments)}", flush=True)
        try:
            results[name] = figures(module, arguments)
        except subprocess.CalledProcessError as error:
            failed = True
            print(f"bench.{module} ended with {error.returncode}", file=sys.stderr)
            continue
        if not options.json:
            for key, value in results[name].items():
                print(f"  {key:<28} {value}")
    if options.json:
        print(json.dumps(results))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
