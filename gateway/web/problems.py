"""The outermost layer of every request: its id, its count, and its errors as problem+json (RFC 9457).

A problem has ``type, title, status, code, detail, request_id`` and, for documents, ``pointer`` or ``errors``; ``code``
is stable and listed in docs/api.md. What nobody foresaw is logged under the request id and answered without a word
of what is inside.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from gateway.errors import GeopushError
from gateway.logs import Log
from gateway.web.context import CONTEXT

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROBLEM_TYPE = "application/problem+json"
REQUEST_ID_HEADER = "X-Request-Id"
_MAX_REQUEST_ID_LENGTH = 64

_log = Log("web")
_prefix = secrets.token_hex(4)
_sequence = itertools.count(1)


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, turn errors into problems, count the answer by route and status."""
    given = request.headers.get(REQUEST_ID_HEADER)
    request_id = _adopted(given) if given else f"{_prefix}-{next(_sequence):x}"
    try:
        response = await handler(request)
    except GeopushError as error:
        response = _refusal(error, request_id)
    except web.HTTPException as error:
        response = _routing_answer(request, error, request_id)
    except ConnectionError:
        raise
    except Exception:  # noqa: BLE001 - the last line of defence: no caller sees a traceback
        _log.error("request failed", exc_info=True, request_id=request_id, route=_route(request))
        detail = "this is our fault; the gateway's log tells more under this request_id"
        response = problem(500, "internal_error", "Internal error", detail, request_id=request_id)
    if not response.prepared:
        response.headers[REQUEST_ID_HEADER] = request_id
    request.app[CONTEXT].metrics.http.labels(_route(request), response.status).inc()
    return response


def problem(status: int, code: str, title: str, detail: str, **members: Any) -> web.Response:
    """A problem document as a response."""
    document = {"type": f"urn:geopush:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}
    body = orjson.dumps(document | members, default=str)
    return web.Response(status=status, body=body, content_type=PROBLEM_TYPE)


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


def _routing_answer(request: web.Request, error: web.HTTPException, request_id: str) -> web.StreamResponse:
    """Answer for the router: redirects as they are, unknown paths and methods as problems."""
    if error.status < 400:
        return error
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        detail = f"{request.method} is not served here; try {allowed}"
        response = problem(405, "method_not_allowed", "Method not allowed", detail, request_id=request_id)
        response.headers["Allow"] = allowed
        return response
    if isinstance(error, web.HTTPNotFound):
        detail = "nothing is served at this path; see /openapi.json"
        return problem(404, "no_such_route", "Not found", detail, request_id=request_id)
    return problem(error.status, "bad_request", error.reason, error.text or error.reason, request_id=request_id)


def _adopted(given: str) -> str:
    """The caller's request id, if it is fit to be logged and echoed."""
    if len(given) <= _MAX_REQUEST_ID_LENGTH and given.isascii() and given.isprintable():
        return given
    return f"{_prefix}-{next(_sequence):x}"


def _route(request: web.Request) -> str:
    """The route's pattern, never the path: a closed set of labels without user ids."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
