"""Offers that wait in the app rather than on the lock screen: per user, until seen or stale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Connection

KEPT_MS: Final = 28 * 86_400_000
"""Longest life of a message, and so of an inbox after the last one came."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, bytes]).decode


class Inbox:
    """One small hash per user who has something waiting."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions

    async def put(self, user_id: str, push_id: str, document: bytes, expires_at_ms: int) -> None:
        """Let ``document`` wait; put again it is replaced."""
        key = self._key(user_id)
        await self._connection.batch(
            [("HSET", key, push_id, _encode((expires_at_ms, document))), ("PEXPIRE", key, KEPT_MS)]
        )

    async def waiting(self, user_ids: Sequence[str], at_ms: int) -> dict[str, list[bytes]]:
        """What waits for these users and is not stale; who has nothing is missing."""
        replies = await self._connection.batch([("HGETALL", self._key(user_id)) for user_id in user_ids])
        found: dict[str, list[bytes]] = {}
        stale: list[tuple[str, str, bytes]] = []
        for user_id, reply in zip(user_ids, replies, strict=True):
            for push_id, value in reply.items():
                expires_at_ms, document = _decode(value)
                if at_ms < expires_at_ms:
                    found.setdefault(user_id, []).append(document)
                else:
                    stale.append(("HDEL", self._key(user_id), push_id))
        if stale:
            await self._connection.batch(stale)
        return found

    async def seen(self, user_id: str, push_id: str) -> bool:
        """Take one out, because it was seen; False if it was not waiting (any more)."""
        return bool(await self._connection.call("HDEL", self._key(user_id), push_id))

    def _key(self, user_id: str) -> str:
        return keys.inbox(keys.partition_of(user_id, self._partitions), user_id)


def waiting_document(stored: bytes) -> bytes:
    """The document of a stored value, stale or not."""
    return _decode(stored)[1]
