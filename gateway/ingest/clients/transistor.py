"""Transistor background-geolocation (Cordova, React Native, Flutter, Capacitor), and Traccar's 9.x app built on it.

A record is ``{"coords": {…}, "timestamp": ISO 8601, …}`` in metres and metres per second, -1 for unknown. It stands
alone, in an array, or under a root member (``location`` unless the app says otherwise) beside the app's own
parameters, of which ``user_id`` or ``device_id`` names the user. Any 2xx deletes what was sent; anything else keeps it
on the phone for days. The reply may carry commands: we add geofences to watch.
Read from the library's Location.d.ts and help/http.md, and Traccar's client 9.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.ingest.clients.calls import Call, NearbyStore, Reply, Report, Source
from gateway.ingest.clients.rows import NotRows, document_of
from gateway.ingest.clients.values import Fix, Unreadable, ping_of
from gateway.ingest.decode import Rejected
from geofences.model import Ping

LEAST_RADIUS_M = 200.0
"""Smaller circles are not reliable, by the library's own documentation."""

Json = Mapping[str, Any]


class Transistor:
    """The adapter."""

    needs_user = False

    def read(self, call: Call, source: Source) -> Report:
        """Every record with coordinates but samples, which the app takes while it waits for a better one."""
        try:
            document = document_of(call)
        except NotRows as error:
            return Report(set_aside=[Rejected(0, "malformed_json", str(error))])
        pings: list[Ping] = []
        set_aside: list[Rejected] = []
        for index, (record, beside) in enumerate(_records(document)):
            if record.get("sample") is True:
                continue
            try:
                pings.append(_ping(record, beside, source))
            except Unreadable as error:
                set_aside.append(error.at(index))
        return Report(pings, set_aside)

    def reply(self, report: Report, nearby: Sequence[NearbyStore]) -> Reply:  # noqa: ARG002 - the protocol's
        """Nothing, or the stores to watch."""
        if not nearby:
            return Reply(b"{}")
        fences = [
            {
                "identifier": store.id,
                "latitude": store.lat,
                "longitude": store.lng,
                "radius": max(store.radius_m, LEAST_RADIUS_M),
                "notifyOnEntry": True,
                "notifyOnExit": True,
            }
            for store in nearby
        ]
        return Reply(msgspec.json.encode({"background_geolocation": [["addGeofences", fences]]}))


def _records(document: Any) -> Iterator[tuple[Json, Json]]:
    """Each record with the parameters beside it."""
    if isinstance(document, list):
        for item in document:
            yield from _records(item)
    elif isinstance(document, dict):
        if "coords" in document:
            yield document, document
            return
        for member in document.values():
            for record in member if isinstance(member, list) else [member]:
                if isinstance(record, dict) and "coords" in record:
                    yield record, document


def _ping(record: Json, beside: Json, source: Source) -> Ping:
    coords = record["coords"]
    if not isinstance(coords, dict):
        raise Unreadable("wrong_type", "coords is no object", "coords")
    extras = record.get("extras")
    named = extras if isinstance(extras, dict) else {}
    user_id = source.user_id or beside.get("user_id") or named.get("user_id") or beside.get("device_id")
    return ping_of(
        Fix(
            user_id=user_id,
            at=record.get("timestamp"),
            lat=coords.get("latitude"),
            lng=coords.get("longitude"),
            accuracy_m=coords.get("accuracy"),
            speed=coords.get("speed"),
            heading_deg=coords.get("heading"),
            mock=record.get("mock", False),
            source="transistor",
        )
    )
