"""FCM and its OAuth token endpoint as the gateway sees them: HTTP v1 API, service account flow.

Sources: Firebase REST reference of ``projects.messages:send`` and ``ErrorCode``; RFC 7523 (JWT bearer grants).
"""

from __future__ import annotations

import json
import secrets
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.clock import now_ms
from gateway.delivery.sandbox.arrivals import Arrivals
from gateway.delivery.sandbox.http2 import Answer, Request
from gateway.delivery.sandbox.identity import CLIENT_EMAIL, PROJECT
from gateway.delivery.sandbox.tokens import Fates, google_error

MAX_PAYLOAD_BYTES: Final = 4096
ACCESS_TOKEN_LIFE_S: Final = 3599
AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""What google-auth writes into every assertion, whatever the account's ``token_uri`` is."""

SEND_PATH: Final = f"/v1/projects/{PROJECT}/messages:send"


class FcmAnswers:
    """Answers ``messages:send`` and the token endpoint, which share the access tokens."""

    def __init__(self, public_key: rsa.RSAPublicKey, arrivals: Arrivals, fates: Fates) -> None:
        """``public_key`` checks the service account's assertions."""
        self._key = public_key
        self._arrivals = arrivals
        self._fates = fates
        self._issued: dict[str, int] = {}

    def issue(self, assertion: str) -> dict[str, Any] | None:
        """An access token for a good assertion, else None."""
        try:
            claims = jwt.decode(assertion, self._key, algorithms=["RS256"], audience=AUDIENCE, issuer=CLIENT_EMAIL)
        except jwt.InvalidTokenError:
            return None
        if "firebase.messaging" not in claims.get("scope", "") and "cloud-platform" not in claims.get("scope", ""):
            return None
        token = f"sandbox.{secrets.token_urlsafe(24)}"
        self._issued[token] = now_ms() + 1000 * ACCESS_TOKEN_LIFE_S
        return {"access_token": token, "expires_in": ACCESS_TOKEN_LIFE_S, "token_type": "Bearer"}

    def __call__(self, request: Request) -> Answer:
        """The answer, after noting the arrival."""
        at_ms = now_ms()
        message, refusal = self._check(request)
        token = str(message.get("token") or message.get("fid") or "")
        fate = self._fates.of(token)
        status, code, text = refusal or (fate.fcm_status, fate.fcm_code, _TEXTS.get(fate.fcm_code, fate.fcm_code))
        shown, data = message.get("notification", {}), message.get("data", {})
        self._arrivals.add(
            "fcm", status, code, at_ms,
            token=token, push_id=str(data.get("push_id", "")), payload=message, headers={},
            title=str(shown.get("title", "")), body=str(shown.get("body", "")),
        )  # fmt: skip
        answer = Answer(status, {"content-type": "application/json"}, delay_s=fate.delay_s, resets=fate.resets)
        if status == 200:
            answer.body = json.dumps({"name": f"projects/{PROJECT}/messages/0:{at_ms}%{secrets.token_hex(8)}"}).encode()
        else:
            answer.body = json.dumps(google_error(status, code, text)).encode()
            if not refusal and fate.retry_after_s is not None:
                answer.headers["retry-after"] = str(fate.retry_after_s)
        return answer

    def _check(self, request: Request) -> tuple[dict[str, Any], tuple[int, str, str] | None]:
        """The message, and the first check that fails."""
        bearer = request.headers.get("authorization", "").partition(" ")[2]
        try:
            body = json.loads(request.body)
            message = body["message"] if isinstance(body["message"], dict) else {}
        except (ValueError, KeyError, TypeError):
            message = {}
        if self._issued.get(bearer, 0) < now_ms():
            return message, (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.path != SEND_PATH or request.method != "POST":
            return message, (404, "NOT_FOUND", "Requested entity was not found.")
        if not message.get("token") and not message.get("fid"):
            return message, (400, "INVALID_ARGUMENT", "Recipient of the message is not set.")
        size_bytes = len(json.dumps([message.get("data"), message.get("notification")], ensure_ascii=False).encode())
        if size_bytes > MAX_PAYLOAD_BYTES:
            return message, (400, "INVALID_ARGUMENT", "Android message is too big")
        return message, None


_TEXTS: Final = {
    "UNREGISTERED": "Requested entity was not found.",
    "SENDER_ID_MISMATCH": "SenderId mismatch",
    "INVALID_ARGUMENT": "The registration token is not a valid FCM registration token",
    "QUOTA_EXCEEDED": "Quota exceeded for quota metric.",
    "UNAVAILABLE": "The service is currently unavailable.",
}
