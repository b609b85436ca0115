"""Documents over HTTP: their versions as ETags, conditional writes, lists a page at a time, JSON answers."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import BadRequest, PreconditionFailed

DEFAULT_PAGE = 100
"""Items of a page where the caller does not say."""
MAX_PAGE = 1000
"""Most items of a page: a thousand polygons are about a megabyte."""
MAX_ID_LENGTH = 200
"""Longest id of a document, user or device, as the importer has it: room for any URN, not for a document."""

_ETAG = re.compile(r'^(?:W/)?"(\d+)"$')
_encoder = msgspec.json.Encoder()


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """``value`` (builtins or msgspec structs) as a JSON response."""
    return web.Response(status=status, body=_encoder.encode(value), content_type="application/json", headers=headers)


def document_answer(value: Any, version: int, status: int = 200) -> web.Response:
    """A document with its version as ETag."""
    return json_answer(value, status, {"ETag": etag(version)})


def etag(version: int) -> str:
    """A version as a strong entity tag."""
    return f'"{version}"'


def expected_version(request: web.Request) -> int | None:
    """The version that this write may replace: None for any, 0 for "only if it does not exist".

    Read from If-Match and If-None-Match: * (RFC 9110). Raises PreconditionFailed for a tag that was never given out.
    """
    if request.headers.get("If-None-Match", "").strip() == "*":
        return 0
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return None
    found = _ETAG.match(wanted.strip())
    if found is None:
        raise PreconditionFailed('If-Match must be the ETag of an earlier answer, for example "7"')
    return int(found[1])


def is_unchanged(request: web.Request, version: int) -> bool:
    """Whether the caller holds this version already (If-None-Match), so that 304 answers."""
    held = request.headers.get("If-None-Match")
    return held is not None and etag(version) in (tag.strip().removeprefix("W/") for tag in held.split(","))


def page_limit(request: web.Request) -> int:
    """``limit`` of the query. Raises BadRequest outside 1 to MAX_PAGE."""
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_PAGE
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_PAGE:
        raise BadRequest(f"limit must be a whole number from 1 to {MAX_PAGE}", parameter="limit")
    return int(text)


def page_cursor(request: web.Request) -> str | None:
    """The id after which the page starts; None for the first. Raises BadRequest for a cursor we never gave."""
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        found = ""
    if not found:
        raise BadRequest("this cursor is not one of ours; start again without it", parameter="cursor")
    return found


def cursor_after(last_id: str) -> str:
    """An opaque cursor for the page after ``last_id``."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def path_id(request: web.Request, name: str) -> str:
    """The id in the path, checked: 1 to MAX_ID_LENGTH characters, none of them a control character."""
    value = request.match_info[name]
    if not 1 <= len(value) <= MAX_ID_LENGTH or not value.isprintable():
        raise BadRequest(f"{name} must have 1 to {MAX_ID_LENGTH} printable characters", parameter=name)
    return value


def flag(request: web.Request, name: str) -> bool:
    """A boolean of the query; absent is false. Raises BadRequest for anything but true and false."""
    text = request.query.get(name, "false").lower()
    if text not in {"true", "false", "1", "0", ""}:
        raise BadRequest(f"{name} must be true or false", parameter=name)
    return text in {"true", "1", ""}
