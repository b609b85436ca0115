"""Stand-ins for what must not be readable: user ids as keyed hashes, push tokens as digests."""

from __future__ import annotations

import hashlib


class Pseudonyms:
    """User ids hashed under a key that all workers share and Redis keeps: equal ids give equal names, and no more."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def short(self, user_id: str) -> str:
        """Ten hexadecimal digits: enough to follow someone through a log, too few to be certain of anyone."""
        return hashlib.blake2b(user_id.encode(), key=self._key, digest_size=5).hexdigest()

    def long(self, user_id: str) -> str:
        """Thirty-two hexadecimal digits: for a key that must not collide."""
        return hashlib.blake2b(user_id.encode(), key=self._key, digest_size=16).hexdigest()


def token_digest(token: str) -> str:
    """A push token as keys name it."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]
