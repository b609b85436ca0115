"""What an existing client sends, and what it must hear: the values between HTTP and the adapters. Pure.

An adapter never refuses a request that was let in: what it cannot read is set aside (``Report.set_aside``) and the
client hears that all is well, because a phone that is told otherwise sends the same bytes again, some for weeks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from gateway.ingest.clients.field_map import FieldMap
from gateway.ingest.decode import Rejected
from geofences.model import Ping


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered client or fleet: its kind, and whose pings it may send.

    ``user_id`` binds every ping to one user; without it the client's own device or user id counts. ``encryption_key``
    is OwnTracks' shared secret. ``sends_geofences`` lets replies carry the nearest stores to the phone.
    """

    id: str
    kind: str
    user_id: str | None = None
    encryption_key: str | None = None
    sends_geofences: bool = False
    fields: FieldMap | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request of a client. ``query`` keeps the last of repeated names."""

    method: str = "POST"
    query: Mapping[str, str] = {}
    content_type: str = ""
    body: bytes = b""
    received_at_ms: int


class Report(msgspec.Struct, frozen=True):
    """What a call held. ``dialect`` tells the reply of clients that speak two."""

    pings: Sequence[Ping] = ()
    set_aside: Sequence[Rejected] = ()
    dialect: str = ""


class NearbyStore(msgspec.Struct, frozen=True):
    """A geofence as a phone can watch it: a circle."""

    id: str
    name: str
    lat: float
    lng: float
    radius_m: float


class Reply(msgspec.Struct, frozen=True):
    """What the client needs to hear to forget what it sent."""

    body: bytes = b""
    content_type: str = "application/json"
    status: int = 200


class Client(Protocol):
    """An adapter: a client's wire format, both ways."""

    @property
    def needs_user(self) -> bool:
        """Whether the format tells no user that could be trusted, so that a source must bind one."""
        ...

    def read(self, call: Call, source: Source) -> Report:
        """The pings of ``call``; never raises for what the client sent."""
        ...

    def reply(self, report: Report, nearby: Sequence[NearbyStore]) -> Reply:
        """The answer that lets the client go on, with the stores it should watch where it can."""
        ...
