from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.errors import ConfigError
from gateway.store import inspection
from gateway.store.connection import Connection
from gateway.store.inspection import inspect


@pytest.fixture
async def pliable(connection: Connection) -> AsyncIterator[Connection]:
    """A server whose settings are put back."""
    yield connection
    await connection.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await connection.call("CONFIG", "SET", "appendonly", "yes")


async def test_a_redis_that_keeps_what_it_is_given_is_not_complained_of(connection: Connection) -> None:
    assert await inspect(connection) == []


async def test_a_redis_that_may_forget_is_complained_of(pliable: Connection) -> None:
    await pliable.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await pliable.call("CONFIG", "SET", "appendonly", "no")
    policy, appendonly = await inspect(pliable)
    assert "noeviction" in policy
    assert "appendonly" in appendonly


async def test_a_redis_that_is_too_old_is_refused(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "OLDEST", (99, 0))
    with pytest.raises(ConfigError, match="or newer is needed"):
        await inspect(connection)
