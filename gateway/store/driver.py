"""The driver's own connections, which make, secure and log in a socket, with what the gateway needs of them besides."""

from __future__ import annotations

import asyncio
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError


class DriverConnection(AbstractConnection):
    """What every connection of an adapted pool can do."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Pack in C: a read of every outbox stream is hundreds of words, and Python takes 0.5 µs for each."""
        return [hiredis.pack_command(args)]

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.StreamWriter:
        """Give the connected socket to ``protocol`` for good. Raises the driver's ConnectionError where it is closed.

        Its log-in has been answered and nothing else was asked, so no byte is under way.
        """
        reader, writer = self._reader, self._writer
        if reader is None or writer is None or reader.at_eof():
            raise RedisConnectionError("the server closed the connection")
        self._reader = self._writer = None
        writer.transport.set_protocol(protocol)
        return writer


def adapt(pool: ConnectionPool) -> None:
    """Have ``pool`` make connections of this kind."""
    plain: type[AbstractConnection] = pool.connection_class
    pool.connection_class = type(plain.__name__, (DriverConnection, plain), {})
