"""``geopush source`` and ``geopush keys``: let clients and people in, through a running gateway's API."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO
from urllib.parse import quote

import segno

from gateway.calling import Caller, command, run
from gateway.errors import BadRequest
from gateway.ingest.clients import CLIENTS


def source_main(arguments: Sequence[str] | None = None) -> int:
    """Add, list or remove sources; ``add`` prints the address, and where the client has one its link as a QR code."""
    parser = command("geopush source", "Let in clients that phones already have.", needs="admin")
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="let a client in and show how to set it up")
    add.add_argument("kind", choices=sorted(CLIENTS), help="the client")
    add.add_argument("--name", required=True, help="what to call it in lists")
    add.add_argument("--user", help="bind every fix to this user")
    add.add_argument("--public-url", help="where phones reach the gateway, such as https://geo.example")
    add.add_argument("--encryption-key", help="OwnTracks' payload encryption key")
    add.add_argument("--send-geofences", action="store_true", help="tell the phone its nearest stores")
    add.add_argument("--fields", type=argparse.FileType("rb"), metavar="FILE", help="field map of a custom source")
    actions.add_parser("list", help="list all sources")
    actions.add_parser("remove", help="let a source in no more").add_argument("source_id")
    return run(parser, arguments, _source)


def keys_main(arguments: Sequence[str] | None = None) -> int:
    """Create, list, rotate or revoke API keys."""
    parser = command("geopush keys", "Hand out API keys.", needs="admin")
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser("create", aliases=["make"], help="make a key and show its secret, once")
    make.add_argument("--name", required=True, help="what to call it in lists")
    make.add_argument("--role", help="for a person: viewer, store_ops, marketer, approver, privacy or admin")
    make.add_argument("--tags", default="", help="of the geofences that store_ops may touch, separated by commas")
    make.add_argument(
        "--scope", action="append", default=[], help="for a machine: ingest, events, ops or admin; may be repeated"
    )
    make.add_argument("--user", help="a machine's key that speaks for this user only")
    make.add_argument("--expires-at-ms", type=int, default=0, help="epoch milliseconds; 0 is never")
    rotate = actions.add_parser("rotate", help="give a key a new secret and show it, once")
    rotate.add_argument("key_id")
    rotate.add_argument("--overlap-s", type=int, default=3600, help="seconds that the old one goes on opening")
    actions.add_parser("list", help="list all keys")
    actions.add_parser("revoke", help="make a key open nothing").add_argument("key_id")
    return run(parser, arguments, _keys)


def _source(options: argparse.Namespace, call: Caller) -> Iterator[str]:
    if options.action == "remove":
        call("DELETE", f"/v1/sources/{quote(options.source_id, safe='')}")
        yield "removed"
    elif options.action == "list":
        for one in call("GET", "/v1/sources")["items"]:
            yield f"{one['source_id']}  {one['kind']:<14} {one['name']}  {one.get('user_id', '')}".rstrip()
    else:
        wanted = {
            "kind": options.kind,
            "name": options.name,
            "user_id": options.user,
            "url": options.public_url,
            "encryption_key": options.encryption_key,
            "sends_geofences": options.send_geofences,
            "fields": _read(options.fields) if options.fields else None,
        }
        setup = call("POST", "/v1/sources", {k: v for k, v in wanted.items() if v is not None})["setup"]
        yield f"address  {setup['url']}"
        yield setup["hint"]
        if setup["link"]:
            yield f"link     {setup['link']}"
        yield _qr(setup["link"] or setup["url"])


def _read(file: BinaryIO) -> Any:
    """The file's JSON. Raises BadRequest."""
    try:
        return json.load(file)
    except ValueError as error:
        raise BadRequest(f"{file.name} is not JSON: {error}") from None


def _keys(options: argparse.Namespace, call: Caller) -> Iterator[str]:
    if options.action == "revoke":
        call("DELETE", f"/v1/keys/{quote(options.key_id, safe='')}")
        yield "revoked"
    elif options.action == "list":
        for one in call("GET", "/v1/keys")["items"]:
            may = ",".join([*([one["role"]] if "role" in one else []), *one["scopes"]])
            yield f"{one['key_id']}  {may:<20} {one['name']}  {','.join(one.get('tags', ()))}".rstrip()
    elif options.action == "rotate":
        path = f"/v1/keys/{quote(options.key_id, safe='')}/rotate"
        made = call("POST", path, {"overlap_s": options.overlap_s})
        yield f"{made['key_id']}  {made['secret']}"
    else:
        tags = [tag.strip() for tag in options.tags.split(",") if tag.strip()]
        wanted = {"name": options.name, "scopes": options.scope, "tags": tags, "expires_at_ms": options.expires_at_ms}
        named = {"role": options.role, "user_id": options.user}
        made = call("POST", "/v1/keys", wanted | {name: value for name, value in named.items() if value})
        yield f"{made['key_id']}  {made['secret']}"


def _qr(text: str) -> str:
    """The text as a QR code of half-block characters, which a phone reads off a terminal."""
    rows = [list(row) for row in segno.make(text, error="l").matrix_iter(border=2)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(blocks[int(a), int(b)] for a, b in zip(top, low, strict=True)) for top, low in pairs)
