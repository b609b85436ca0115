"""A compiled catalog: geofence index, rulebook and presence policy of one version, immutable.

Readers take a snapshot once per batch and never see two versions mixed. Compiling runs off the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from geofences.index import GeofenceIndex
from geofences.transitions import Policy
from rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of everything that decides a push."""

    version: int
    index: GeofenceIndex
    rulebook: Rulebook
    policy: Policy
    halos_m: Mapping[str, float]
    """How far around which geofences the index looks, for offers that wait for somebody near or passing."""
