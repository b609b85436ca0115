"""One user walked from ping to ping among squares in metres, for the tests of presence."""

from __future__ import annotations

import msgspec
import shapely

from geofences.covering import cover
from geofences.geodesy import M_PER_DEG
from geofences.index import GeofenceIndex
from geofences.model import Geofence, Ignored, Ping, Transition
from geofences.transitions import Policy, Presence, Step, step, tick

T0 = 1_700_000_000_000
DEFAULT = Policy.DEFAULT


def square(id_: str, x_m: float = 0, y_m: float = 0, size_m: float = 100, **fields: object) -> Geofence:
    """A square with its south-west corner so many metres east and north of 0, 0."""
    box = shapely.box(x_m / M_PER_DEG, y_m / M_PER_DEG, (x_m + size_m) / M_PER_DEG, (y_m + size_m) / M_PER_DEG)
    return msgspec.structs.replace(Geofence(id_, box, area_radius_m=size_m / 1.77), **fields)


def index_of(*geofences: Geofence) -> GeofenceIndex:
    return GeofenceIndex.build((g, cover(g.shape)) for g in geofences)


def ping(at_s: float, x_m: float, y_m: float = 50, **fields: object) -> Ping:
    """A fix so many seconds after the start, metres east and north of 0, 0; accurate to 5 m."""
    made = Ping("u", T0 + int(at_s * 1000), y_m / M_PER_DEG, x_m / M_PER_DEG, accuracy_m=5.0)
    return msgspec.structs.replace(made, **fields)


class Walk:
    """One user stepped from ping to ping."""

    def __init__(self, index: GeofenceIndex, policy: Policy = DEFAULT, presence: Presence = Presence.EMPTY) -> None:
        self.index, self.policy, self.presence = index, policy, presence
        self.told: list[Transition] = []
        self.ignored: list[Ignored] = []

    def go(self, *pings: Ping, now_ms: int | None = None) -> list[str]:
        """Step; answers what these pings told, as "kind id"."""
        before = len(self.told)
        for one in pings:
            located = self.index.locate(one.lat, one.lng)
            self._take(step(self.presence, located, one, self.index, self.policy, now_ms or one.at_ms))
        return [f"{t.kind} {t.geofence_id}" for t in self.told[before:]]

    def wait(self, until_s: float) -> list[str]:
        before = len(self.told)
        self._take(tick(self.presence, "u", self.index, self.policy, T0 + int(until_s * 1000)))
        return [f"{t.kind} {t.geofence_id}" for t in self.told[before:]]

    def _take(self, stepped: Step) -> None:
        self.presence = stepped.presence
        self.told += stepped.transitions
        if stepped.ignored:
            self.ignored.append(stepped.ignored)
