"""API keys: shown once when made, kept as a digest, rotated with an overlap, revoked by deletion."""

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
    """What a key may do, and the one user it speaks for, if any. Instants are UTC epoch milliseconds; 0 is never.

    ``tags`` are those of the geofences that a key of store operations may touch. ``is_replaced`` marks what an older
    secret still opens after a rotation.
    """

    key_id: str
    name: str
    created_at_ms: int
    scopes: frozenset[str] = frozenset()
    role: str | None = None
    tags: frozenset[str] = frozenset()
    user_id: str | None = None
    expires_at_ms: int = 0
    rotated_at_ms: int = 0
    is_replaced: bool = False


_decode = msgspec.json.Decoder(ApiKey).decode
_encode = msgspec.json.Encoder().encode


class ApiKeys:
    """Makes, verifies, rotates and revokes keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self,
        scopes: Iterable[str],
        name: str,
        *,
        role: str | None = None,
        tags: Iterable[str] = (),
        user_id: str | None = None,
        expires_at_ms: int = 0,
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is never to be had again."""
        key = ApiKey(
            key_id=secrets.token_hex(6),
            name=name,
            created_at_ms=now_ms(),
            scopes=frozenset(scopes),
            role=role,
            tags=frozenset(tags),
            user_id=user_id,
            expires_at_ms=expires_at_ms,
        )
        secret = _new_secret()
        await self._connection.call("HSET", keys.API_KEYS, digest_of(secret), _encode(key))
        return key, secret

    async def verify(self, secret: str) -> ApiKey | None:
        """The key of this secret; None if it is unknown, revoked or expired."""
        return await self.find(digest_of(secret))

    async def find(self, digest: str) -> ApiKey | None:
        """The key whose secret has this digest; None as for ``verify``."""
        stored = await self._connection.call("HGET", keys.API_KEYS, digest)
        if stored is None:
            return None
        key = _decode(stored)
        return None if 0 < key.expires_at_ms <= now_ms() else key

    async def list(self) -> list[ApiKey]:
        """All keys, oldest first; each once, however many of its secrets still open."""
        found = {key.key_id: key for _, key in await self._all() if not key.is_replaced}
        return sorted(found.values(), key=lambda key: (key.created_at_ms, key.key_id))

    async def rotate(self, key_id: str, overlap_s: float) -> tuple[ApiKey, str] | None:
        """A new secret for a key, which stays the same key; None if there is none of this id.

        Its older secrets open for ``overlap_s`` longer, and are forgotten once they do no more.
        """
        at_ms = now_ms()
        held = {digest: key for digest, key in await self._all() if key.key_id == key_id}
        present = next((key for key in held.values() if not key.is_replaced), None)
        if present is None:
            return None
        secret, last_ms = _new_secret(), at_ms + int(overlap_s * 1000)
        rotated = msgspec.structs.replace(present, rotated_at_ms=at_ms)
        words: list[str | bytes] = [digest_of(secret), _encode(rotated)]
        gone: list[bytes] = []
        for digest, key in held.items():
            ends_ms = min(last_ms, key.expires_at_ms or last_ms)
            if ends_ms > at_ms:
                words += (digest, _encode(msgspec.structs.replace(key, expires_at_ms=ends_ms, is_replaced=True)))
            else:
                gone.append(digest)
        await self._connection.call("HSET", keys.API_KEYS, *words)
        if gone:
            await self._connection.call("HDEL", keys.API_KEYS, *gone)
        return rotated, secret

    async def revoke(self, key_id: str) -> bool:
        """Make a key open nothing, with all its secrets and sessions; False if there is none of this id."""
        digests = [digest for digest, key in await self._all() if key.key_id == key_id]
        return bool(digests) and bool(await self._connection.call("HDEL", keys.API_KEYS, *digests))

    async def _all(self) -> Iterable[tuple[bytes, ApiKey]]:
        stored = await self._connection.call("HGETALL", keys.API_KEYS)
        return [(digest, _decode(value)) for digest, value in stored.items()]


def digest_of(secret: str) -> str:
    """What is kept of a secret: it is long and random, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)
