"""A whole gateway on a real redis-server, for tests that speak HTTP to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway import app
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.embedded import EmbeddedRedis
from tests.patience import connected, patient


@dataclass(slots=True)
class Http:
    """Calls one gateway as admin, or with another key."""

    session: aiohttp.ClientSession
    gateway: app.Gateway
    key: str

    async def call(
        self, method: str, path: str, document: Any = None, *, key: str | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Status and JSON body (None where there is none)."""
        async with self.request(method, path, document, key=key, **options) as answer:
            is_json = answer.content_type.endswith("json") and answer.status != 204
            return answer.status, await answer.json(content_type=None) if is_json else None

    def request(self, method: str, path: str, document: Any = None, *, key: str | None = None, **options: Any) -> Any:
        """The same as a context manager of the whole response."""
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"} | options.pop("headers", {})
        if document is not None:
            options["json"] = document
        return self.session.request(method, self.gateway.url + path, headers=headers, **options)

    async def new_key(self, *scopes: str, **facts: Any) -> str:
        """The secret of a key with ``scopes``."""
        status, made = await self.call("POST", "/v1/keys", {"name": "test", "scopes": list(scopes), **facts})
        assert status == 201, made
        secret: str = made["secret"]
        return secret


@pytest.fixture(scope="session")
def gateway_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = asyncio.run(EmbeddedRedis.start(tmp_path_factory.mktemp("redis")))
    yield server.url
    asyncio.run(server.stop())


@pytest.fixture
def settings(gateway_redis_url: str) -> Settings:
    return patient(redis_url=gateway_redis_url, port=0, partitions=4, run_sender=False)


@pytest.fixture
async def empty_redis(settings: Settings) -> None:
    assert settings.redis_url is not None
    connection = await connected(settings.redis_url)
    await connection.call("FLUSHALL")
    await connection.close()


@pytest.fixture
async def store(settings: Settings, empty_redis: None) -> AsyncIterator[Store]:
    store = await Store.open(settings)
    yield store
    await store.close()


@pytest.fixture
async def http(settings: Settings, empty_redis: None) -> AsyncIterator[Http]:
    async with app.running(settings) as gateway, aiohttp.ClientSession() as session:
        assert gateway.new_admin_key is not None
        yield Http(session, gateway, gateway.new_admin_key)
