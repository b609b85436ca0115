"""Seals what must not lie readable on disk: the coordinates in a presence.

AES-256-GCM under a key that is never written; the user's id is bound in, so a sealed value opens for its user only.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import ConfigError

NONCE_BYTES = 12
KEY_BYTES = 32


class Seal:
    """Seals and opens under one key."""

    def __init__(self, key_hex: str | None) -> None:
        """``key_hex`` is 64 hex digits; None makes a key that dies with this process. Raises ConfigError."""
        try:
            key = os.urandom(KEY_BYTES) if key_hex is None else bytes.fromhex(key_hex)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ConfigError("fix_key must be 64 hexadecimal digits, for example from: openssl rand -hex 32")
        self._cipher = AESGCM(key)

    def close(self, plain: bytes, user_id: str) -> bytes:
        """``plain`` sealed for ``user_id``."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, user_id.encode())

    def open(self, sealed: bytes, user_id: str) -> bytes | None:
        """What was sealed; None under another key, for another user, or for other bytes."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], user_id.encode())
        except (InvalidTag, ValueError):
            return None
