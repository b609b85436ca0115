"""The words of the engine: pings, geofences, presence and transitions as immutable values.

Angles are WGS 84 degrees named lat, lng (in that order everywhere but GeoJSON); distances are metres;
instants are UTC epoch milliseconds named ``*_at_ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NewType, TypeAlias

import msgspec
from shapely import MultiPolygon, Polygon

UserId = NewType("UserId", str)
GeofenceId = NewType("GeofenceId", str)

UNKNOWN_ACCURACY_M = 30.0
"""Accuracy assumed where a source reports none: a typical urban phone fix, never 0."""


class LatLng(msgspec.Struct, frozen=True, gc=False):
    """A point on WGS 84, degrees."""

    lat: float
    lng: float


class Ping(msgspec.Struct, frozen=True, gc=False):
    """One fix of one user. ``accuracy_m`` is the 68 % radius; None means the source did not say."""

    user_id: str
    at_ms: int
    lat: float
    lng: float
    accuracy_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    mock: bool = False
    source: str = "api"


class Circle(msgspec.Struct, frozen=True):
    """All points at most ``radius_m`` great-circle metres from ``center``."""

    center: LatLng
    radius_m: float


Shape: TypeAlias = Polygon | MultiPolygon | Circle
"""What a geofence can look like. Polygons are planar in longitude (x), latitude (y); boundary is inside."""


class Geofence(msgspec.Struct, frozen=True, gc=False):
    """A named area.

    ``version`` grows with every edit; ``properties`` is the feature's own JSON object. ``area_radius_m`` is the
    radius of the circle of equal area: "half the fence's size" for fix-quality rules. ``priority`` orders
    transitions of one instant, larger first.
    """

    id: str
    shape: Shape
    version: int = 1
    properties: Mapping[str, object] = {}
    tags: frozenset[str] = frozenset()
    area_radius_m: float = 0.0
    priority: float = 0.0


class TransitionKind(StrEnum):
    """What happened between a user and a geofence."""

    ENTER = "enter"
    EXIT = "exit"
    DWELL = "dwell"
    NEARBY = "nearby"
    PASS_BY = "pass_by"
    VISIT = "visit"
    VISIT_END = "visit_end"


class Reason(StrEnum):
    """Why a transition is not the plain one."""

    INITIAL = "initial"
    TIMEOUT = "timeout"
    FENCE_CREATED = "fence_created"
    FENCE_CHANGED = "fence_changed"
    FENCE_DELETED = "fence_deleted"
    CORRECTED = "corrected"
    CONFIRMED = "confirmed"


class Ignored(StrEnum):
    """Why a ping changed nothing: the label of a counter."""

    OUT_OF_ORDER = "out_of_order"
    DUPLICATE = "duplicate"
    STALE = "stale"
    MOCK = "mock"
    OUTLIER = "outlier"
    FUTURE = "future"


class Transition(msgspec.Struct, frozen=True, gc=False):
    """One change of one user's relation to one geofence.

    ``at_ms`` is the fix time that proved it. ``entered_at_ms`` and ``duration_ms`` describe the visit the
    transition belongs to (exit and dwell carry both); ``dwell_s`` is the threshold that a dwell passed, ``nearby_m``
    that of a nearby; ``distance_m`` the distance to the boundary of a nearby; ``probability`` that of a visit
    attribution. ``accuracy_m`` is the fix's, None for a timer's transition.
    """

    user_id: str
    geofence_id: str
    kind: TransitionKind
    at_ms: int
    visit_id: str = ""
    reason: Reason | None = None
    entered_at_ms: int | None = None
    duration_ms: int | None = None
    dwell_s: int | None = None
    distance_m: float | None = None
    probability: float | None = None
    accuracy_m: float | None = None
    nearby_m: int | None = None
