"""A compiled catalog: geofence index, rulebook and presence policy of one version, immutable.

Readers take a snapshot once per batch and never see two versions mixed. Compiling runs off the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from geofences.transitions import Policy

from geofences.index import GeofenceIndex
from rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of everything that decides a push."""

    version: int
    index: GeofenceIndex
    rulebook: Rulebook
    policy: Policy
