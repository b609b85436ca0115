"""``geopush dead-letters``: list the pushes that were given up, and try them again, through a running gateway's API."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.calling import Caller, command, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the letters, or how many were put back; 1 when the gateway refuses or is not there."""
    parser = command("geopush dead-letters", (__doc__ or "").partition(": ")[2], needs="ops")
    parser.add_argument("--limit", type=int, default=50, help="most letters to list (default 50)")
    parser.add_argument("--replay", nargs="+", metavar="ID", help="put these back into the outbox; 'all': those listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run(parser, arguments, _letters)


def _letters(options: argparse.Namespace, call: Caller) -> Iterator[str]:
    letters = call("GET", f"/v1/dead-letters?limit={options.limit}")
    if options.replay:
        ids = [letter["id"] for letter in letters["items"]] if options.replay == ["all"] else options.replay
        yield json.dumps(call("POST", "/v1/dead-letters/replay", {"ids": ids}) if ids else {"replayed": 0})
    elif options.json:
        yield json.dumps(letters)
    else:
        yield from map(_line, letters["items"])
        yield f"{letters['total']} kept"


def _line(letter: dict[str, Any]) -> str:
    at = dt.datetime.fromtimestamp(letter["at_ms"] / 1000, dt.UTC)
    return f"{letter['id']:<24} {at:%Y-%m-%d %H:%M:%S}Z  {letter['offer_id']:<24} {letter['reason']}"


if __name__ == "__main__":
    sys.exit(main())
