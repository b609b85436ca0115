"""Where a request came from: over HTTPS or not, and from which address, a trusted proxy's word included."""

from __future__ import annotations

from aiohttp import web

from gateway.web.context import CONTEXT


def is_https(request: web.Request) -> bool:
    """Whether the caller speaks HTTPS, to us or to the proxy before us."""
    if request.secure:
        return True
    return _trusts_proxy(request) and request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"


def address_of(request: web.Request) -> str:
    """The caller's address: the one our proxy saw, which it adds as the last, or else the connection's."""
    seen = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if _trusts_proxy(request) else ""
    return seen or request.remote or ""


def _trusts_proxy(request: web.Request) -> bool:
    return request.app[CONTEXT].settings.trusts_proxy
