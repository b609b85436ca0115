"""Calls that share wires: each gets his own replies, whatever becomes of the others, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.delivery.sandbox import identity
from gateway.errors import Unavailable
from gateway.store import wires
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from gateway.store.scripts import COMPARE_AND_SET
from tests.patience import PATIENCE_S, connected, until

MORE_THAN_A_READ = 3_000_000
HELD_UP_S = 20 * wires.HELD_UP_S


@pytest.fixture
async def other(redis_url: str) -> AsyncIterator[Connection]:
    """Another worker's connection."""
    other = await connected(redis_url)
    yield other
    await other.close()


async def kill_wires(other: Connection) -> None:
    """Have Redis close every connection but the one that asks."""
    await other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def test_hundreds_of_callers_each_get_their_own_replies_in_order(connection: Connection) -> None:
    rng = random.Random(1)
    await connection.call("MSET", *(word for number in range(50) for word in (f"k{number}", f"v{number}")))

    async def caller() -> None:
        for _ in range(20):
            wanted = [rng.randrange(50) for _ in range(rng.choice([1, 1, 2, 40]))]
            names, values = [f"k{number}" for number in wanted], [b"v%d" % number for number in wanted]
            asked = [
                connection.mget(names),
                connection.batch([("GET", name) for name in names]),
                connection.run_many(COMPARE_AND_SET, [([name], ["is not", "x", 0]) for name in names]),
                connection.call("GET", names[0]),
            ]
            task = asyncio.ensure_future(asked[kind := rng.randrange(4)])
            for unasked in asked[:kind] + asked[kind + 1 :]:
                unasked.close()
            if rng.random() < 0.1:
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            else:
                assert await task == (values, values, [0] * len(wanted), values[0])[kind]

    await asyncio.gather(*(caller() for _ in range(300)))


async def test_a_refused_call_says_why_to_its_caller_alone(connection: Connection) -> None:
    await connection.call("SET", "text", "a")
    replies = await asyncio.gather(
        connection.call("GET", "text"),
        connection.call("LPUSH", "text", "b"),
        connection.batch([("GET", "text"), ("LPUSH", "text", "b"), ("SET", "after", "done")]),
        connection.call("EVAL", "return redis.error_reply('OWN words')", 0),
        connection.call("GET", "text"),
        return_exceptions=True,
    )
    wrong_type = "Redis refused a command: WRONGTYPE Operation against a key holding the wrong kind of value"
    assert [str(reply) if isinstance(reply, Unavailable) else reply for reply in replies] == [
        b"a",
        wrong_type,
        wrong_type,
        "Redis refused a command: OWN words",
        b"a",
    ]
    assert await connection.call("GET", "after") == b"done"


async def test_replies_have_the_shape_that_the_driver_gives_them(connection: Connection) -> None:
    await connection.batch([("HSET", "hash", "a", 1), ("XADD", "stream", "1-1", "b", 2)])
    assert await connection.batch([("HGETALL", "hash"), ("XRANGE", "stream", "-", "+"), ("GET", "none")]) == [
        {b"a": b"1"},
        [(b"1-1", {b"b": b"2"})],
        None,
    ]
    assert await connection.batch([]) == []


async def test_a_forgotten_script_is_loaded_again_for_all_who_ask_at_once(connection: Connection) -> None:
    await connection.call("SCRIPT", "FLUSH")
    asked = [connection.run(COMPARE_AND_SET, [f"one{n}"], ["", "12345678", 0]) for n in range(20)]
    many = [([f"many{n}"], ["", "12345678", 0]) for n in range(20)]
    replies = await asyncio.gather(connection.run_many(COMPARE_AND_SET, many), *asked)
    assert replies == [[1] * 20, *[1] * 20]


