"""POST /v1/pings as express connections take it (``gateway.web.express``): the same path, the same answers.

What ``gateway.ingest.pings`` would refuse for its form or its key is left to it. Once pings are given to the intake the
answer must come from here, or they would be taken twice.
"""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import GeopushError
from gateway.ingest.decode import Decoded, decode_pings
from gateway.ingest.intake import INTAKE
from gateway.ingest.pings import Accepted, post_pings
from gateway.web.auth import DOORKEEPER, Identity
from gateway.web.context import CONTEXT
from gateway.web.express import Answer, raw_response
from gateway.web.heads import Head
from gateway.web.permissions import Permission
from gateway.web.problems import answer_for

PATH = post_pings.path
STATUS = post_pings.status

_encode = msgspec.json.Encoder().encode


class ExpressPings:
    """Answers single pings and small batches."""

    def __init__(self, app: web.Application) -> None:
        """``app`` has this room mounted."""
        context = app[CONTEXT]
        self._doorkeeper = app[DOORKEEPER]
        self._intake = app[INTAKE]
        self._metrics = context.metrics
        self._max_pings = context.settings.max_batch_pings
        self._count = context.metrics.http.labels(PATH, STATUS).inc

    def __call__(self, head: Head, body: bytes) -> Answer | Awaitable[Answer]:
        """Take the pings; None where another has to answer."""
        identity = self._doorkeeper.known(head.authorization)
        if identity is None:
            return self._identified(head, body) if head.authorization else None
        return self._take(identity, head, body)

    async def _identified(self, head: Head, body: bytes) -> Answer:
        try:
            identity = await self._doorkeeper.identify(head.authorization)
        except Exception:  # noqa: BLE001 - whatever it is, asked again it is told to the client
            return None
        answer = self._take(identity, head, body)
        return answer if answer is None or isinstance(answer, bytes) else await answer

    def _take(self, identity: Identity, head: Head, body: bytes) -> Answer | Awaitable[Answer]:
        if Permission.SEND_PINGS not in identity.permissions:
            return None
        received_at_ms = now_ms()
        try:
            decoded = decode_pings(body, head.content_type, self._max_pings, identity.user_id)
        except GeopushError:
            return None
        try:
            handled = self._intake.put(decoded.pings, received_at_ms, identity.payer) if decoded.pings else None
        except Exception as error:  # noqa: BLE001 - told to the client
            return self._refusal(error, head, received_at_ms)
        if handled is not None:
            return self._when(handled, decoded, head, received_at_ms)
        return self._accepted(decoded, received_at_ms)

    async def _when(self, handled: Awaitable[None], decoded: Decoded, head: Head, received_at_ms: int) -> bytes:
        try:
            await handled
        except Exception as error:  # noqa: BLE001 - told to the client
            return self._refusal(error, head, received_at_ms)
        return self._accepted(decoded, received_at_ms)

    def _accepted(self, decoded: Decoded, at_ms: int) -> bytes:
        self._count()
        if not decoded.rejected:
            return raw_response(STATUS, at_ms, b'{"accepted":%d,"rejected":[]}' % len(decoded.pings))
        for refused in decoded.rejected:
            self._metrics.pings_rejected.labels(refused.code).inc()
        return raw_response(STATUS, at_ms, _encode(Accepted(len(decoded.pings), decoded.rejected)))

    def _refusal(self, error: Exception, head: Head, at_ms: int) -> bytes:
        response = answer_for(error, head.request_id, PATH)
        self._metrics.http.labels(PATH, response.status).inc()
        body = response.body
        return raw_response(response.status, at_ms, body if isinstance(body, bytes) else b"", response.headers)
