"""APNs as the gateway sees it: the checks Apple makes, in Apple's words.

Sources: Apple, "Sending notification requests to APNs", "Establishing a token-based connection to APNs",
"Handling notification responses from APNs".
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.clock import now_ms
from gateway.delivery.sandbox.arrivals import Arrivals
from gateway.delivery.sandbox.http2 import Answer, Request
from gateway.delivery.sandbox.identity import KEY_ID, TEAM_ID, TOPIC
from gateway.delivery.sandbox.tokens import Fates

MAX_PAYLOAD_BYTES: Final = 4096
MAX_TOKEN_AGE_S: Final = 3600
_PUSH_TYPES: Final = frozenset(
    {"alert", "background", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity", "pushtotalk"}
)


class ApnsAnswers:
    """Answers ``POST /3/device/{token}``."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, arrivals: Arrivals, fates: Fates) -> None:
        """``public_key`` checks provider tokens."""
        self._key = public_key
        self._arrivals = arrivals
        self._fates = fates
        self._known: dict[str, int] = {}

    def __call__(self, request: Request) -> Answer:
        """The answer, after noting the arrival."""
        at_ms = now_ms()
        token = request.path.removeprefix("/3/device/")
        apns_id = request.headers.get("apns-id") or str(uuid.uuid4())
        payload, refusal = self._check(request, apns_id)
        fate = self._fates.of(token)
        status, reason = refusal or (fate.apns_status, fate.apns_reason)
        alert = payload.get("aps", {}).get("alert", {})
        self._arrivals.add(
            "apns", status, reason, at_ms,
            token=token, push_id=str(payload.get("push_id", "")), payload=payload,
            title=str(alert.get("title", "")), body=str(alert.get("body", "")),
            headers={name: value for name, value in request.headers.items() if name.startswith("apns-")},
        )  # fmt: skip
        answer = Answer(status, {"apns-id": apns_id}, delay_s=fate.delay_s, resets=fate.resets)
        if status != 200:
            error = {"reason": reason} | ({"timestamp": at_ms} if status == 410 else {})
            answer.body = json.dumps(error).encode()
            answer.headers["content-type"] = "application/json"
            if not refusal and fate.retry_after_s is not None:
                answer.headers["retry-after"] = str(fate.retry_after_s)
        return answer

    def _check(self, request: Request, apns_id: str) -> tuple[dict[str, Any], tuple[int, str] | None]:
        """The payload, and the status and reason of the first check that fails."""
        payload: dict[str, Any] = {}
        try:
            decoded = json.loads(request.body or b"{}")
            payload = decoded if isinstance(decoded, dict) else {}
            is_json = isinstance(decoded, dict)
        except ValueError:
            is_json = False
        headers = request.headers
        checks = (
            (request.path.startswith("/3/device/"), 404, "BadPath"),
            (request.method == "POST", 405, "MethodNotAllowed"),
            (len(request.path) > len("/3/device/"), 400, "MissingDeviceToken"),
            (_is_uuid(apns_id), 400, "BadMessageId"),
            ("apns-topic" in headers, 400, "MissingTopic"),
            (headers.get("apns-topic") == TOPIC, 400, "TopicDisallowed"),
            (headers.get("apns-priority", "10") in {"1", "5", "10"}, 400, "BadPriority"),
            (headers.get("apns-expiration", "0").isdigit(), 400, "BadExpirationDate"),
            (len(headers.get("apns-collapse-id", "").encode()) <= 64, 400, "BadCollapseId"),
            (headers.get("apns-push-type", "alert") in _PUSH_TYPES, 400, "InvalidPushType"),
            (bool(request.body), 400, "PayloadEmpty"),
            (len(request.body) <= MAX_PAYLOAD_BYTES, 413, "PayloadTooLarge"),
            (is_json and "aps" in payload, 400, "BadPayload"),
        )
        failed = next(((status, reason) for passed, status, reason in checks if not passed), None)
        return payload, self._refuse_token(headers.get("authorization", "")) or failed

    def _refuse_token(self, authorization: str) -> tuple[int, str] | None:
        """Why the provider token is not good, or None. A signature is checked once."""
        token = authorization.partition(" ")[2]
        if not token:
            return 403, "MissingProviderToken"
        if token not in self._known:
            try:
                claims = jwt.decode(
                    token, self._key, algorithms=["ES256"], issuer=TEAM_ID,
                    options={"require": ["iss", "iat"], "verify_iat": False},
                )  # fmt: skip
                is_ours = jwt.get_unverified_header(token).get("kid") == KEY_ID
            except jwt.InvalidTokenError:
                is_ours = False
            if not is_ours:
                return 403, "InvalidProviderToken"
            self._known[token] = int(claims["iat"])
        age_s = now_ms() / 1000 - self._known[token]
        return None if -60 <= age_s <= MAX_TOKEN_AGE_S else (403, "ExpiredProviderToken")


def _is_uuid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
