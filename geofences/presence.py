"""What is remembered of one user: memory in the order of the geofences he is in, and none for those far away."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar
from zlib import crc32

import msgspec

from geofences.model import Ignored, Reason, Transition
from geofences.visits import VisitState


class Standing(IntEnum):
    """Where a user stands to one geofence. ``OUTSIDE`` is not stored."""

    OUTSIDE = 0
    PENDING = 1
    INSIDE = 2
    LEAVING = 3


def visit_id(user_id: str, geofence_id: str, since_ms: int) -> str:
    """The name of a visit: the same for every worker that steps the same ping.

    The time, and a checksum that tells apart whom and where: of one user no two visits can share both.
    """
    return f"{since_ms:x}-{crc32(f'{user_id} {geofence_id}'.encode()):08x}"


class Stay(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One user's standing in one geofence.

    ``version`` is the geofence's when last seen; ``since_ms`` the first fix inside; ``fixes`` how many in a row
    speak for the next standing; ``steady_ms`` since when no gap was too long for dwelling; ``left_ms`` the first
    fix of leaving; ``dwelled_s`` the largest dwell told; ``reason`` why the enter is not the plain one.
    """

    geofence_id: str
    version: int
    standing: Standing
    since_ms: int
    fixes: int
    steady_ms: int
    left_ms: int = 0
    dwelled_s: int = 0
    reason: Reason | None = None


class Nearness(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Distances (metres) already told of one geofence that the user has not been far from since."""

    geofence_id: str
    told_m: tuple[int, ...]


class Motion(msgspec.Struct, frozen=True, array_like=True):
    """Everything remembered that holds a coordinate, so that the store can seal it as one.

    The last fix that counted; ``suspect`` is an outlier since (at_ms, lat, lng) that the next fix may confirm;
    ``visit`` the state of visit attribution.
    """

    lat: float
    lng: float
    at_ms: int
    suspect: tuple[int, float, float] | None = None
    visit: VisitState | None = None


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """Which geofences a user is in, since when. ``last_at_ms`` is the newest fix taken, 0 for none."""

    EMPTY: ClassVar[Presence]

    last_at_ms: int = 0
    stays: tuple[Stay, ...] = ()
    near: tuple[Nearness, ...] = ()
    motion: Motion | None = None

    @property
    def is_present(self) -> bool:
        """Whether the next ping matters wherever it is: in, entering, leaving or near a geofence, or on a visit."""
        if self.stays or self.near:
            return True
        visit = self.motion.visit if self.motion else None
        return visit is not None and visit.current is not None

    @property
    def inside(self) -> tuple[str, ...]:
        """Ids of the geofences the user has entered and not left."""
        return tuple(stay.geofence_id for stay in self.stays if stay.standing >= Standing.INSIDE)


Presence.EMPTY = Presence()


class Step(msgspec.Struct, frozen=True, gc=False):
    """The presence after a ping (or a tick), what changed, and why the ping counted for nothing, if so."""

    presence: Presence
    transitions: tuple[Transition, ...] = ()
    ignored: Ignored | None = None
