"""How a phone is set up for a source: the address to enter, and where the client has one a link that does it all. Pure.

Link formats: Overland's README (``overland://setup``), the OwnTracks booklet (``owntracks:///config?inline=``).
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import urlencode

import msgspec
import segno

from gateway.ingest.clients.calls import Source

HTTP_MODE = 3
"""OwnTracks' number for HTTP instead of MQTT."""


class Setup(msgspec.Struct, frozen=True):
    """The address that the client sends to; ``link`` opens the app ready to use, "" where it knows no such link.

    ``qr`` is the link, or else the address, as a QR code for a phone to read: an SVG image as a data URI.
    """

    url: str
    link: str
    hint: str
    qr: str


_HINTS = {
    "transistor": "Set config.url to the address; user_id or device_id in params names the user.",
    "traccar": "Enter the address as server URL; the device identifier names the user where the source binds none.",
    "owntracks": "Open the link on the phone, or choose mode HTTP, enter the address and allow remote commands.",
    "overland": "Open the link on the phone, or enter the address as receiver endpoint.",
    "gpslogger": "Log to custom URL: the address, method POST, HTTP body %ALL.",
    "mauron85": "Set url and syncUrl to the address; add user_id to postTemplate.",
    "colota": "Enter the address as endpoint.",
    "homeassistant": "Call the address with a rest_command; docs/clients.md has one to copy.",
    "custom": "Send to the address what the source's field map describes.",
}


def setup_of(source: Source, secret: str, origin: str) -> Setup:
    """How to set the client up; ``origin`` is where phones reach the gateway, such as https://geo.example."""
    url = f"{origin.rstrip('/')}/ingest/{secret}/{source.kind}"
    link = _link(source, url)
    qr = segno.make(link or url, error="l").svg_data_uri(scale=4, border=2, light="white")
    return Setup(url, link, _HINTS[source.kind], qr)


def _link(source: Source, url: str) -> str:
    if source.kind == "overland":
        device = {"device_id": source.user_id} if source.user_id else {"unique_id": "yes"}
        return "overland://setup?" + urlencode({"url": url, **device})
    if source.kind == "owntracks":
        settings = {
            "_type": "configuration",
            "mode": HTTP_MODE,
            "url": url,
            "auth": False,
            "username": source.user_id or "",
            "deviceId": "phone",
            "tid": (source.user_id or "me")[:2],
            "cmd": True,
            "remoteConfiguration": source.sends_geofences,
        }
        if source.encryption_key:
            settings["encryptionKey"] = source.encryption_key
        return "owntracks:///config?inline=" + _plain_base64(settings)
    return ""


def _plain_base64(document: dict[str, object]) -> str:
    """JSON in base64 without a character that links or the alphabets disagree on: no plus, slash, or equals sign.

    In ASCII only a third byte of > ~ ? or DEL makes one of the last two digits, so these are escaped; spaces fill up.
    """
    text = re.sub(r"[>~?\x7f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(document))
    return base64.b64encode((text + " " * (-len(text) % 3)).encode()).decode()
