"""Sources: clients that phones already have, each let in by a key in its path. Kept as digests, like API keys."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection

SECRET_BYTES: Final = 18
"""144 bits: beyond guessing, and short enough to be typed from a screen."""


class StoredSource(msgspec.Struct, frozen=True, array_like=True):
    """A source as its room wrote it; ``body`` is JSON."""

    source_id: str
    created_at_ms: int
    body: bytes


_decode = msgspec.msgpack.Decoder(StoredSource).decode
_encode = msgspec.msgpack.Encoder().encode


class Sources:
    """Adds, finds and removes sources."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, source: StoredSource) -> str:
        """Keep a source; answers its secret, which is never to be had again."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        await self._connection.call("HSET", keys.SOURCES, _digest(secret), _encode(source))
        return secret

    async def find(self, secret: str) -> StoredSource | None:
        """The source of this secret; None if there is none."""
        stored = await self._connection.call("HGET", keys.SOURCES, _digest(secret))
        return None if stored is None else _decode(stored)

    async def list(self) -> list[StoredSource]:
        """All sources, oldest first."""
        found = (_decode(value) for value in (await self._connection.call("HGETALL", keys.SOURCES)).values())
        return sorted(found, key=lambda source: (source.created_at_ms, source.source_id))

    async def remove(self, source_id: str) -> bool:
        """Let a source in no more; False if there is none of this id."""
        stored = await self._connection.call("HGETALL", keys.SOURCES)
        gone = [digest for digest, value in stored.items() if _decode(value).source_id == source_id]
        return bool(gone) and bool(await self._connection.call("HDEL", keys.SOURCES, *gone))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
