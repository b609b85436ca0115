"""One error tree: every failure a caller can meet, with its HTTP status, stable code and advice.

Driver exceptions (Redis, aioapns, firebase-admin, shapely) are turned into these at their adapter and
never travel further. ``gateway.web.problems`` renders them as problem+json (RFC 9457).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class GeopushError(Exception):
    """Base of the tree. ``detail`` says what is wrong and what to do; it may be shown to the caller."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(
        self, detail: str, *, pointer: str | None = None, retry_after_s: int | None = None, **extra: Any
    ) -> None:
        """``pointer`` is the JSON pointer of the offending member; ``extra`` joins the problem document."""
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        self.extra = extra


class BadRequest(GeopushError):
    """The request cannot be understood: malformed JSON, wrong type, unknown parameter."""

    status, code, title = 400, "bad_request", "Bad request"


class InvalidDocument(GeopushError):
    """A document breaks its schema or its meaning. ``errors`` lists every fault with its pointer."""

    status, code, title = 422, "invalid_document", "Invalid document"

    def __init__(
        self, detail: str, *, errors: Sequence[dict[str, Any]] = (), pointer: str | None = None, **extra: Any
    ) -> None:
        """Each of ``errors``: {"pointer" or "index"/"line", "code", "detail"}."""
        super().__init__(detail, pointer=pointer, **extra)
        if errors:
            self.extra["errors"] = list(errors)


class Unauthorized(GeopushError):
    """No key, an unknown key, an expired or a revoked one."""

    status, code, title = 401, "unauthorized", "Unauthorized"


class Forbidden(GeopushError):
    """The key is good but lacks the permission; the answer names it and who has it."""

    status, code, title = 403, "forbidden", "Forbidden"


class NotFound(GeopushError):
    """Nothing has this id."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(GeopushError):
    """The change contradicts the present state (for example: the geofence is still used by an offer)."""

    status, code, title = 409, "conflict", "Conflict"


class PreconditionFailed(GeopushError):
    """If-Match named another version than the present one."""

    status, code, title = 412, "precondition_failed", "Precondition failed"


class TooLarge(GeopushError):
    """The body, or what it unpacks to, is over its limit."""

    status, code, title = 413, "too_large", "Payload too large"


class UnsupportedMediaType(GeopushError):
    """A content type or encoding this route does not read."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class TooManyRequests(GeopushError):
    """A rate limit; ``retry_after_s`` says when to come back."""

    status, code, title, retryable = 429, "too_many_requests", "Too many requests", True


class Unavailable(GeopushError):
    """Redis, or another part that is needed, does not answer now."""

    status, code, title, retryable = 503, "unavailable", "Service unavailable", True


class ConfigError(GeopushError):
    """A setting is unknown, malformed or contradicts another; raised at start, before anything listens."""

    code, title = "config_error", "Configuration error"
