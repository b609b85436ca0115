"""A look at a Redis that is not our own, before anything is trusted to it."""

from __future__ import annotations

import re
from typing import Final

from gateway.errors import ConfigError, Unavailable
from gateway.logs import Log
from gateway.store.connection import Connection

OLDEST: Final = (6, 2)
"""The first with COPY, ZADD LT, LPOP with a count and XAUTOCLAIM."""

_log = Log("store")


async def inspect(connection: Connection) -> list[str]:
    """What an operator should change in it, in words; each is logged. Raises ConfigError where it is too old."""
    version = await _version(connection)
    if version < OLDEST:
        raise ConfigError(f"this Redis is {version[0]}.{version[1]}; {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    complaints = []
    if await _setting(connection, "maxmemory-policy") not in {"noeviction", ""}:
        complaints.append("maxmemory-policy is not noeviction: under pressure cooldowns would be forgotten")
    if await _setting(connection, "appendonly") == "no":
        complaints.append("appendonly is off: a restart would forget cooldowns and lose pushes that wait")
    for complaint in complaints:
        _log.warning("Redis is not set up to keep what it is given", detail=complaint)
    return complaints


async def _version(connection: Connection) -> tuple[int, int]:
    """The server's version; Valkey says the Redis version it is compatible with."""
    found = re.search(r"redis_version\W+(\d+)\.(\d+)", str(await connection.call("INFO", "server")))
    return (int(found[1]), int(found[2])) if found else OLDEST


async def _setting(connection: Connection, name: str) -> str:
    """A setting's value; "" where the server does not say, as managed ones do not."""
    try:
        said = await connection.call("CONFIG", "GET", name)
    except Unavailable:
        return ""
    return said[1].decode() if isinstance(said, list) and len(said) == 2 else ""
