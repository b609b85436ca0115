from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.errors import ConfigError, Unavailable
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from gateway.store.scripts import COMPARE_AND_SET


async def test_a_redis_that_is_not_there_is_unavailable_quickly(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await Connection.open(f"unix://{tmp_path}/none.sock", connect_timeout_s=0.2)
    assert time.monotonic() - began < 2


async def test_an_address_of_another_kind_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="redis://"):
        await Connection.open("http://localhost")


async def test_a_refused_command_is_unavailable_and_says_why(connection: Connection) -> None:
    await connection.call("SET", "text", "a")
    with pytest.raises(Unavailable, match="WRONGTYPE"):
        await connection.call("LPUSH", "text", "b")


async def test_scripts_are_loaded_again_when_redis_has_forgotten_them(connection: Connection) -> None:
    await connection.call("SCRIPT", "FLUSH")
    assert await connection.run(COMPARE_AND_SET, ["one"], ["", "12345678one", 0]) == 1
    await connection.call("SCRIPT", "FLUSH")
    calls = [([f"many{number}"], ["", "12345678", 0]) for number in range(5)]
    assert await connection.run_many(COMPARE_AND_SET, calls) == [1] * 5


async def test_the_connection_recovers_by_itself_when_redis_comes_back(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    connection = await Connection.open(server.url)
    await connection.call("SET", "kept", "yes")
    await server.stop()
    with pytest.raises(Unavailable):
        await connection.ping()
    server = await EmbeddedRedis.start(tmp_path)
    assert await connection.call("GET", "kept") == b"yes"
    await connection.close()
    await server.stop()


async def test_a_lost_subscription_says_so(connection: Connection) -> None:
    async with connection.subscribe("news") as subscription:
        await connection.call("PUBLISH", "news", "first")
        assert await subscription.wait(2) == b"first"
        assert await subscription.wait(0.01) is None
        await connection.call("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(Unavailable):
            await subscription.wait(2)
