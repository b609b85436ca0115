"""The documents that are kept of one user, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rules.behaviour import EventRecord, VisitRecord


class ConsentFlag(msgspec.Struct, frozen=True, omit_defaults=True):
    """One consent: given or withdrawn, when, where it was asked, and which text was shown."""

    granted: bool
    at_ms: int = 0
    source: str = ""
    text_version: str = ""


class ConsentFlags(msgspec.Struct, frozen=True, omit_defaults=True):
    """The three consents a person gives apart."""

    location: ConsentFlag = ConsentFlag(False)
    push: ConsentFlag = ConsentFlag(False)
    profiling: ConsentFlag = ConsentFlag(False)


class TokenRefusal(msgspec.Struct, frozen=True):
    """Why a provider will not take a token, in its own word (``BadDeviceToken``), and when it said so."""

    reason: str
    at_ms: int


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One installation of an app. ``app`` names which one where several run side by side (APNs topic, FCM project).

    With ``refused`` it is not sent to until it is registered again.
    """

    device_id: str
    platform: str
    token: str
    registered_at_ms: int
    app: str = ""
    app_version: str = ""
    refused: TokenRefusal | None = None


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What operations and apps told us about one user."""

    locale: str = "en"
    time_zone: str | None = None
    attributes: Mapping[str, Any] = {}
    consent: ConsentFlags = ConsentFlags()
    updated_at_ms: int = 0
    devices: tuple[Device, ...] = ()


class Habits(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is kept of one user's behaviour; ``recent_ids`` are idempotency keys seen lately, oldest first."""

    events: Mapping[str, EventRecord] = {}
    visits: Mapping[str, VisitRecord] = {}
    recent_ids: tuple[str, ...] = ()


class StoredHabits(msgspec.Struct, frozen=True, omit_defaults=True):
    """The same, each record left as it is stored: whoever looks at few of hundreds decodes no other."""

    events: Mapping[str, msgspec.Raw] = {}
    visits: Mapping[str, msgspec.Raw] = {}
    recent_ids: tuple[str, ...] = ()
