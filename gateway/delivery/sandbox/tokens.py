"""Tokens that provoke an error: what a device token's first word makes both providers answer."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec


class Fate(msgspec.Struct, frozen=True):
    """The answer of each provider, and what befalls the stream on the way."""

    apns_status: int = 200
    apns_reason: str = ""
    fcm_status: int = 200
    fcm_code: str = ""
    retry_after_s: int | None = None
    delay_s: float = 0.0
    resets: bool = False
    passes_after: int | None = None
    """How many attempts meet this fate before the token is answered 200."""


FATES: Final[dict[str, Fate]] = {
    "dead": Fate(410, "Unregistered", 404, "UNREGISTERED"),
    "alien": Fate(400, "DeviceTokenNotForTopic", 403, "SENDER_ID_MISMATCH"),
    "malformed": Fate(400, "BadDeviceToken", 400, "INVALID_ARGUMENT"),
    "busy": Fate(429, "TooManyRequests", 429, "QUOTA_EXCEEDED", retry_after_s=1),
    "down": Fate(503, "ServiceUnavailable", 503, "UNAVAILABLE"),
    "broken": Fate(500, "InternalServerError", 500, "INTERNAL"),
    "once": Fate(503, "ServiceUnavailable", 503, "UNAVAILABLE", passes_after=1),
    "unauthorized": Fate(403, "ExpiredProviderToken", 401, "UNAUTHENTICATED", passes_after=1),
    "slow": Fate(delay_s=2.0),
    "stuck": Fate(delay_s=3600.0),
    "reset": Fate(resets=True),
}

_WORD = re.compile("^(" + "|".join(FATES) + ")")
_FINE: Final = Fate()


class Fates:
    """Remembers how often a token was tried, for fates that pass."""

    def __init__(self) -> None:
        """No token was tried yet."""
        self._tried: dict[str, int] = {}

    def of(self, token: str) -> Fate:
        """What happens to this attempt for ``token``."""
        found = _WORD.match(token)
        if found is None:
            return _FINE
        fate = FATES[found[1]]
        if fate.passes_after is not None:
            tried = self._tried[token] = self._tried.get(token, 0) + 1
            return fate if tried <= fate.passes_after else _FINE
        return fate


def google_error(status: int, code: str, message: str) -> dict[str, Any]:
    """An error body of FCM's HTTP v1 API, with its FcmError detail."""
    rpc = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    rpc |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    return {"error": {"code": status, "message": message, "status": rpc[status], "details": [detail]}}
