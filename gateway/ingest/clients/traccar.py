"""Traccar Client and the OsmAnd protocol: named values in the query, a form or flat JSON; and Traccar's 9.x JSON.

Speed is in knots there, except in the nested JSON of 9.x, which is Transistor's. An accuracy of 0 is what the old
Android app sends for any GPS fix: it means unknown. Heartbeats lack a position and are no fault. Any 2xx lets the app
go on; anything else is sent again. Read from Traccar's OsmAndProtocolDecoder and its clients' sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.ingest.clients.calls import Call, NearbyStore, Reply, Report, Source
from gateway.ingest.clients.rows import NotRows, rows_of
from gateway.ingest.clients.transistor import Transistor
from gateway.ingest.clients.values import Fix, Unreadable, ping_of
from gateway.ingest.decode import Rejected
from geofences.model import Ping

_transistor = Transistor()


class Traccar:
    """The adapter."""

    needs_user = False

    def read(self, call: Call, source: Source) -> Report:
        """Every row that has a position."""
        try:
            rows = rows_of(call)
        except NotRows as error:
            return Report(set_aside=[Rejected(0, "malformed_json", str(error))])
        if any("location" in row and isinstance(row["location"], dict) for row in rows):
            return _transistor.read(call, source)
        pings: list[Ping] = []
        set_aside: list[Rejected] = []
        for index, row in enumerate(rows):
            place = _place(row)
            if place is None:
                continue
            try:
                pings.append(_ping(row, place, source))
            except Unreadable as error:
                set_aside.append(error.at(index))
        return Report(pings, set_aside)

    def reply(self, report: Report, nearby: Sequence[NearbyStore]) -> Reply:  # noqa: ARG002 - the protocol's
        """An empty 200."""
        return Reply(content_type="text/plain")


def _place(row: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Latitude and longitude as sent; None for a heartbeat or a push token."""
    if "lat" in row or "lon" in row:
        return row.get("lat"), row.get("lon")
    lat, comma, lng = str(row.get("location", "")).partition(",")
    return (lat, lng) if comma else None


def _ping(row: Mapping[str, Any], place: tuple[Any, Any], source: Source) -> Ping:
    return ping_of(
        Fix(
            user_id=source.user_id or row.get("id") or row.get("deviceid"),
            at=row.get("timestamp"),
            lat=place[0],
            lng=place[1],
            accuracy_m=row.get("accuracy"),
            speed=row.get("speed"),
            speed_unit="knots",
            heading_deg=row.get("bearing", row.get("heading")),
            mock=row.get("mock", False),
            source="traccar",
        )
    )
