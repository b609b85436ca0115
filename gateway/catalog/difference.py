"""What a set of geofences would change in a catalog: what is added, changed, removed, and what stays as it is."""

from __future__ import annotations

import msgspec

from gateway.catalog.features import feature_of
from gateway.catalog.snapshot import Snapshot
from gateway.store.catalog import Change, Kind

MAX_SHOWN = 1_000
"""Ids of each kind that a difference lists."""


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file changes: how many, and the first ids of each kind."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    added_ids: list[str] = []
    changed_ids: list[str] = []
    removed_ids: list[str] = []


def compare(snapshot: Snapshot, changes: list[Change], *, replaces: bool) -> tuple[Difference, list[Change]]:
    """What ``changes`` would do to the catalog, and those that are needed; with ``replaces`` also removals."""
    held = {geofence.id: geofence for geofence in snapshot.index}
    added: list[str] = []
    changed: list[str] = []
    needed: list[Change] = []
    for change in changes:
        before = held.pop(change.id, None)
        if before is not None and feature_of(before) == change.body:
            continue
        needed.append(change)
        (added if before is None else changed).append(change.id)
    removed = sorted(held) if replaces else []
    needed += [Change(kind=Kind.GEOFENCE, id=geofence_id, body=None) for geofence_id in removed]
    unchanged = len(changes) - len(added) - len(changed)
    shown = (added[:MAX_SHOWN], changed[:MAX_SHOWN], removed[:MAX_SHOWN])
    return Difference(len(added), len(changed), len(removed), unchanged, *shown), needed
