"""The clients that phones already have: their bytes to pings, and the replies they need. Pure."""

from __future__ import annotations

from gateway.ingest.clients.calls import Client
from gateway.ingest.clients.fields import COLOTA, GPSLOGGER, HOME_ASSISTANT, MAURON85, Mapped
from gateway.ingest.clients.overland import Overland
from gateway.ingest.clients.owntracks import OwnTracks
from gateway.ingest.clients.traccar import Traccar
from gateway.ingest.clients.transistor import Transistor

CLIENTS: dict[str, Client] = {
    "transistor": Transistor(),
    "traccar": Traccar(),
    "owntracks": OwnTracks(),
    "overland": Overland(),
    "gpslogger": Mapped("gpslogger", GPSLOGGER),
    "mauron85": Mapped("mauron85", MAURON85),
    "colota": Mapped("colota", COLOTA),
    "homeassistant": Mapped("homeassistant", HOME_ASSISTANT),
    "custom": Mapped("custom", None),
}
"""Every client by the name that stands in its path."""
