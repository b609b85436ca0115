"""Flat formats told by a field map: GPSLogger, mauron85's plugin, Colota, Home Assistant, and whatever comes next.

A map names, for each value of a ping, the members that may hold it (JSON pointers into a row, or plain names), and
the unit of speed. Rows come from the query, a form, JSON or CSV. GPSLogger sends its whole CSV again at every
auto-send: the engine drops what it has had, by user and instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.ingest.clients.calls import Call, NearbyStore, Reply, Report, Source
from gateway.ingest.clients.field_map import FieldMap
from gateway.ingest.clients.rows import NotRows, Row, rows_of
from gateway.ingest.clients.values import Fix, Unreadable, ping_of
from gateway.ingest.decode import Rejected
from geofences.model import Ping

GPSLOGGER = FieldMap(
    user_id=("aid", "device_id", "id", "ser"),
    ts=("timestamp", "time", "ts", "date"),
    lat=("lat", "latitude"),
    lon=("lon", "lng", "longitude"),
    accuracy=("acc", "accuracy"),
    speed=("spd", "speed", "s"),
    heading=("dir", "bearing", "heading", "direction"),
)
"""Names of GPSLogger's own ``%ALL``, its CSV and its default URL, whose ``s`` is ``%SPD`` in m/s."""

MAURON85 = FieldMap(
    user_id=("user_id", "device_id"),
    ts=("time",),
    lat=("latitude",),
    lon=("longitude",),
    accuracy=("accuracy",),
    speed=("speed",),
    heading=("bearing",),
    mock=("isFromMockProvider",),
)

COLOTA = FieldMap(
    user_id=("device_id",),
    ts=("tst",),
    lat=("lat",),
    lon=("lon",),
    accuracy=("acc",),
    speed=("vel",),
    heading=("bear",),
)

HOME_ASSISTANT = FieldMap(
    user_id=("device_id",),
    ts=("timestamp",),
    lat=("/location/latitude",),
    lon=("/location/longitude",),
    accuracy=("/location/accuracy",),
    speed=("/location/speed",),
    heading=("/location/heading",),
)
"""The shape that Home Assistant's rest_command is set to send; its own webhook needs a handshake."""


class Mapped:
    """An adapter made of a field map; a source's own map stands before the built-in one."""

    def __init__(self, name: str, fields: FieldMap | None, *, needs_user: bool = False) -> None:
        """``name`` becomes the pings' source."""
        self.needs_user = needs_user
        self._name = name
        self._fields = fields

    def read(self, call: Call, source: Source) -> Report:
        """Every row that has a place."""
        fields = self._fields if source.fields is None else source.fields
        if fields is None:
            return Report(set_aside=[Rejected(0, "missing_field", "this source has no field map")])
        try:
            rows = _within(rows_of(call), fields.rows)
        except NotRows as error:
            return Report(set_aside=[Rejected(0, "malformed_json", str(error))])
        pings: list[Ping] = []
        set_aside: list[Rejected] = []
        for index, row in enumerate(rows):
            try:
                pings.append(self._ping(row, fields, source))
            except Unreadable as error:
                set_aside.append(error.at(index))
        return Report(pings, set_aside, dialect=fields.reply)

    def reply(self, report: Report, nearby: Sequence[NearbyStore]) -> Reply:  # noqa: ARG002 - the protocol's
        """What the map says, else an empty 200."""
        return Reply(report.dialect.encode(), "application/json" if report.dialect else "text/plain")

    def _ping(self, row: Row, fields: FieldMap, source: Source) -> Ping:
        return ping_of(
            Fix(
                user_id=source.user_id or _first(row, fields.user_id),
                at=_first(row, fields.ts),
                lat=_first(row, fields.lat),
                lng=_first(row, fields.lon),
                accuracy_m=_first(row, fields.accuracy),
                speed=_first(row, fields.speed),
                speed_unit=fields.speed_unit,
                heading_deg=_first(row, fields.heading),
                mock=_first(row, fields.mock),
                source=self._name,
            )
        )


def _within(rows: list[Row], pointer: str) -> list[Row]:
    """The rows behind ``pointer`` in each, or the rows themselves."""
    if not pointer:
        return rows
    found: list[Row] = []
    for row in rows:
        inner = _at(row, pointer)
        found += [part for part in (inner if isinstance(inner, list) else [inner]) if isinstance(part, dict)]
    return found


def _first(row: Row, names: Sequence[str]) -> Any:
    for name in names:
        value = _at(row, name) if name.startswith("/") else row.get(name)
        if value is not None and value != "":
            return value
    return None


def _at(row: Any, pointer: str) -> Any:
    """The member behind a JSON pointer (RFC 6901), or None."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(row, Mapping):
            row = row.get(name)
        elif isinstance(row, list) and name.isdigit() and int(name) < len(row):
            row = row[int(name)]
        else:
            return None
    return row
