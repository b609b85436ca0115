"""``geopush dead-letters``: list the pushes that were given up, and try them again, through a running gateway's API."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from gateway.calling import Caller, command, run

PER_CALL: Final = 1_000
"""Most letters of one page, and of one replay."""
FILTERS: Final = ("push", "offer", "channel", "reason")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the letters, or how many were put back; 1 when the gateway refuses or is not there."""
    parser = command("geopush dead-letters", (__doc__ or "").partition(": ")[2], needs="ops")
    parser.add_argument("--limit", type=int, default=50, help="most letters to list (default 50)")
    parser.add_argument("--push", metavar="ID", help="only this push")
    parser.add_argument("--offer", metavar="ID", help="only pushes of this offer")
    parser.add_argument("--channel", help="only those of which this channel had the last word: apns, fcm, webhook, …")
    parser.add_argument("--reason", metavar="TEXT", help="only those whose reason contains this, such as expired")
    parser.add_argument("--replay", nargs="+", metavar="ID", help="try these again; 'all': those listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run(parser, arguments, _letters)


def _letters(options: argparse.Namespace, call: Caller) -> Iterator[str]:
    if options.replay and options.replay != ["all"]:
        yield json.dumps(_replayed(call, options.replay))
        return
    listed = _listed(options, call)
    if options.replay:
        yield json.dumps(_replayed(call, [letter["id"] for letter in listed["items"]]))
    elif options.json:
        yield json.dumps(listed)
    else:
        yield from map(_line, listed["items"])
        yield f"{listed['total']} kept"


def _listed(options: argparse.Namespace, call: Caller) -> dict[str, Any]:
    """Letters from as many pages as the limit takes, and how many are kept in all."""
    filters = {name: value for name in FILTERS if (value := getattr(options, name))}
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        query = {"limit": min(options.limit - len(items), PER_CALL), **filters, **cursor}
        page = call("GET", f"/v1/dead-letters?{urlencode(query)}")
        items += page["items"]
        if page["next_cursor"] is None or len(items) >= options.limit:
            return {"items": items, "total": page["total"]}
        cursor = {"cursor": page["next_cursor"]}


def _replayed(call: Caller, ids: Sequence[str]) -> dict[str, Any]:
    """How many are tried again, and how many are not, by reason."""
    replayed, refused = 0, Counter[str]()
    for start in range(0, len(ids), PER_CALL):
        answer = call("POST", "/v1/dead-letters/replay", {"ids": ids[start : start + PER_CALL]})
        replayed += answer["replayed"]
        refused.update(one["reason"] for one in answer["refused"])
    return {"replayed": replayed, "refused": dict(refused)}


def _line(letter: dict[str, Any]) -> str:
    at = dt.datetime.fromtimestamp(letter["at_ms"] / 1000, dt.UTC)
    return f"{letter['id']:<24} {at:%Y-%m-%d %H:%M:%S}Z  {letter['offer_id']:<24} {letter['reason']}"


if __name__ == "__main__":
    sys.exit(main())
