"""How many frames of a streaming session were taken, for a client that comes back to another worker."""

from __future__ import annotations

from typing import Final

from gateway.store import keys
from gateway.store.connection import Connection

KEPT_S: Final = 3600
"""How long a lost connection may be resumed: longer than any tunnel, and a phone's queue starts anew after that."""


class StreamSessions:
    """Written when a connection ends, read when it is resumed; nothing while it lasts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def recall(self, session: str) -> int:
        """Frames taken; 0 of a session that is unknown or too old."""
        return int(await self._connection.call("GET", keys.stream_session(session)) or 0)

    async def remember(self, session: str, frames: int) -> None:
        """Keep the number for whoever resumes."""
        await self._connection.call("SET", keys.stream_session(session), frames, "EX", KEPT_S)
