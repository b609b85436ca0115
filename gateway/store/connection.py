"""The one door to the Redis driver: commands, scripts, subscriptions; every driver error becomes Unavailable.

Nothing else in the gateway imports ``redis``. A single server (TCP, TLS or unix socket) answers a whole batch in one
round trip or one MGET, over shared wires; a Redis Cluster gets the same calls split by hash tag. A command that fails
on a connection that the server closed meanwhile is tried once more on a new one; everything written through here bears
being done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from gateway.errors import ConfigError, Unavailable
from gateway.store.driver import adapt
from gateway.store.scripts import SCRIPTS, Script
from gateway.store.wires import Wires

Arg = bytes | str | int | float
_T = TypeVar("_T")

MAX_CONNECTIONS: Final = 16
"""Connections of one worker to a cluster's node; more callers wait their turn."""
MAX_BLOCK_MS: Final = 5_000
"""Longest that a blocking read may block, so that a dead server is noticed."""

_DRIVER_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError)


class Server(Protocol):
    """Who answers commands: one server over its wires, or a cluster."""

    async def ask(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        """The replies to independent commands, in order, those that were refused as exceptions."""
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...


class Cluster:
    """The nodes of a Redis Cluster, each command sent to the one that has its keys."""

    def __init__(self, client: RedisCluster, timeout_s: float) -> None:
        """Each command may take ``timeout_s``."""
        self._client = client
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)  # the client raises where more are wanted

    async def ask(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        """The replies to commands done at once, in order, those that failed as exceptions."""
        if len(commands) == 1:
            return [await self._ask(commands[0])]
        return await asyncio.gather(*(self._ask(command) for command in commands))

    async def aclose(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def _ask(self, command: Sequence[Arg]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s), self._turns:
                return await self._client.execute_command(*command)
        except _DRIVER_ERRORS as error:
            return error


class Connection:
    """Calls to one Redis deployment."""

    def __init__(self, server: Server, patient: Redis | RedisCluster, listener: Redis, patience_s: float) -> None:
        """``server`` answers commands, ``patient`` blocking reads within ``patience_s``, ``listener`` subscribes.

        Timeouts are kept here, not by the driver: its own costs a task for each command, and before Python 3.12
        such a task can swallow the cancellation that stops a background part.
        """
        self._server = server
        self._patient = patient
        self._listener = listener
        self._patience_s = patience_s
        self.is_cluster: Final = isinstance(server, Cluster)

    @classmethod
    async def open(cls, url: str, *, connect_timeout_s: float = 1.0, command_timeout_s: float = 2.0) -> Connection:
        """Connect to ``redis://``, ``rediss://``, ``unix://`` or ``redis+cluster://`` and load the scripts.

        Raises ConfigError for another scheme, Unavailable when no Redis answers.
        """
        connection = _open(url, connect_timeout_s, command_timeout_s)
        try:
            await connection.ping()
            if not connection.is_cluster:  # there each node learns a script when it first runs it
                await connection.batch([("SCRIPT", "LOAD", script.source) for script in SCRIPTS])
        except Unavailable:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Close every connection; calls in flight fail."""
        for client in (self._server, self._patient, self._listener):
            with contextlib.suppress(RedisError, OSError):
                await client.aclose()

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        await self.call("PING")

    async def call(self, *command: Arg) -> Any:
        """One command's reply."""
        (reply,) = await self._ask((command,))
        return _accepted(reply)

    async def block(self, *command: Arg) -> Any:
        """One blocking command's reply; its BLOCK must be at most ``MAX_BLOCK_MS``."""
        with _driver_errors():
            async with asyncio.timeout(self._patience_s):
                return await self._patient.execute_command(*command)

    async def batch(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        """The replies to independent commands in order, in one round trip where one server answers them all."""
        return [_accepted(reply) for reply in await self._ask(commands)]

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of string keys: one MGET, or one per hash tag in a cluster."""
        if not keys:
            return []
        if not self.is_cluster:
            return cast(list[bytes | None], await self.call("MGET", *keys))
        slots: dict[str, list[int]] = {}
        for place, key in enumerate(keys):
            slots.setdefault(key.partition("}")[0], []).append(place)
        replies = await self.batch([("MGET", *(keys[place] for place in places)) for places in slots.values()])
        values: list[bytes | None] = [None] * len(keys)
        for places, reply in zip(slots.values(), replies, strict=True):
            for place, value in zip(places, reply, strict=True):
                values[place] = value
        return values

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        """One script's reply."""
        (reply,) = await self._ask((("EVALSHA", script.sha, len(keys), *keys, *args),))
        if isinstance(reply, NoScriptError):
            return await self.call("EVAL", script.source, len(keys), *keys, *args)
        return _accepted(reply)

    async def run_many(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Arg]]]) -> list[Any]:
        """One script's replies to many calls in order, in one round trip where one server answers them all."""
        replies = await self._ask([("EVALSHA", script.sha, len(keys), *keys, *args) for keys, args in calls])
        for place, reply in enumerate(replies):
            replies[place] = await self.run(script, *calls[place]) if isinstance(reply, NoScriptError) else reply
        return [_accepted(reply) for reply in replies]

    async def _ask(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        if not commands:
            return []
        try:
            return await self._server.ask(commands)
        except _DRIVER_ERRORS as error:
            raise _unavailable(error) from error

    @contextlib.asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:
        """Listen to ``channel``; once this is entered no message is missed until Unavailable is raised."""
        pubsub = self._listener.pubsub(ignore_subscribe_messages=False)
        try:
            with _driver_errors():
                async with asyncio.timeout(self._patience_s):
                    await pubsub.subscribe(channel)
                    await pubsub.get_message(timeout=MAX_BLOCK_MS / 1000)
            yield Subscription(pubsub)
        finally:
            with contextlib.suppress(RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]


class Subscription:
    """Messages of one channel. A lost connection raises Unavailable: what was missed must then be read anew."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub

    async def wait(self, timeout_s: float) -> bytes | None:
        """The next message; None when none came within ``timeout_s``."""
        with _driver_errors():
            message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=timeout_s)
        return None if message is None else cast(bytes, message["data"])


async def settled(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The results of works done at once, when all have ended; the first failure is raised then, and not before."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[_T], results)


def _open(url: str, connect_timeout_s: float, command_timeout_s: float) -> Connection:
    once = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    never = Retry(NoBackoff(), 0)
    common: dict[str, Any] = {"socket_connect_timeout": connect_timeout_s, "socket_timeout": None, "protocol": 2}
    patience_s = command_timeout_s + MAX_BLOCK_MS / 1000
    scheme, _, rest = url.partition("://")
    if scheme in {"redis+cluster", "rediss+cluster"}:
        node = f"{scheme.removesuffix('+cluster')}://{rest}"

        def cluster() -> RedisCluster:
            return RedisCluster.from_url(node, max_connections=MAX_CONNECTIONS, **common)

        return Connection(Cluster(cluster(), command_timeout_s), cluster(), _listener(node, never, common), patience_s)
    if scheme not in {"redis", "rediss", "unix"}:
        raise ConfigError(
            f"redis_url must begin with redis://, rediss://, unix:// or redis+cluster://, not {scheme}://"
        )
    patient = Redis.from_url(url, retry=once, **common)
    adapt(patient.connection_pool)
    return Connection(Wires(patient, command_timeout_s), patient, _listener(url, never, common), patience_s)


def _listener(url: str, never: Retry, common: dict[str, Any]) -> Redis:
    return Redis.from_url(url, retry=never, health_check_interval=MAX_BLOCK_MS // 1000, **common)


@contextlib.contextmanager
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except _DRIVER_ERRORS as error:
        raise _unavailable(error) from error


def _accepted(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise _unavailable(reply) from reply
    return reply


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, ResponseError):
        return Unavailable(f"Redis refused a command: {error}", retry_after_s=1)
    return Unavailable("Redis does not answer; it is tried again by itself", retry_after_s=1)
