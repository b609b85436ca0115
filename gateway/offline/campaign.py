"""Campaigns as code: a gateway's catalog to a folder, and a folder to a gateway, with the difference shown first.

``geopush export DIR`` writes, ``geopush apply DIR --dry-run`` compares, ``geopush apply DIR`` makes it so. What the
folder lacks stays on the gateway unless ``--prune`` is given.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import msgspec

from gateway.errors import BadRequest, GeopushError, Unavailable
from gateway.offline.folder import Folder, read_folder, write_folder

KEY_VARIABLE = "GEOPUSH_API_KEY"
PAGE = 500
TIMEOUT_S = 120.0
"""A large import is compiled before it is answered."""
CATALOG_FIELDS = ("version", "created_at_ms", "author", "review")
"""What the gateway keeps in an offer by itself; no folder holds it."""

Kind = Literal["geofence", "offer", "policy"]
Action = Literal["add", "change", "remove"]


class Difference(msgspec.Struct, frozen=True):
    """One document that applying the folder would add, change or remove."""

    action: Action
    kind: Kind
    id: str


class Remote:
    """A gateway's catalog over its HTTP API. Raises Unavailable, BadRequest."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        """``key`` needs the scope ops."""
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def folder(self) -> Folder:
        """The whole catalog as a folder's documents."""
        geofences = {item["id"]: item for item in await self._all("/v1/geofences")}
        offers = {item["id"]: item for item in await self._all("/v1/offers")}
        _, policy = await self._call("GET", "/v1/policy")
        return Folder(geofences, offers, policy)

    async def apply(self, wanted: Folder, found: Sequence[Difference]) -> None:
        """Put and delete what differs: geofences before the offers that name them, removals in the other order."""
        put = [d for d in found if d.action != "remove"]
        features = [dict(wanted.geofences[d.id]) for d in put if d.kind == "geofence"]
        if features:
            await self._call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
        if any(d.kind == "policy" for d in put):
            await self._call("PUT", "/v1/policy", wanted.policy)
        for difference in (d for d in put if d.kind == "offer"):
            await self._call("PUT", f"/v1/offers/{_escaped(difference.id)}", wanted.offers[difference.id])
        gone = [d for d in found if d.action == "remove"]
        for difference in sorted(gone, key=lambda d: d.kind != "offer"):
            await self._call("DELETE", f"/v1/{difference.kind}s/{_escaped(difference.id)}")

    async def _all(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            query = f"?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
            _, page = await self._call("GET", path + query)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        try:
            async with self._session.request(method, self._url + path, json=body, headers=self._headers) as answer:
                document = await answer.json(content_type=None) if answer.content_length != 0 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{self._url} does not answer: {error}") from error
        if answer.status >= 400:
            told = document if isinstance(document, dict) else {}
            where = "".join(f"; {one.get('pointer', '')} {one.get('detail', '')}" for one in told.get("errors", [])[:5])
            raise BadRequest(f"{method} {path}: {told.get('detail', answer.reason)}{where}")
        return answer.status, document


def differences(wanted: Folder, present: Folder, *, prune: bool) -> list[Difference]:
    """What would have to change for ``present`` to be ``wanted``."""
    found: list[Difference] = []
    kinds: tuple[tuple[Kind, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("geofence", present.geofences, wanted.geofences),
        ("offer", present.offers, wanted.offers),
    )
    for kind, there, here in kinds:
        for identity in sorted(here):
            if identity not in there:
                found.append(Difference("add", kind, identity))
            elif _plain(here[identity]) != _plain(there[identity]):
                found.append(Difference("change", kind, identity))
        if prune:
            found += [Difference("remove", kind, identity) for identity in sorted(there.keys() - here.keys())]
    if wanted.policy is not None and _plain(wanted.policy) != _plain(present.policy or {}):
        found.append(Difference("change", "policy", "brand"))
    return found


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in CATALOG_FIELDS}


def _without_catalog_fields(folder: Folder) -> Folder:
    return Folder(folder.geofences, {k: _plain(offer) for k, offer in folder.offers.items()}, folder.policy)


def _escaped(identity: str) -> str:
    return quote(identity, safe="")


async def _export(options: argparse.Namespace) -> int:
    async with _session() as session:
        folder = _without_catalog_fields(await Remote(session, options.url, options.key).folder())
    write_folder(options.folder, folder)
    print(f"{len(folder.geofences)} geofences, {len(folder.offers)} offers and the policy written to {options.folder}")
    return 0


async def _apply(options: argparse.Namespace) -> int:
    wanted = read_folder(options.folder)
    async with _session() as session:
        remote = Remote(session, options.url, options.key)
        found = differences(wanted, await remote.folder(), prune=options.prune)
        for difference in found:
            print(f"{difference.action:<7} {difference.kind:<9} {difference.id}")
        counts = {action: sum(d.action == action for d in found) for action in ("add", "change", "remove")}
        summary = ", ".join(f"{count} to {action}" for action, count in counts.items())
        if options.dry_run or not found:
            print(f"{summary}; nothing was changed")
            return 0
        await remote.apply(wanted, found)
        print(f"{summary}; done")
    return 0


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


def _run(name: str, argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog=f"geopush {name}", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the gateway (default %(default)s)")
    parser.add_argument("--key", default=os.environ.get(KEY_VARIABLE), help=f"API key (default ${KEY_VARIABLE})")
    if name == "apply":
        parser.add_argument("--dry-run", action="store_true", help="only show what would change")
        parser.add_argument("--prune", action="store_true", help="also remove what the folder lacks")
    options = parser.parse_args(argv)
    try:
        if not options.key:
            raise BadRequest(f"an API key with the scope ops is needed: --key, or ${KEY_VARIABLE}")
        return asyncio.run(_apply(options) if name == "apply" else _export(options))
    except (GeopushError, OSError) as error:
        print(f"geopush {name}: {error}", file=sys.stderr)
        return 1


def export_main(argv: Sequence[str] | None = None) -> int:
    """The command ``geopush export``."""
    return _run("export", argv)


def apply_main(argv: Sequence[str] | None = None) -> int:
    """The command ``geopush apply``."""
    return _run("apply", argv)
