"""Where the values of a ping are in a client's flat format."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.ingest.clients.values import SpeedUnit

Names = Annotated[tuple[str, ...], Meta(max_length=16)]
"""Where a value may be, best first: a name, or a JSON pointer beginning with a slash."""


class FieldMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the values of a ping are in a row. ``rows`` points to the rows within the document, if not the document."""

    user_id: Names = ()
    ts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    lat: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    lon: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    accuracy: Names = ()
    speed: Names = ()
    speed_unit: SpeedUnit = "m/s"
    heading: Names = ()
    mock: Names = ()
    rows: Annotated[str, Meta(pattern="^(/.*)?$", max_length=200)] = ""
    reply: Annotated[str, Meta(max_length=1000)] = ""
