"""API keys: shown once when made, kept as a digest, revoked by deletion."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.clock import now_ms
from gateway.store import keys
from gateway.store.connection import Connection

PREFIX: Final = "gp_"
"""Lets secret scanners and people recognise a key."""
SECRET_BYTES: Final = 32


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a key may do, and the one user it speaks for, if any. Instants are UTC epoch milliseconds; 0 is never."""

    key_id: str
    name: str
    scopes: frozenset[str]
    created_at_ms: int
    user_id: str | None = None
    expires_at_ms: int = 0


_decode = msgspec.json.Decoder(ApiKey).decode
_encode = msgspec.json.Encoder().encode


class ApiKeys:
    """Makes, verifies and revokes keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self, scopes: Iterable[str], name: str, *, user_id: str | None = None, expires_at_ms: int = 0
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is never to be had again."""
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(
            key_id=secrets.token_hex(6),
            name=name,
            scopes=frozenset(scopes),
            created_at_ms=now_ms(),
            user_id=user_id,
            expires_at_ms=expires_at_ms,
        )
        await self._connection.call("HSET", keys.API_KEYS, _digest(secret), _encode(key))
        return key, secret

    async def verify(self, secret: str) -> ApiKey | None:
        """The key of this secret; None if it is unknown, revoked or expired."""
        stored = await self._connection.call("HGET", keys.API_KEYS, _digest(secret))
        if stored is None:
            return None
        key = _decode(stored)
        return None if 0 < key.expires_at_ms <= now_ms() else key

    async def list(self) -> list[ApiKey]:
        """All keys, oldest first."""
        return sorted((key for _, key in await self._all()), key=lambda key: (key.created_at_ms, key.key_id))

    async def revoke(self, key_id: str) -> bool:
        """Make a key open nothing; False if there is none of this id."""
        digests = [digest for digest, key in await self._all() if key.key_id == key_id]
        return bool(digests) and bool(await self._connection.call("HDEL", keys.API_KEYS, *digests))

    async def _all(self) -> Iterable[tuple[bytes, ApiKey]]:
        stored = await self._connection.call("HGETALL", keys.API_KEYS)
        return [(digest, _decode(value)) for digest, value in stored.items()]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
