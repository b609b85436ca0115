"""When a fix is believed: every constant of presence, with its unit and its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Policy:
    """How readily presence follows the fixes. ``RAW`` follows each; ``DEFAULT`` asks for proof."""

    RAW: ClassVar[Policy]
    DEFAULT: ClassVar[Policy]

    enter_fixes: int = 2
    """Consecutive fixes inside that prove an enter: a single one is often a reflection off the house opposite."""

    enter_after_s: float = 30.0
    """A fix inside this long after the first also proves it, for phones that report seldom."""

    exit_fixes: int = 2
    """Consecutive fixes beyond the boundary that prove an exit."""

    exit_margin_max_m: float = 50.0
    """A fix is beyond the boundary when farther than its accuracy, or than this: bad accuracy must not hold a
    shopper in the store for ever."""

    presence_ttl_s: float = 1800.0
    """Silence after which a user has left: phones sleep in pockets, but a shop visit rarely spans an hour."""

    dwells_s: tuple[int, ...] = ()
    """Dwell thresholds to tell, in seconds: the union of what live offers ask for."""

    dwell_gap_s: float = 120.0
    """Longest gap between fixes that still counts as having stayed: two missed reports of a slow phone."""

    max_age_s: float = 300.0
    """Older fixes say where somebody was, not is: a push for them would come too late."""

    max_ahead_s: float = 60.0
    """Fixes farther in the future come from a wrong clock; skews of some seconds are common."""

    max_speed_mps: float = 60.0
    """Faster than 216 km/h between two fixes is a jump of the positioning, not of the shopper."""

    drops_mock: bool = True
    """Whether fixes marked as mocked are dropped."""

    nearby_m: tuple[int, ...] = ()
    """Distances for nearby, in metres: the union of what live offers ask for. The index must watch the
    geofences (``GeofenceIndex.watching``) up to ``NEARBY_REARM`` times the largest."""

    is_pass_by_told: bool = False
    """Whether crossing a watched geofence between two fixes is told; off because it is a guess."""

    pass_by_max_m: float = 200.0
    """Longest step between two fixes that still tells the way taken. Geofences are to be watched up to it."""

    pass_by_gap_s: float = 30.0
    """Longest time between two fixes that still tells the way taken."""

    keeps_fix: bool = True
    """Whether the last fix is remembered: needed for outliers, pass-by, and to tell a moved user from a moved fence."""

    def __post_init__(self) -> None:
        """Thresholds are kept ascending."""
        object.__setattr__(self, "dwells_s", tuple(sorted(set(self.dwells_s))))
        object.__setattr__(self, "nearby_m", tuple(sorted(set(self.nearby_m))))


NEARBY_REARM = 1.5
"""A nearby told at d metres is told again only after the user was beyond this many times d."""

Policy.DEFAULT = Policy()
Policy.RAW = Policy(
    enter_fixes=1,
    exit_fixes=1,
    exit_margin_max_m=0.0,
    presence_ttl_s=math.inf,
    max_age_s=math.inf,
    max_ahead_s=math.inf,
    max_speed_mps=math.inf,
    drops_mock=False,
    keeps_fix=False,
)
