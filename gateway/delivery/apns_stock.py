"""aioapns exactly as it comes: the fallback that a change in our own transport can never break.

Its pool has no timeouts and can lose a reply for ever (docs/delivery.md lists how), so the deadline is kept here. A
request past it is taken out of its connection's book and cancelled: left there, it would be sent again when that
connection is lost, after its time; cancelled alone, it would take the connection's other requests down with it.
"""

from __future__ import annotations

import asyncio
import ssl

from aioapns import APNs, NotificationRequest
from aioapns.common import NotificationResult
from aioapns.connection import APNsTLSClientProtocol

from gateway.delivery.apns import NAME, TOKEN_REFUSALS, ApnsApp
from gateway.delivery.channel import Outcome, Status


class StockApns:
    """aioapns.APNs aimed at a host. Build it inside the running loop, one for each loop."""

    def __init__(self, app: ApnsApp, *, timeout_s: float = 10.0) -> None:
        """``timeout_s`` bounds one attempt, connecting included."""
        context = ssl.create_default_context(cafile=str(app.ca_file) if app.ca_file else None)
        context.set_alpn_protocols(["h2"])  # aioapns sets none, and servers other than Apple's insist
        self._apns = APNs(
            client_cert=str(app.certificate_file) if app.certificate_file else None,
            key=app.key_file.read_text() if app.key_file else None,
            key_id=app.key_id,
            team_id=app.team_id,
            topic=app.topic,
            ssl_context=context,
            err_func=_say_nothing,
        )
        self._apns.pool.protocol_class = type(
            "AimedProtocol", (APNsTLSClientProtocol,), {"APNS_SERVER": app.host, "APNS_PORT": app.port}
        )
        self._timeout_s = timeout_s

    async def send(self, request: NotificationRequest, *, alone: bool = False) -> NotificationResult | Outcome:  # noqa: ARG002
        """The provider's reply, or RETRY when none came in time or the connection failed. Cannot send alone."""
        task = asyncio.create_task(self._apns.send_notification(request))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout_s)
        finally:
            for connection in self._apns.pool.connections:
                connection.requests.pop(request.notification_id, None)
            task.cancel()  # which a task that has ended does not mind
        if not done:
            return Outcome(status=Status.RETRY, provider=NAME, code="timeout", is_in_doubt=True)
        try:
            result = task.result()
        except Exception as error:  # noqa: BLE001 - its own, and those of h2 and OpenSSL that leak through its pool
            return Outcome(
                status=Status.RETRY, provider=NAME, code="connection", detail=type(error).__name__, is_in_doubt=True
            )
        if result.description in TOKEN_REFUSALS:
            self._apns.pool.close()  # aioapns mints one token for each connection, and never again
        return result

    async def close(self) -> None:
        """Closes the pool."""
        self._apns.pool.close()
        await asyncio.sleep(0)


async def _say_nothing(_request: NotificationRequest, _result: NotificationResult) -> None:
    """Outcomes are counted by the sender; aioapns would log each failure with its id."""
