"""Documents of users that are read, changed and written back only if nobody else did meanwhile.

A value is eight random bytes of version and the document in MessagePack. Changes are pure functions of the old
document; a lost race reads and applies them again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from gateway.errors import Conflict
from gateway.store.connection import Connection
from gateway.store.scripts import COMPARE_AND_SET

MAX_RACES: Final = 20
"""Times a lost race is run again before giving up."""
VERSION_BYTES: Final = 8
"""At the head of every value."""

D = TypeVar("D", bound=msgspec.Struct)


class Versioned(Generic[D]):
    """Documents of one type."""

    def __init__(self, connection: Connection, kind: type[D]) -> None:
        self._connection = connection
        self._decoder: msgspec.msgpack.Decoder[D] = msgspec.msgpack.Decoder(kind)
        self._encode = msgspec.msgpack.Encoder().encode

    def decode(self, stored: bytes) -> D:
        """The document of a stored value."""
        return self._decoder.decode(memoryview(stored)[VERSION_BYTES:])

    async def get(self, key: str) -> D | None:
        """The document at ``key``."""
        stored = await self._connection.call("GET", key)
        return None if stored is None else self.decode(stored)

    async def change(self, key: str, change: Callable[[D | None], D | None]) -> D | None:
        """Put ``change(document)`` in the place of the document, None for none; answers what stands now."""
        return (await self.change_many({key: change}))[key]

    async def change_many(self, changes: Mapping[str, Callable[[D | None], D | None]]) -> dict[str, D | None]:
        """Change many documents, each for itself. Raises Conflict when one is changed by too many others at once."""
        results: dict[str, D | None] = {}
        pending = list(changes)
        for _ in range(MAX_RACES):
            stored = dict(zip(pending, await self._connection.mget(pending), strict=True))
            wanted: dict[str, tuple[bytes, bytes]] = {}
            for key, value in stored.items():
                old = None if value is None else self.decode(value)
                new = results[key] = changes[key](old)
                if new != old:
                    packed = b"" if new is None else secrets.token_bytes(VERSION_BYTES) + self._encode(new)
                    wanted[key] = (b"" if value is None else value[:VERSION_BYTES], packed)
            replies = await self._connection.run_many(
                COMPARE_AND_SET, [([key], versions) for key, versions in wanted.items()]
            )
            pending = [key for key, reply in zip(wanted, replies, strict=True) if not reply]
            if not pending:
                return results
        raise Conflict("this user is being changed by too many others at once; try again")
