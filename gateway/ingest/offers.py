"""In-app offers on the way back: for an app in the foreground that asks for them with its pings.

Only who asks is looked up, so that the ping path stays free of it. An offer that this very ping brings about is laid
into the inbox by the sender a few milliseconds later: it comes with the next answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import BadRequest
from gateway.store.inbox import Inbox
from geofences.model import Ping

MAX_USERS = 100
"""Most users of one request whose inboxes are looked at: a phone sends for one, a relay for its passengers."""


def wants_offers(request: web.Request) -> bool:
    """Whether the query asks for offers. Raises BadRequest for a value that is neither true nor false."""
    text = request.query.get("offers", "false")
    if text not in {"true", "false"}:
        raise BadRequest("offers must be true or false", parameter="offers")
    return text == "true"


async def waiting_for(inbox: Inbox, pings: Iterable[Ping]) -> list[msgspec.Raw]:
    """The offers, as JSON, that wait for the users of these pings."""
    users = list(dict.fromkeys(ping.user_id for ping in pings))[:MAX_USERS]
    waiting = await inbox.waiting(users, now_ms())
    return [msgspec.Raw(document) for documents in waiting.values() for document in documents]
