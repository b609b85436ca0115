from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from gateway.errors import ConfigError, Unavailable
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from gateway.store.scripts import COMPARE_AND_SET
from tests.patience import PATIENCE_S, connected


async def test_a_redis_that_is_not_there_is_unavailable_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await asyncio.wait_for(Connection.open(f"unix://{tmp_path}/none.sock", connect_timeout_s=3600), PATIENCE_S)


async def test_an_address_of_another_kind_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="redis://"):
        await Connection.open("http://localhost")


async def test_a_refused_command_is_unavailable_and_says_why(connection: Connection) -> None:
    await connection.call("SET", "text", "a")
    with pytest.raises(Unavailable, match="WRONGTYPE"):
        await connection.call("LPUSH", "text", "b")


async def test_scripts_are_loaded_again_when_redis_has_forgotten_them(connection: Connection) -> None:
    await connection.call("SCRIPT", "FLUSH")
    assert await connection.run(COMPARE_AND_SET, ["one"], ["", "12345678one"]) == 1
    await connection.call("SCRIPT", "FLUSH")
    calls = [([f"many{number}"], ["", "12345678"]) for number in range(5)]
    assert await connection.run_many(COMPARE_AND_SET, calls) == [1] * 5


async def test_the_connection_recovers_by_itself_when_redis_comes_back(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    connection = await connected(server.url)
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
        assert await subscription.wait(PATIENCE_S) == b"first"
        assert await subscription.wait(0.01) is None
        await connection.call("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(Unavailable):
            await subscription.wait(PATIENCE_S)


async def hasty(url: str) -> Connection:
    """A connection whose calls have a fifth of a second, once Redis is quick enough to open it in that."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(Unavailable):
                return await Connection.open(url, command_timeout_s=0.2)


async def test_a_redis_that_hangs_is_unavailable_in_time_and_no_answer_is_taken_for_another(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    patient = await connected(server.url)
    await patient.call("MSET", *(word for name in ("a", "b", "c") for word in (name, name)))
    await patient.close()
    connection = await hasty(server.url)
    assert server.pid is not None
    for _ in range(3):
        os.kill(server.pid, signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE_S):
            hung = await asyncio.gather(
                connection.call("GET", "a"),
                connection.mget(["a", "a"]),
                connection.batch([("GET", "a"), ("GET", "a")]),
                connection.run(COMPARE_AND_SET, ["a"], ["x", "y"]),
                connection.run_many(COMPARE_AND_SET, [(["a"], ["x", "y"])] * 3),
                return_exceptions=True,
            )
        assert all(isinstance(one, Unavailable) for one in hung)
        os.kill(server.pid, signal.SIGCONT)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(Unavailable):
                    await connection.ping()
                    break
        found = await asyncio.gather(
            *(connection.mget([name] * 3) for name in ("b", "c") for _ in range(20)), return_exceptions=True
        )
        wrong = [one for one in found if not isinstance(one, Unavailable) and one not in ([b"b"] * 3, [b"c"] * 3)]
        assert wrong == []
    await connection.close()
    await server.stop()


async def test_a_cancelled_caller_leaves_nothing_behind_for_the_next(connection: Connection) -> None:
    await connection.call("MSET", "a", "a", "b", "b")
    for delay_s in (0.0, 0.0001, 0.0003, 0.001):
        for _ in range(20):
            task = asyncio.create_task(connection.batch([("GET", "a")] * 50))
            await asyncio.sleep(delay_s)
            task.cancel()
            assert await connection.mget(["b", "b"]) == [b"b", b"b"]
            await asyncio.gather(task, return_exceptions=True)
