"""Stand-ins for what must not be readable: user ids as keyed hashes or sealed, push tokens as digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12
"""What AES-GCM is defined for (NIST SP 800-38D)."""


class Pseudonyms:
    """User ids hidden under a key that all workers share and Redis keeps."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = AESGCM(hashlib.blake2b(b"seal", key=key, digest_size=32).digest())

    def short(self, user_id: str) -> str:
        """Ten hexadecimal digits: enough to follow someone through a log, too few to be certain of anyone."""
        return hashlib.blake2b(user_id.encode(), key=self._key, digest_size=5).hexdigest()

    def long(self, user_id: str) -> str:
        """Thirty-two hexadecimal digits: for a key that must not collide."""
        return hashlib.blake2b(user_id.encode(), key=self._key, digest_size=16).hexdigest()

    def seal(self, text: str) -> str:
        """``text`` as a word for URLs that only ``unseal`` can read; another one each time."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), None)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def unseal(self, word: str) -> str | None:
        """What was sealed; None for any other word."""
        try:
            sealed = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None).decode()
        except (InvalidTag, ValueError, binascii.Error):
            return None


def token_digest(token: str) -> str:
    """A push token as keys name it."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]
