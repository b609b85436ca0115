"""How aiohttp is set up and run: what the rest of this room relies on, in one place for gateway and tests."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.log import server_logger

from gateway.catalog.shelf import Shelves
from gateway.logs import Log
from gateway.web.auth import DOORKEEPER, Doorkeeper, Identity, identity_of
from gateway.web.context import CONTEXT, SHELVES, Context
from gateway.web.problems import nothing_here
from gateway.web.tokens import Tokens, looks_like_token

_log = Log("http")

KEEPALIVE_S = 75.0
"""Idle seconds before a connection is closed: longer than common load balancers' 60 s, so that they close first."""
LINGER_S = 1.0
"""Seconds that the rest of a refused body is read and thrown away, so that the sender sees the answer, not a reset."""


def application(context: Context) -> web.Application:
    """An application without routes yet, with what all rooms share: the context, and who is let in.

    Raises ConfigError for a JWKS file that cannot be used.
    """
    app = web.Application()
    settings = context.settings
    tokens = None
    if settings.jwks_file is not None:
        tokens = Tokens(settings.jwks_file, issuer=settings.jwt_issuer, audience=settings.jwt_audience)

    async def verify(secret: str) -> Identity | None:
        if tokens is not None and looks_like_token(secret):
            return tokens.identify(secret)
        key = await context.store.api_keys.verify(secret)
        return None if key is None else identity_of(key)

    async def resume(token: str) -> Identity | None:
        session = await context.store.sessions.find(token)
        return None if session is None else identity_of(session[0])

    app[CONTEXT] = context
    app[SHELVES] = Shelves()
    app[DOORKEEPER] = Doorkeeper(verify, resume)
    return app


def make_runner(app: web.Application, grace_s: float = 10.0) -> web.AppRunner:
    """A runner for ``app``; ``grace_s`` is what requests in flight get when it stops.

    Call it once all routes are there: what none of them serves is answered with a problem. Bodies are unpacked by
    ``gateway.web.bodies`` within bounds, not by aiohttp; there is no access log, because paths hold user ids.
    """
    server_logger.addFilter(_quotes_nobody)
    app.router.add_route("*", "/{anything:.*}", nothing_here)
    return web.AppRunner(
        app,
        auto_decompress=False,
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        shutdown_timeout=grace_s,
    )


def _quotes_nobody(record: logging.LogRecord) -> bool:
    """Whether a line of aiohttp's may be written: of what is no HTTP it quotes all, keys and coordinates included."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    _log.debug("a request is no HTTP", reason=type(error).__name__)
    return False
