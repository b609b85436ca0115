"""Errors as problem+json (RFC 9457).

A problem has ``type, title, status, code, detail, request_id`` and, for documents, ``pointer`` or ``errors``; ``code``
is stable and listed in docs/api.md. What nobody foresaw is logged under the request id and answered without a word
of what is inside.
"""

from __future__ import annotations

import itertools
import secrets
from typing import Any

import orjson
from aiohttp import web

from gateway.errors import GeopushError
from gateway.logs import Log

PROBLEM_TYPE = "application/problem+json"
REQUEST_ID_HEADER = "X-Request-Id"
_MAX_REQUEST_ID_LENGTH = 64

_log = Log("web")
_prefix = secrets.token_hex(4)
_sequence = itertools.count(1)


def answer_for(error: Exception, given_id: str, route: str) -> web.Response:
    """The response to a request that ended in ``error``.

    ``given_id`` is its own request id, "" for none; ``route`` is its pattern, fit for a log.
    """
    request_id = _request_id(given_id)
    if isinstance(error, GeopushError):
        response = _refusal(error, request_id)
    elif isinstance(error, web.HTTPException):
        if error.status < 400:
            return error
        response = problem(error.status, "bad_request", error.reason, error.text or error.reason, request_id=request_id)
    else:
        _log.error("request failed", exc_info=True, request_id=request_id, route=route)
        detail = "this is our fault; the gateway's log tells more under this request_id"
        response = problem(500, "internal_error", "Internal error", detail, request_id=request_id)
    response.headers[REQUEST_ID_HEADER] = request_id
    return response


def problem(status: int, code: str, title: str, detail: str, **members: Any) -> web.Response:
    """A problem document as a response."""
    document = {"type": f"urn:geopush:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}
    body = orjson.dumps(document | members, default=str)
    return web.Response(status=status, body=body, content_type=PROBLEM_TYPE)


async def nothing_here(request: web.Request) -> web.StreamResponse:
    """Answer for every path that no route serves, or not by this method."""
    request_id = _request_id(request.headers.get(REQUEST_ID_HEADER, ""))
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            allowed |= (await resource.resolve(request))[1]
    if allowed:
        methods = ", ".join(sorted(allowed))
        detail = f"{request.method} is not served here; try {methods}"
        response = problem(405, "method_not_allowed", "Method not allowed", detail, request_id=request_id)
        response.headers["Allow"] = methods
    else:
        detail = "nothing is served at this path; see /openapi.json"
        response = problem(404, "no_such_route", "Not found", detail, request_id=request_id)
    response.headers[REQUEST_ID_HEADER] = request_id
    return response


def _request_id(given: str) -> str:
    """The caller's own request id if it is fit to be logged and echoed, else one of ours."""
    if 0 < len(given) <= _MAX_REQUEST_ID_LENGTH and given.isascii() and given.isprintable():
        return given
    return f"{_prefix}-{next(_sequence):x}"


def _refusal(error: GeopushError, request_id: str) -> web.Response:
    members = dict(error.extra)
    if error.pointer is not None:
        members["pointer"] = error.pointer
    response = problem(error.status, error.code, error.title, error.detail, request_id=request_id, **members)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == web.HTTPUnauthorized.status_code:
        response.headers["WWW-Authenticate"] = 'Bearer realm="geopush"'
    return response
