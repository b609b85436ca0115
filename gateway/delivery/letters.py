"""``geopush dead-letters``: list the pushes that were given up, and try them again, through a running gateway's API."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Prints the letters, or how many were put back; 1 when the gateway refuses or is not there."""
    parser = argparse.ArgumentParser(prog="geopush dead-letters", description=(__doc__ or "").partition(": ")[2])
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the gateway (default http://127.0.0.1:8080)")
    parser.add_argument(
        "--key", default=os.environ.get("GEOPUSH_KEY", ""), help="API key with scope ops (default: GEOPUSH_KEY)"
    )
    parser.add_argument("--limit", type=int, default=50, help="most letters to list (default 50)")
    parser.add_argument("--replay", nargs="+", metavar="ID", help="put these back into the outbox; 'all': those listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if not options.url.startswith(("http://", "https://")):
        parser.error("--url must begin with http:// or https://")
    try:
        letters = _call(options, "GET", f"/v1/dead-letters?limit={options.limit}")
        if options.replay:
            ids = [letter["id"] for letter in letters["items"]] if options.replay == ["all"] else options.replay
            answer = _call(options, "POST", "/v1/dead-letters/replay", {"ids": ids}) if ids else {"replayed": 0}
            sys.stdout.write(json.dumps(answer) + "\n")
        elif options.json:
            sys.stdout.write(json.dumps(letters) + "\n")
        else:
            sys.stdout.writelines(f"{_line(letter)}\n" for letter in letters["items"])
            sys.stdout.write(f"{letters['total']} kept\n")
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"the gateway refused: {json.loads(error.read()).get('detail', error.reason)}\n")
        return 1
    except urllib.error.URLError as error:
        sys.stderr.write(f"no gateway answers at {options.url}: {error.reason}\n")
        return 1
    return 0


def _call(options: argparse.Namespace, method: str, path: str, document: Any = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(options.url.rstrip("/") + path, body, method=method)  # noqa: S310 - checked above
    request.add_header("Authorization", f"Bearer {options.key}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - checked above
        return json.load(answer)


def _line(letter: dict[str, Any]) -> str:
    at = dt.datetime.fromtimestamp(letter["at_ms"] / 1000, dt.UTC)
    return f"{letter['id']:<24} {at:%Y-%m-%d %H:%M:%S}Z  {letter['offer_id']:<24} {letter['reason']}"


if __name__ == "__main__":
    sys.exit(main())
