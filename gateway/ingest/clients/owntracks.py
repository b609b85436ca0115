"""OwnTracks in HTTP mode, Android and iOS, plain or with payload encryption; and Overland's "OwnTracks" mode.

Instants are epoch seconds, speed is km/h. Every type but ``location`` and ``transition`` is acknowledged and ignored,
and so is an empty body (a friend was deleted). After any 4xx iOS throws the fix away and alarms the user, and Android
sends it again up to 100,000 times: so everything that came in with a good key is answered 200. The reply is an array,
which may tell the app to watch circles (``setWaypoints``; it needs the app's remote commands switched on).
Both apps replace a waypoint that they know, Android by ``tst``, iOS by ``rid``, and keep all others: so circles have
numbered places, which each reply fills anew, or a phone would gather more with every 500 m.
Headers X-Limit-U and X-Limit-D are no identity: iOS fills them in itself, so a source binds the user.

Overland's mode sends ``tst`` counted from 2001 and needs an object as answer, else it sends again for ever.
Read from the OwnTracks booklet, both apps' sources (Settings.m, WaypointsRepo.kt), and Overland's GLManager.m.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from gateway.ingest.clients.calls import Call, NearbyStore, Reply, Report, Source
from gateway.ingest.clients.overland import OK
from gateway.ingest.clients.rows import NotRows, document_of
from gateway.ingest.clients.values import Fix, Unreadable, number, ping_of
from gateway.ingest.decode import Rejected
from geofences.model import Ping

APPLE_EPOCH_S = 978_307_200
"""2001-01-01 in Unix seconds: where NSDate's timeIntervalSinceReferenceDate starts."""
IMPOSSIBLE_AGE_S = 20 * 365 * 86_400
"""A fix older than this was counted from 2001."""
MAX_KEY_BYTES = SecretBox.KEY_SIZE
PLACES_FROM_S = 1_000_000_000
"""``tst`` of the first place: an instant at which nobody set a waypoint of his own."""
_OVERLAND = "overland"


class OwnTracks:
    """The adapter."""

    needs_user = True

    def read(self, call: Call, source: Source) -> Report:
        """The fix of a location or transition; nothing for any other message."""
        if not call.body.strip():
            return Report()
        try:
            document = document_of(call)
            sent = document if isinstance(document, list) else [document]
            messages = [_opened(message, source.encryption_key) for message in sent]
        except (NotRows, Unreadable) as error:
            code = error.code if isinstance(error, Unreadable) else "malformed_json"
            return Report(set_aside=[Rejected(0, code, str(error))])
        pings: list[Ping] = []
        set_aside: list[Rejected] = []
        dialect = ""
        for index, message in enumerate(messages):
            if message.get("_type") not in ("location", "transition"):
                continue
            tst = number(message.get("tst"))
            if tst is not None and call.received_at_ms / 1000 - tst > IMPOSSIBLE_AGE_S:
                tst += APPLE_EPOCH_S
                dialect = _OVERLAND
            try:
                pings.append(_ping(message, tst, source))
            except Unreadable as error:
                set_aside.append(error.at(index))
        return Report(pings, set_aside, dialect)

    def reply(self, report: Report, nearby: Sequence[NearbyStore]) -> Reply:
        """An array, with the circles to watch if any; Overland's mode gets its object."""
        if report.dialect == _OVERLAND:
            return Reply(OK)
        if not nearby:
            return Reply(b"[]")
        waypoints = [
            {
                "_type": "waypoint",
                "desc": store.name.replace(":", " "),  # after a colon iOS reads the identity of a beacon
                "lat": round(store.lat, 6),
                "lon": round(store.lng, 6),
                "rad": round(store.radius_m),
                "tst": PLACES_FROM_S + place,
                "rid": f"geopush-{place}",
            }
            for place, store in enumerate(nearby)
        ]
        command = {
            "_type": "cmd",
            "action": "setWaypoints",
            "waypoints": {"_type": "waypoints", "waypoints": waypoints},
        }
        return Reply(msgspec.json.encode([command]))


def _opened(message: Any, key: str | None) -> dict[str, Any]:
    """The message, decrypted if it was encrypted (libsodium secretbox, key padded with zeros). Raises Unreadable."""
    if not isinstance(message, dict):
        raise Unreadable("wrong_type", "a message is a JSON object", "")
    if message.get("_type") != "encrypted":
        return message
    if key is None:
        raise Unreadable("encrypted", "the message is encrypted; give the source the same key as the app", "data")
    try:
        sealed = base64.b64decode(str(message.get("data")), validate=True)
        opened: Any = msgspec.json.decode(SecretBox(padded_key(key)).decrypt(sealed))
    except (binascii.Error, ValueError, CryptoError, msgspec.DecodeError):
        raise Unreadable("encrypted", "the message cannot be decrypted with the source's key", "data") from None
    return opened if isinstance(opened, dict) else {}


def padded_key(key: str) -> bytes:
    """The app's shared key as secretbox wants it: at most 32 bytes, zeros after. Raises ValueError if it is longer."""
    raw = key.encode()
    if len(raw) > MAX_KEY_BYTES:
        raise ValueError(f"an OwnTracks key has at most {MAX_KEY_BYTES} bytes")
    return raw.ljust(MAX_KEY_BYTES, b"\0")


def _ping(message: dict[str, Any], tst: float | None, source: Source) -> Ping:
    return ping_of(
        Fix(
            user_id=source.user_id,
            at=tst,
            lat=message.get("lat", 0),
            lng=message.get("lon", 0),
            accuracy_m=message.get("acc"),
            speed=message.get("vel"),
            speed_unit="km/h",
            heading_deg=message.get("cog"),
            source="owntracks",
        )
    )
