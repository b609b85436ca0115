"""One real redis-server for all tests of the store, emptied between them.

It is the one that the gateway would start, or the program that GEOPUSH_TEST_REDIS_SERVER names: another version's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from tests.patience import connected, patient

PARTITIONS = 4


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What handles sockets by itself is tested on the gateway's own event loop too."""
    loops = {"asyncio": asyncio.new_event_loop}
    return loops | {"uvloop": uvloop.new_event_loop} if item.path.name == "test_wires.py" else loops


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("redis")
    program = os.environ.get("GEOPUSH_TEST_REDIS_SERVER")
    server = asyncio.run(EmbeddedRedis.start(folder, Path(program) if program else None))
    yield server.url
    asyncio.run(server.stop())


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = await connected(redis_url)
    await connection.call("FLUSHALL")
    yield connection
    await connection.close()


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return patient(redis_url=redis_url, partitions=PARTITIONS)


@pytest.fixture
async def store(connection: Connection, settings: Settings) -> AsyncIterator[Store]:
    store = await Store.open(settings)
    yield store
    await store.close()
