"""The one door to the Redis driver: commands, scripts, subscriptions; every driver error becomes Unavailable.

Nothing else in the gateway imports ``redis``. A single server (TCP, TLS or unix socket) answers a whole batch in one
pipeline or one MGET; a Redis Cluster gets the same calls split by hash tag. A command that fails on a connection that
the server closed meanwhile is tried once more on a new one; everything written through here bears being done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from gateway.errors import ConfigError, Unavailable
from gateway.store.packing import pack_in_c
from gateway.store.scripts import SCRIPTS, Script

Arg = bytes | str | int | float
_T = TypeVar("_T")

MAX_CONNECTIONS: Final = 16
"""Connections of one worker; more callers wait their turn, for one event loop cannot use more at once."""
MAX_BLOCK_MS: Final = 5_000
"""Longest that a blocking read may block, so that a dead server is noticed."""


class Connection:
    """Calls to one Redis deployment."""

    def __init__(
        self, client: Redis | RedisCluster, patient: Redis | RedisCluster, listener: Redis, command_timeout_s: float
    ) -> None:
        """``client`` serves commands, ``patient`` blocking reads, ``listener`` subscriptions.

        Timeouts are kept here, not by the driver: its own costs a task for each command, and before Python 3.12
        such a task can swallow the cancellation that stops a background part.
        """
        self._client = client
        self._patient = patient
        self._listener = listener
        self._timeout_s = command_timeout_s
        self._patience_s = command_timeout_s + MAX_BLOCK_MS / 1000
        self.is_cluster: Final = isinstance(client, RedisCluster)
        # A cluster's client raises where the pool of a single server waits.
        self._lane = asyncio.Semaphore(MAX_CONNECTIONS) if self.is_cluster else contextlib.nullcontext()

    @classmethod
    async def open(cls, url: str, *, connect_timeout_s: float = 1.0, command_timeout_s: float = 2.0) -> Connection:
        """Connect to ``redis://``, ``rediss://``, ``unix://`` or ``redis+cluster://`` and load the scripts.

        Raises ConfigError for another scheme, Unavailable when no Redis answers.
        """
        connection = _open(url, connect_timeout_s, command_timeout_s)
        try:
            await connection.ping()
            if not connection.is_cluster:  # there each node learns a script when it first runs it
                for script in SCRIPTS:
                    await connection.call("SCRIPT", "LOAD", script.source)
        except Unavailable:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Close every connection; calls in flight fail."""
        for client in (self._client, self._patient, self._listener):
            with contextlib.suppress(RedisError, OSError):
                await client.aclose()

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        await self.call("PING")

    async def call(self, *command: Arg) -> Any:
        """One command's reply."""
        with _driver_errors():
            async with asyncio.timeout(self._timeout_s), self._lane:
                return await self._client.execute_command(*command)

    async def block(self, *command: Arg) -> Any:
        """One blocking command's reply; its BLOCK must be at most ``MAX_BLOCK_MS``."""
        with _driver_errors():
            async with asyncio.timeout(self._patience_s):
                return await self._patient.execute_command(*command)

    async def batch(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        """The replies to independent commands in order, in one round trip where one server answers them all."""
        if len(commands) <= 1 or self.is_cluster:
            return await settled(self.call(*command) for command in commands)
        with _driver_errors():
            pipeline = cast(Redis, self._client).pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            async with asyncio.timeout(self._timeout_s):
                return await pipeline.execute()

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
        try:
            with _driver_errors(NoScriptError):
                async with asyncio.timeout(self._timeout_s), self._lane:
                    return await self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self.call("EVAL", script.source, len(keys), *keys, *args)

    async def run_many(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Arg]]]) -> list[Any]:
        """One script's replies to many calls in order, in one round trip where one server answers them all."""
        if len(calls) <= 1 or self.is_cluster:
            return await settled(self.run(script, keys, args) for keys, args in calls)
        with _driver_errors():
            pipeline = cast(Redis, self._client).pipeline(transaction=False)
            for keys, args in calls:
                pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            async with asyncio.timeout(self._timeout_s):
                replies = await pipeline.execute(raise_on_error=False)
        for place, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                replies[place] = await self.run(script, *calls[place])
            elif isinstance(reply, Exception):
                raise _unavailable(reply) from reply
        return replies

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
    scheme, _, rest = url.partition("://")
    if scheme in {"redis+cluster", "rediss+cluster"}:
        node = f"{scheme.removesuffix('+cluster')}://{rest}"

        def cluster() -> RedisCluster:
            return RedisCluster.from_url(node, max_connections=MAX_CONNECTIONS, **common)

        return Connection(cluster(), cluster(), _listener(node, never, common), command_timeout_s)
    if scheme not in {"redis", "rediss", "unix"}:
        raise ConfigError(
            f"redis_url must begin with redis://, rediss://, unix:// or redis+cluster://, not {scheme}://"
        )
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=command_timeout_s,
        retry=once,
        **common,
    )
    pack_in_c(pool)
    patient = Redis.from_url(url, retry=once, **common)
    pack_in_c(patient.connection_pool)
    return Connection(Redis(connection_pool=pool), patient, _listener(url, never, common), command_timeout_s)


def _listener(url: str, never: Retry, common: dict[str, Any]) -> Redis:
    return Redis.from_url(url, retry=never, health_check_interval=MAX_BLOCK_MS // 1000, **common)


@contextlib.contextmanager
def _driver_errors(*passed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except passed:
        raise
    except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, ResponseError):
        return Unavailable(f"Redis refused a command: {error}", retry_after_s=1)
    return Unavailable("Redis does not answer; it is tried again by itself", retry_after_s=1)
