"""Overland for iOS, and whoever sends its batches (Dawarich's bare array too).

A batch is GeoJSON Features in metres and metres per second, -1 for unknown; ``current`` is the newest fix when the
backlog exceeds the batch. Visits are Features too, but tell a stay, not a fix. Anything but ``{"result":"ok"}`` makes
the app send the batch again. Read from Overland's README and GLManager.m.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.ingest.clients.calls import Call, NearbyStore, Reply, Report, Source
from gateway.ingest.clients.rows import NotRows, document_of
from gateway.ingest.clients.values import Fix, Unreadable, ping_of
from gateway.ingest.decode import Rejected
from geofences.model import Ping

OK = b'{"result":"ok"}'


class Overland:
    """The adapter."""

    needs_user = False

    def read(self, call: Call, source: Source) -> Report:
        """Every location but visits, and ``current`` with them."""
        try:
            document = document_of(call)
        except NotRows as error:
            return Report(set_aside=[Rejected(0, "malformed_json", str(error))])
        pings: list[Ping] = []
        set_aside: list[Rejected] = []
        for index, feature in enumerate(_features(document)):
            try:
                ping = _ping(feature, call, source)
            except Unreadable as error:
                set_aside.append(error.at(index))
                continue
            if ping is not None and ping not in pings[-1:]:
                pings.append(ping)
        return Report(pings, set_aside)

    def reply(self, report: Report, nearby: Sequence[NearbyStore]) -> Reply:  # noqa: ARG002 - the protocol's
        """The one answer that the app takes for success."""
        return Reply(OK)


def _features(document: Any) -> Iterator[Any]:
    if isinstance(document, list):
        yield from document
    elif isinstance(document, dict):
        locations = document.get("locations")
        if isinstance(locations, list):
            yield from locations
        if document.get("current") is not None:
            yield document["current"]


def _ping(feature: Any, call: Call, source: Source) -> Ping | None:
    """The feature's fix; None for a visit. Raises Unreadable."""
    try:
        properties, coordinates = feature["properties"], feature["geometry"]["coordinates"]
        lng, lat = coordinates[0], coordinates[1]
    except (TypeError, KeyError, IndexError):
        raise Unreadable("wrong_type", "a location is a GeoJSON Feature with a Point", "locations") from None
    if not isinstance(properties, dict):
        raise Unreadable("wrong_type", "properties is no object", "properties")
    if properties.get("action") == "visit":
        return None
    return ping_of(
        Fix(
            user_id=(
                source.user_id
                or properties.get("device_id")
                or properties.get("unique_id")
                or call.query.get("device_id")
            ),
            at=properties.get("timestamp"),
            lat=lat,
            lng=lng,
            accuracy_m=properties.get("horizontal_accuracy"),
            speed=properties.get("speed"),
            heading_deg=properties.get("course"),
            source="overland",
        )
    )
