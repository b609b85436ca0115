"""What one brand asks of every push it sends: pressure limits, quiet hours, fix quality, holdout.

An offer may be stricter or, where it says so, laxer; what it leaves out is taken from here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rules.strict import DocumentErrors, decode, fault

HOUR_S = 3600
DAY_S = 24 * HOUR_S

ClockTime = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$", description='Wall clock, "HH:MM"')]
Seconds = Annotated[int, Meta(ge=0, le=400 * DAY_S)]
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]


class QuietHours(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """No push between ``start`` and ``end`` on the wall clock where the shopper is; may run past midnight.

    ``drop`` forgets the transition; ``defer_if_still_inside`` decides again at ``end`` if they are still there.
    """

    start: ClockTime = "21:00"
    end: ClockTime = "09:00"
    action: Literal["drop", "defer_if_still_inside"] = "drop"
    enabled: bool = True


class Cooldowns(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """The shortest time between two pushes of one user that share something; 0 is none, absent is the brand's."""

    user_offer_s: Seconds | None = None
    user_store_s: Seconds | None = None
    user_brand_s: Seconds | None = None
    min_gap_s: Seconds | None = None


class Cap(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """At most ``max`` pushes of one user within ``scope``, in a rolling window or in a calendar day of the user's."""

    scope: Literal["user", "brand", "offer", "store"]
    max: Annotated[int, Meta(ge=1, le=1000)]
    window_s: Annotated[int, Meta(ge=60, le=400 * DAY_S)] = DAY_S
    per: Literal["rolling", "calendar_day"] = "rolling"


AttributeType = Literal["string", "int", "double", "bool", "list", "map"]


class BrandPolicy(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """The brand's document, ``PUT /v1/policy``. Every default is SEMANTICS' own.

    ``attributes`` declares what a user's profile may hold; once it names any, an audience that reads another
    is refused when saved. ``too_long`` says whether a rendered text over its limit is refused or only noted.
    """

    caps: tuple[Cap, ...] = (Cap(scope="user", max=2),)
    """One or two pushes a day is the most that retail practice bears."""
    user_offer_s: Seconds = 7 * DAY_S
    """The same offer again within a week reads as nagging."""
    user_store_s: Seconds = DAY_S
    """One message per store and day, whichever offer it is."""
    user_brand_s: Seconds = 0
    """Off: the minimum gap and the daily cap bound a brand already."""
    min_gap_s: Seconds = 2 * HOUR_S
    """Two pushes closer than this feel like one loud one."""
    quiet_hours: QuietHours = QuietHours()
    holdout_ratio: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    """Share of users who never get a push and are measured against; the same users for every offer."""
    holdout_salt: str = "global"
    max_fix_age_s: Annotated[int, Meta(ge=1, le=DAY_S)] = 300
    """Older than this and the shopper has walked on."""
    max_accuracy_m: Annotated[float, Meta(gt=0, le=1000)] = 75.0
    """A street block; large fences accept half their own radius instead, if that is more."""
    distance_scale_m: Annotated[float, Meta(gt=0, le=100_000)] = 150.0
    """An offer this far away is worth 1/e of the same at the door: about two minutes' walk."""
    too_long: Literal["warn", "refuse"] = "warn"
    attributes: dict[str, AttributeType] = {}


DEFAULT_POLICY = BrandPolicy()
"""What holds until a brand says otherwise."""

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")


def parse_policy(document: object) -> BrandPolicy:
    """The policy in ``document`` (JSON bytes or parsed). Raises DocumentErrors with every fault."""
    policy = decode(document, BrandPolicy)
    found = []
    if policy.quiet_hours.enabled and policy.quiet_hours.start == policy.quiet_hours.end:
        found.append(
            fault("/quiet_hours/end", "empty_window", "Quiet hours must not end when they start; use enabled: false.")
        )
    found += [
        fault(f"/attributes/{name}", "invalid_name", "An attribute is named like a variable: letters, digits and _.")
        for name in policy.attributes
        if not _NAME.match(name)
    ]
    if found:
        raise DocumentErrors(found)
    return policy


def policy_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of the policy document."""
    return msgspec.json.schema(BrandPolicy)
