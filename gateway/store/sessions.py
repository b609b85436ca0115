"""Sessions of the console: opened with an API key, kept as a digest, ended by silence, by age, or with their key.

A session points to the very secret it was opened with, so that revoking a key, letting it expire or rotating it ends
its sessions without a list of them.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from gateway.clock import now_ms
from gateway.store import keys
from gateway.store.api_keys import ApiKey, ApiKeys, digest_of
from gateway.store.connection import Connection

TOKEN_BYTES: Final = 32
ATTEMPT_WINDOW_S: Final = 60
"""Failed attempts to sign in are counted by the minute."""


class _Session(msgspec.Struct, frozen=True, array_like=True):
    key_digest: str
    ends_at_ms: int


_decode = msgspec.json.Decoder(_Session).decode
_encode = msgspec.json.Encoder().encode


class Sessions:
    """Opens, finds and closes sessions."""

    def __init__(self, connection: Connection, api_keys: ApiKeys, *, idle_s: float, longest_s: float) -> None:
        """A session ends ``idle_s`` after its last use, and ``longest_s`` after it was opened at the latest."""
        self._connection = connection
        self._api_keys = api_keys
        self._idle_ms = int(idle_s * 1000)
        self._longest_ms = int(longest_s * 1000)

    async def open(self, secret: str) -> tuple[str, int]:
        """A session of the key of this secret: its own secret, and the instant it ends at the latest."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        ends_at_ms = now_ms() + self._longest_ms
        session = _encode(_Session(digest_of(secret), ends_at_ms))
        lives_ms = min(self._idle_ms, self._longest_ms)
        await self._connection.call("SET", keys.session(digest_of(token)), session, "PX", lives_ms)
        return token, ends_at_ms

    async def find(self, token: str) -> tuple[ApiKey, int] | None:
        """Whose session it is and when it ends at the latest; None once it has ended. Using it keeps it alive."""
        name = keys.session(digest_of(token))
        stored = await self._connection.call("GET", name)
        if stored is None:
            return None
        session = _decode(stored)
        left_ms = session.ends_at_ms - now_ms()
        key = await self._api_keys.find(session.key_digest) if left_ms > 0 else None
        if key is None:
            await self._connection.call("DEL", name)
            return None
        await self._connection.call("PEXPIRE", name, min(left_ms, self._idle_ms))
        return key, session.ends_at_ms

    async def close(self, token: str) -> None:
        """End a session."""
        await self._connection.call("DEL", keys.session(digest_of(token)))

    async def failed(self, place: str) -> int:
        """How often signing in has failed from ``place`` (an address as a pseudonym) within this minute."""
        return int(await self._connection.call("GET", self._attempts(place)) or 0)

    async def fail(self, place: str) -> None:
        """Count one more."""
        name = self._attempts(place)
        await self._connection.batch([("INCR", name), ("EXPIRE", name, ATTEMPT_WINDOW_S)])

    @staticmethod
    def _attempts(place: str) -> str:
        return keys.sign_in_attempts(place, now_ms() // (ATTEMPT_WINDOW_S * 1000))