async def test_who_gives_up_shifts_no_replies(connection: Connection, other: Connection) -> None:
    await connection.call("SET", "a", "a")
    waiting = asyncio.create_task(connection.call("BLPOP", "queue", 20))
    behind = [asyncio.create_task(connection.call("GET", "a")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting.cancel()
    behind[1].cancel()
    await asyncio.gather(waiting, behind[1], return_exceptions=True)
    await other.call("LPUSH", "queue", "for nobody")
    assert await behind[0] == await behind[2] == b"a"


async def test_a_slow_call_holds_nobody_up_who_comes_later(connection: Connection) -> None:
    await connection.call("SET", "a", "a")
    slow = asyncio.create_task(connection.call("BLPOP", "queue", 20))
    await asyncio.sleep(HELD_UP_S)
    assert await connection.call("GET", "a") == b"a"
    assert not slow.done()
    await connection.call("LPUSH", "queue", "item")
    assert await slow == (b"queue", b"item")


async def test_a_large_request_shares_its_wire_with_nobody(connection: Connection) -> None:
    slow = asyncio.create_task(connection.batch([("BLPOP", "queue", 20), ("SET", "large", b"x" * MORE_THAN_A_READ)]))
    await asyncio.sleep(0)
    assert await connection.call("GET", "large") is None
    assert not slow.done()
    await connection.call("LPUSH", "queue", "item")
    assert await slow == [(b"queue", b"item"), True]


async def test_replies_larger_than_any_read_arrive_whole_beside_small_ones(connection: Connection) -> None:
    large = bytes(range(256)) * (MORE_THAN_A_READ // 256)
    await connection.call("MSET", "large", large, "small", "s")
    for _ in range(5):
        replies = await asyncio.gather(
            *(connection.mget([name] * count) for name, count in (("small", 1), ("large", 3), ("small", 2)) * 5)
        )
        assert replies == [[b"s"], [large] * 3, [b"s"] * 2] * 5


async def test_calls_on_idle_wires_that_redis_closed_do_not_fail(connection: Connection, other: Connection) -> None:
    for _ in range(20):
        await asyncio.gather(*(connection.call("PING") for _ in range(5)))
        await kill_wires(other)
        await asyncio.gather(*(connection.call("PING") for _ in range(5)))


async def test_what_waits_on_a_wire_that_redis_closes_is_asked_once_more_and_no_more(
    connection: Connection, other: Connection
) -> None:
    waiting = asyncio.create_task(connection.batch([("INCR", "tries"), ("BLPOP", "queue", 20), ("PING",)]))
    await until_tries(other, 1)
    await kill_wires(other)
    await until_tries(other, 2)
    await other.call("LPUSH", "queue", "item")
    assert await waiting == [2, (b"queue", b"item"), True]

    waiting = asyncio.create_task(connection.batch([("INCR", "tries"), ("BLPOP", "queue", 20)]))
    for tries in (3, 4):
        await until_tries(other, tries)
        await kill_wires(other)
    with pytest.raises(Unavailable, match="does not answer"):
        await waiting
    assert await connection.call("GET", "tries") == b"4"


async def until_tries(other: Connection, tries: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await other.call("GET", "tries") != b"%d" % tries:
            await asyncio.sleep(0.002)


async def test_an_overdue_call_is_told_with_all_on_its_wire_and_the_rest_go_on(
    redis_url: str, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires, "HELD_UP_S", 0.5)
    await other.batch([("FLUSHALL",), ("SET", "a", "a")])
    connection = await Connection.open(redis_url, command_timeout_s=3)
    overdue = [asyncio.create_task(connection.call(*command)) for command in (("BLPOP", "queue", 20), ("GET", "a"))]
    for told in await asyncio.gather(*overdue, return_exceptions=True):
        assert isinstance(told, Unavailable)
        assert await connection.call("GET", "a") == b"a"
    await connection.close()


async def test_calls_in_flight_fail_when_the_connection_is_closed_and_so_do_later_ones(redis_url: str) -> None:
    connection = await connected(redis_url)
    in_flight = [asyncio.create_task(connection.call("BLPOP", f"queue{n}", 20)) for n in range(3)]
    await asyncio.sleep(HELD_UP_S)
    opening = asyncio.create_task(connection.call("PING"))
    await asyncio.sleep(0)
    await connection.close()
    for reply in await asyncio.gather(*in_flight, opening, connection.call("PING"), return_exceptions=True):
        assert isinstance(reply, Unavailable)
    await connection.close()


async def test_no_more_wait_than_can_be_served(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "MAX_WIRES", 2)
    monkeypatch.setattr(wires, "MAX_WAITING", 3)
    connection = await connected(redis_url)
    waiting = [asyncio.create_task(connection.call("BLPOP", "queue", 20))]
    await asyncio.sleep(HELD_UP_S)
    waiting += [asyncio.create_task(connection.call("BLPOP", "queue", 20))]
    await asyncio.sleep(HELD_UP_S)
    waiting += [asyncio.create_task(connection.call("PING")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await connection.call("PING")
    assert not any(task.done() for task in waiting)
    await connection.close()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_restart_of_redis_under_load_is_a_gap_and_nothing_else(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    connection = await connected(server.url)
    names = [f"k{number}" for number in range(20)]
    await connection.call("MSET", *(word for name in names for word in (name, name)))
    is_over, outcomes = False, {True: 0, False: 0}

    async def caller(name: str) -> None:
        while not is_over:
            try:
                assert await connection.mget([name] * 3) == [name.encode()] * 3
            except Unavailable:
                outcomes[False] += 1
                await asyncio.sleep(0.01)
            else:
                outcomes[True] += 1
            await asyncio.sleep(0)

    callers = asyncio.gather(*map(caller, names))
    for end in ("stop", "kill"):
        await asyncio.sleep(0.05)
        if end == "stop":
            await server.stop()
            server = await EmbeddedRedis.start(tmp_path)
        elif server.pid is not None:
            os.kill(server.pid, signal.SIGKILL)  # it is started again by itself
        before = outcomes[True]
        await until(lambda before=before: outcomes[True] >= before + 1000)  # type: ignore[misc]
    is_over = True
    await callers
    await connection.close()
    await server.stop()


async def test_a_password_and_the_number_of_a_database_count_on_every_wire(tmp_path: Path) -> None:
    server = await EmbeddedRedis.start(tmp_path)
    plain = await connected(server.url)
    await plain.call("CONFIG", "SET", "requirepass", "secret")
    url = server.url.replace("unix://", "unix://:{}@") + "?db={}"
    connection = await connected(url.format("secret", 3))
    slow = asyncio.create_task(connection.call("BLPOP", "queue", 20))
    await asyncio.sleep(HELD_UP_S)
    await connection.batch([("SET", "three", "3"), ("LPUSH", "queue", "item")])
    assert await slow == (b"queue", b"item")
    assert list(await plain.call("INFO", "keyspace")) == ["db3"]
    for password, database in (("wrong", 3), ("secret", 99)):
        with pytest.raises(Unavailable, match="does not answer"):
            await Connection.open(url.format(password, database))
    await connection.close()
    await plain.close()
    await server.stop()


async def test_a_wire_may_be_encrypted(redis_url: str, tmp_path: Path) -> None:
    files = identity.create(tmp_path, "")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.server_file)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_unix_connection(redis_url.removeprefix("unix://"))
        await asyncio.gather(pour(reader, redis_writer), pour(redis_reader, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", ssl=context) as relaying:
        port = relaying.sockets[0].getsockname()[1]
        connection = await connected(f"rediss://localhost:{port}?ssl_ca_certs={files.ca_file}")
        large = os.urandom(MORE_THAN_A_READ)
        await connection.batch([("SET", "large", large), ("SET", "small", "s")])
        replies = await asyncio.gather(*(connection.mget([name] * 2) for name in ("small", "large") * 5))
        assert replies == [[b"s"] * 2, [large] * 2] * 5
        await connection.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await connection.mget(["small"]) == [b"s"]
        await connection.close()
        with pytest.raises(Unavailable, match="does not answer"):
            await Connection.open(f"rediss://localhost:{port}")


async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def test_a_server_that_talks_nonsense_is_unavailable(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write({b"CLIENT\r\n": b"+OK\r\n", b"PING\r\n": b"nonsense\r\n"}.get(line, b""))
        writer.close()

    async with await asyncio.start_unix_server(talk, tmp_path / "socket"):
        with pytest.raises(Unavailable, match="does not answer"):
            await Connection.open(f"unix://{tmp_path}/socket")
