"""Geofences as commits: each document with what is computed once from it, its covering."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.catalog.features import feature_of
from gateway.store.catalog import Change, Kind
from geofences.covering import cover_many
from geofences.model import Geofence


def changes_of(geofences: Sequence[Geofence], expected: int | None = None) -> list[Change]:
    """The commit that puts these geofences. Slow (a millisecond each and more): run it in a thread."""
    coverings = cover_many([geofence.shape for geofence in geofences])
    return [
        Change(
            kind=Kind.GEOFENCE,
            id=geofence.id,
            body=feature_of(geofence),
            extra=covering.to_bytes(),
            expected=expected,
        )
        for geofence, covering in zip(geofences, coverings, strict=True)
    ]
