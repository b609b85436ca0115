"""Campaigns as code: a gateway's catalog to a folder, and a folder to a gateway, with the difference shown first.

``geopush export DIR`` writes, ``geopush apply DIR --dry-run`` compares, ``geopush apply DIR`` makes it so. What the
folder lacks stays on the gateway unless ``--prune`` is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from gateway.calling import Caller, command, run
from gateway.offline.folder import Folder, read_folder, write_folder

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

    def __init__(self, call: Caller) -> None:
        """The caller's key needs the scope ops."""
        self._call = call

    def folder(self) -> Folder:
        """The whole catalog as a folder's documents."""
        geofences = {item["id"]: item for item in self._all("/v1/geofences")}
        offers = {item["id"]: item for item in self._all("/v1/offers")}
        return Folder(geofences, offers, self._call("GET", "/v1/policy"))

    def apply(self, wanted: Folder, found: Sequence[Difference]) -> None:
        """Put and delete what differs: geofences before the offers that name them, removals in the other order."""
        put = [d for d in found if d.action != "remove"]
        features = [dict(wanted.geofences[d.id]) for d in put if d.kind == "geofence"]
        if features:
            self._call("POST", "/v1/geofences/import", {"type": "FeatureCollection", "features": features})
        if any(d.kind == "policy" for d in put):
            self._call("PUT", "/v1/policy", wanted.policy)
        for difference in (d for d in put if d.kind == "offer"):
            self._call("PUT", f"/v1/offers/{_escaped(difference.id)}", wanted.offers[difference.id])
        gone = [d for d in found if d.action == "remove"]
        for difference in sorted(gone, key=lambda d: d.kind != "offer"):
            self._call("DELETE", f"/v1/{difference.kind}s/{_escaped(difference.id)}")

    def _all(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            query = f"?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
            page = self._call("GET", path + query)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items


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


def _export(options: argparse.Namespace, call: Caller) -> Iterator[str]:
    folder = _without_catalog_fields(Remote(call).folder())
    write_folder(options.folder, folder)
    yield f"{len(folder.geofences)} geofences, {len(folder.offers)} offers and the policy written to {options.folder}"


def _apply(options: argparse.Namespace, call: Caller) -> Iterator[str]:
    wanted, remote = read_folder(options.folder), Remote(call)
    found = differences(wanted, remote.folder(), prune=options.prune)
    for difference in found:
        yield f"{difference.action:<7} {difference.kind:<9} {difference.id}"
    counts = {action: sum(d.action == action for d in found) for action in ("add", "change", "remove")}
    summary = ", ".join(f"{count} to {action}" for action, count in counts.items())
    if options.dry_run or not found:
        yield f"{summary}; nothing was changed"
        return
    remote.apply(wanted, found)
    yield f"{summary}; done"


def _parser(name: str) -> argparse.ArgumentParser:
    parser = command(f"geopush {name}", __doc__ or "", needs="ops")
    parser.add_argument("folder", type=Path, metavar="DIR")
    return parser


def export_main(argv: Sequence[str] | None = None) -> int:
    """The command ``geopush export``."""
    return run(_parser("export"), argv, _export, timeout_s=TIMEOUT_S)


def apply_main(argv: Sequence[str] | None = None) -> int:
    """The command ``geopush apply``."""
    parser = _parser("apply")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument("--prune", action="store_true", help="also remove what the folder lacks")
    return run(parser, argv, _apply, timeout_s=TIMEOUT_S)
