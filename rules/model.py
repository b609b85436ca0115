"""The words of a decision: gates, verdicts, candidates and the limits a claim must keep.

Everything here is an immutable value. Instants are UTC epoch milliseconds named ``*_at_ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Literal

import msgspec

from geofences.model import Transition


class Gate(StrEnum):
    """The gates in the order they are asked; the first that refuses decides."""

    CONSENT = "consent"
    FIX_QUALITY = "fix_quality"
    TRIGGER = "trigger"
    ACTIVE = "active"
    QUIET_HOURS = "quiet_hours"
    AUDIENCE = "audience"
    EXPERIMENT = "experiment"
    RENDER = "render"
    ARBITRATION = "arbitration"
    CLAIM = "claim"
    DELIVERY = "delivery"


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """One gate's answer, with what it saw, what it asked for, and what would have passed."""

    gate: Gate
    passed: bool
    rule: str = ""
    actual: Any = None
    required: Any = None
    would_pass: str = ""


class Consent(msgspec.Struct, frozen=True):
    """The three flags a person gives apart. Missing means not given."""

    location: bool = False
    push: bool = False
    profiling: bool = False


class PushKind(IntEnum):
    """What a push counts towards, as ``rules.pressure`` says."""

    PUSH = 0
    TRANSACTIONAL = 1
    GHOST = 2
    """One that a held-out user would have got."""


def push_kind(*, held_out: bool, transactional: bool) -> PushKind:
    """What a push is to the claim: of a held-out user a ghost, whatever else it is."""
    return PushKind.GHOST if held_out else PushKind.TRANSACTIONAL if transactional else PushKind.PUSH


class PastPush(msgspec.Struct, frozen=True, array_like=True):
    """A push the user was claimed for: all that cooldowns and caps are counted from."""

    at_ms: int
    push_id: str
    offer_id: str
    geofence_id: str
    brand: str = ""
    kind: PushKind = PushKind.PUSH


class Shopper(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may know about one user. ``history`` is oldest first."""

    user_id: str
    locale: str = "en"
    time_zone: str | None = None
    attributes: Mapping[str, Any] = {}
    consent: Consent = Consent()
    erased: bool = False
    platforms: frozenset[str] = frozenset()
    devices: tuple[Mapping[str, Any], ...] = ()
    events: Mapping[str, Any] = {}
    visits: Mapping[str, Any] = {}
    history: tuple[PastPush, ...] = ()


class Limit(msgspec.Struct, frozen=True):
    """At most ``max_pushes`` past pushes with ``field`` equal to ``value`` since ``since_ms``.

    A cooldown is a limit of one over its length; a minimum gap is a limit of one over any push; a calendar
    cap starts at the user's midnight. ``window_ms`` is 0 where the window does not roll.
    """

    name: str
    field: Literal["any", "offer", "store", "brand"]
    value: str
    since_ms: int
    max_pushes: int
    window_ms: int = 0


class Action(msgspec.Struct, frozen=True):
    """A button under a notification."""

    id: str
    title: str
    link: str = ""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rendered notification, before any provider's encoding."""

    title: str
    body: str
    locale: str = "en"
    image_url: str = ""
    deep_link: str = ""
    actions: tuple[Action, ...] = ()
    collapse_key: str = ""
    ttl_s: int = 3600
    interruption_level: Literal["passive", "active", "time-sensitive", "critical"] = "active"
    relevance: float | None = None
    """0 to 1: which notification of a summary is shown first."""
    thread: str = ""
    """Notifications of one thread are grouped; by default those of one store."""
    data: Mapping[str, str] = {}


class Supply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an offer may give out to all users together; None is no bound, and no code is drawn."""

    total_cap: int | None = None
    stock: int | None = None
    max_per_hour: int | None = None
    code_pool: str | None = None


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One offer that one transition woke, with every verdict in gate order.

    A candidate that reached arbitration has a ``message``, its ``limits`` and its place ``rank`` (0 is best).
    ``supply`` is what the offer may give out in all, which only the claim can take; None where nothing is bounded.
    """

    offer_id: str
    offer_version: int
    geofence_id: str
    transition: Transition
    verdicts: tuple[Verdict, ...]
    message: Message | None = None
    limits: tuple[Limit, ...] = ()
    rank: int | None = None
    brand: str = ""
    variant: str = ""
    held_out: bool = False
    transactional: bool = False
    channels: tuple[str, ...] = ("push",)
    expires_at_ms: int = 0
    supply: Supply | None = None

    @property
    def refused_by(self) -> Gate | None:
        """The first gate that refused, or None."""
        return next((v.gate for v in self.verdicts if not v.passed), None)

    @property
    def kind(self) -> PushKind:
        """What it counts towards, once claimed."""
        return push_kind(held_out=self.held_out, transactional=self.transactional)


class Deferred(msgspec.Struct, frozen=True):
    """An offer to be decided again at ``due_ms``: call ``evaluate`` with the same transition and ``only=offer_id``.

    With ``still_inside`` it is dropped unless the user is in the geofence then (same visit).
    """

    offer_id: str
    transition: Transition
    due_ms: int
    still_inside: bool
    reason: Literal["delay", "quiet_hours"]


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """All candidates of one evaluation of one user. ``ranked`` lists those to claim, best first."""

    user_id: str
    at_ms: int
    candidates: tuple[Candidate, ...]
    deferred: tuple[Deferred, ...] = ()

    @property
    def ranked(self) -> tuple[Candidate, ...]:
        """Candidates that passed every gate before the claim, best first."""
        return tuple(sorted((c for c in self.candidates if c.rank is not None), key=lambda c: c.rank or 0))

    @property
    def contests(self) -> tuple[tuple[Candidate, ...], ...]:
        """What to claim apart: ghosts and transactional offers each for itself, then the others, of whom one may win.

        Ghosts come first: what a held-out user gets instead must not refuse what he would have got.
        """
        ranked = self.ranked
        competing = tuple(c for c in ranked if not c.transactional)
        apart = (*self.ghosts, *(c for c in ranked if c.transactional))
        return (*((c,) for c in apart), *((competing,) if competing else ()))

    @property
    def ghosts(self) -> tuple[Candidate, ...]:
        """Held-out candidates that would have been sent: what treated users are compared with."""
        return tuple(c for c in self.candidates if c.held_out and c.refused_by is None)
