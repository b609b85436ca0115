"""Numbers, instants and units as clients write them, brought to a Ping. Pure.

Clients disagree on units, write numbers as text, and say "unknown" as -1, 0 or an empty string.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from gateway.clock import EARLIEST_MS, LATEST_MS
from gateway.ingest.decode import MAX_USER_ID_LENGTH, Rejected
from geofences.model import Ping

SpeedUnit = Literal["m/s", "km/h", "knots", "mph"]
MPS: dict[SpeedUnit, float] = {"m/s": 1.0, "km/h": 1 / 3.6, "knots": 1852 / 3600, "mph": 0.44704}
"""Metres per second of one unit."""
LARGEST_SECONDS = 2**31
"""Numbers above this are milliseconds: as seconds they would lie past 2038 (the rule that Traccar uses)."""


class Unreadable(Exception):
    """A value that no ping can be made of; becomes a ``Rejected``."""

    def __init__(self, code: str, detail: str, field: str) -> None:
        """``field`` is the client's own name for the value."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field

    def at(self, index: int) -> Rejected:
        """As the refusal of the call's ``index``-th fix."""
        return Rejected(index, self.code, self.detail, f"/{self.field}")


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """One fix in a client's own values, named after Ping's members; ``names`` says what the client calls them."""

    user_id: Any
    at: Any
    lat: Any
    lng: Any
    accuracy_m: Any = None
    speed: Any = None
    speed_unit: SpeedUnit = "m/s"
    heading_deg: Any = None
    mock: Any = False
    source: str


def ping_of(fix: Fix) -> Ping:
    """``fix`` in our units. Raises Unreadable for what a ping cannot do without."""
    lat, lng = _needed(fix.lat, "lat", 90), _needed(fix.lng, "lon", 180)
    speed, heading, accuracy = number(fix.speed), number(fix.heading_deg), number(fix.accuracy_m)
    return Ping(
        user_id=_user(fix.user_id),
        at_ms=instant_ms(fix.at),
        lat=lat,
        lng=lng,
        accuracy_m=accuracy if accuracy is not None and accuracy > 0 else None,
        speed_mps=speed * MPS[fix.speed_unit] if speed is not None and speed >= 0 else None,
        heading_deg=heading % 360 if heading is not None and heading >= 0 else None,
        mock=is_true(fix.mock),
        source=fix.source,
    )


def number(value: Any) -> float | None:
    """A finite number, also from text; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def instant_ms(value: Any) -> int:
    """Epoch milliseconds from seconds, milliseconds or ISO 8601, a date without zone being UTC. Raises Unreadable."""
    found = number(value)
    if found is not None:
        at_ms = round(found if found > LARGEST_SECONDS else found * 1000)
    else:
        try:
            instant = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise Unreadable("wrong_format", f"no instant can be read from {str(value)[:40]!r}", "timestamp") from None
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        at_ms = round(instant.timestamp() * 1000)
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise Unreadable("ts_not_milliseconds", f"{str(value)[:40]} is no instant of this century", "timestamp")
    return at_ms


def is_true(value: Any) -> bool:
    """A flag, also from text."""
    return value is True or str(value).lower() in {"true", "1", "yes"}


def _needed(value: Any, field: str, limit_deg: float) -> float:
    found = number(value)
    if found is None:
        code = "missing_field" if value is None else "wrong_type"
        raise Unreadable(code, f"{field} is no number: {str(value)[:40]!r}", field)
    if abs(found) > limit_deg:
        raise Unreadable("out_of_range", f"{field} is {found}, must be within ±{limit_deg:g}", field)
    return found


def _user(value: Any) -> str:
    text = "" if value is None or isinstance(value, bool | dict | list) else str(value)
    if not 1 <= len(text) <= MAX_USER_ID_LENGTH or not text.isprintable():
        detail = "the fix names no user; bind the source to one, or let the client send an id"
        raise Unreadable("missing_field", detail, "user_id")
    return text
