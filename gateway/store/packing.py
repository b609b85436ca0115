"""Commands packed in C: the driver's asyncio connections pack them in Python, at half the cost of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool


def pack_in_c(pool: ConnectionPool) -> None:
    """Have the connections that ``pool`` will make pack their commands with hiredis."""
    plain: type[AbstractConnection] = pool.connection_class

    class Packing(plain):  # type: ignore[misc, valid-type]
        def pack_command(self, *args: Any) -> list[bytes]:
            return [hiredis.pack_command(args)]

        def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
            return [b"".join(hiredis.pack_command(tuple(command)) for command in commands)]

    Packing.__name__ = plain.__name__
    pool.connection_class = Packing
