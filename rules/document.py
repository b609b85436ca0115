"""The offer document: what a marketer writes, typed and strict.

Every field is described in docs/offers.md. What the fields mean together is checked in ``rules.checks``. Documents hold
no cycles, so the collector need not look at fifty thousand of them (``gc=False``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from geofences.model import TransitionKind
from rules.policy import Cap, ClockTime, Cooldowns, QuietHours, Ratio

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$", description="Letters, digits and ._:/-")]
Text = Annotated[str, Meta(max_length=2000)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Instant = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?$",
        description="Date, local date and time, or date and time with an offset; without one it is the store's clock",
    ),
]


class Status(StrEnum):
    """Where an offer is in its life. Only active offers push."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Targets(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """The stores an offer belongs to: by id, by tag, or every one. The union counts."""

    geofences: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    all: bool = False


class Trigger(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What has to happen. ``nth_visit`` counts this user's visits of this store, ``within_days`` back from now."""

    type: TransitionKind
    dwell_s: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    nearby_m: Annotated[int, Meta(ge=1, le=50_000)] | None = None
    min_probability: Ratio = 0.6
    """0.6 keeps the named store right in eight to nine of ten visits."""
    nth_visit: Annotated[int, Meta(ge=1, le=32)] | None = None
    within_days: Annotated[int, Meta(ge=1, le=400)] | None = None
    first_visit: bool = False
    delay_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 0


class Campaign(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """From ``start`` up to ``end``; a bare date as end means through the end of that day."""

    start: Instant | None = None
    end: Instant | None = None


class Window(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A weekly window on the store's clock; one that ends before it starts runs past midnight."""

    start: ClockTime
    end: ClockTime
    days: Annotated[tuple[Day, ...], Meta(min_length=1)] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DateException(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What holds on one date in place of opening hours and weekly windows: "closed" or "10:00-13:00,14:00-16:00"."""

    date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    hours: Annotated[str, Meta(pattern=r"^(closed|\d{2}:\d{2}-\d{2}:\d{2}(,\d{2}:\d{2}-\d{2}:\d{2})*)$")]


class Button(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """An action button; title and link are Liquid."""

    id: Name
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    link: Text = ""


class MessageTemplate(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A message in one language; texts and links are Liquid. ``campaign_tags`` are added to every http(s) link."""

    title: Annotated[str, Meta(min_length=1, max_length=500)]
    body: Annotated[str, Meta(min_length=1, max_length=2000)]
    image_url: Text = ""
    deep_link: Text = ""
    campaign_tags: dict[str, str] = {}
    actions: Annotated[tuple[Button, ...], Meta(max_length=3)] = ()
    collapse_key: Annotated[str, Meta(max_length=64)] = ""
    ttl_s: Annotated[int, Meta(ge=0, le=28 * 86_400)] = 3600
    interruption_level: Literal["passive", "active", "time-sensitive", "critical"] = "active"
    relevance: Annotated[float, Meta(ge=0, le=1)] | None = None
    thread: Annotated[str, Meta(max_length=64)] = ""
    data: dict[str, str] = {}


class Variant(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One arm of an experiment; without messages of its own it sends the offer's."""

    name: Name
    weight: Annotated[int, Meta(ge=0, le=10_000)] = 1
    messages: dict[str, MessageTemplate] = {}


class Experiment(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """Who gets which text, and who gets none. ``salt`` fixes the assignment; by default it is the offer's id."""

    variants: Annotated[tuple[Variant, ...], Meta(max_length=16)] = ()
    holdout_ratio: Annotated[float, Meta(ge=0.0, le=0.9)] = 0.0
    salt: str = ""
    planned_sample: Annotated[int, Meta(ge=0)] = 0
    """Users per arm before a winner may be named; 0 never names one."""


class Review(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """Where an offer stands with the second person: who submitted this very content, and what became of it.

    ``reach`` is how many users a week it was estimated to reach then, None where nobody asked. ``was_live`` tells
    whether it had been active before, so that it cannot become a draft again.
    """

    submitted_by: str
    submitted_key: str
    submitted_at_ms: int
    reach: int | None = None
    was_live: bool = False
    verdict: Literal["waiting", "approved", "rejected"] = "waiting"
    decided_by: str = ""
    decided_at_ms: int = 0
    reason: str = ""


class Offer(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A local offer.

    ``version``, ``created_at_ms``, ``author`` and ``review`` are the catalog's: what a client sends there is replaced.
    """

    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    status: Status = Status.DRAFT
    version: Annotated[int, Meta(ge=1)] = 1
    created_at_ms: Annotated[int, Meta(ge=0)] = 0
    author: Annotated[str, Meta(max_length=200)] = ""
    review: Review | None = None
    brand: Annotated[str, Meta(max_length=128)] = ""
    purpose: Literal["selling", "informational", "engaging", "service"] = "selling"
    pack: str = ""
    """A policy pack (``rules.packs``): its weekly windows hold where the offer has none, else the lint compares."""

    targets: Targets
    trigger: Trigger
    campaign: Campaign = Campaign()
    weekly: tuple[Window, ...] = ()
    opening_hours: Annotated[str, Meta(min_length=1, max_length=1000)] = "store"
    """"store": the geofence's own; "ignore": none; else an OpenStreetMap opening_hours expression."""
    exceptions: tuple[DateException, ...] = ()
    zone: str | None = None
    quiet_hours: QuietHours | None = None

    audience: Annotated[str, Meta(max_length=2000)] = ""
    rollout_percent: Annotated[float, Meta(ge=0, le=100)] = 100.0
    """Share of users, by a stable hash, who take part at all: 5 first, then 100; the first stay in."""
    experiment: Experiment | None = None

    cooldowns: Cooldowns = Cooldowns()
    caps: tuple[Cap, ...] = ()
    total_cap: Annotated[int, Meta(ge=1)] | None = None
    max_per_hour: Annotated[int, Meta(ge=1)] | None = None
    stock: Annotated[int, Meta(ge=0)] | None = None
    code_pool: str | None = None

    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    value: Annotated[float, Meta(gt=0, le=1e9)] = 1.0
    messages: Annotated[dict[str, MessageTemplate], Meta(min_length=1)]
    default_locale: str = ""
    channels: Annotated[tuple[str, ...], Meta(min_length=1)] = ("push",)
    transactional: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it may push now, as far as its status goes."""
        return self.status is Status.ACTIVE

    @property
    def is_approved(self) -> bool:
        """Whether a second person has approved this very content."""
        return self.review is not None and self.review.verdict == "approved"

    def texts(self) -> list[str]:
        """Every Liquid and CEL source in it."""
        arms = self.experiment.variants if self.experiment else ()
        found = [self.audience]
        for messages in (self.messages, *(arm.messages for arm in arms)):
            for message in messages.values():
                found += [message.title, message.body, message.image_url, message.deep_link]
                found += [text for button in message.actions for text in (button.title, button.link)]
        return found
