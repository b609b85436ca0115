"""Providers that misbehave: nginx and WireMock, which others wrote, and a server of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.nginx import Nginx
from gateway.delivery.apns import ApnsApp, ApnsChannel
from gateway.delivery.apns_http2 import Http2Apns
from gateway.delivery.sandbox.identity import KEY_ID, TEAM_ID, TOPIC, Identity, create
from tests.faults.misbehaving import MisbehavingServer


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create(tmp_path_factory.mktemp("identity"), "http://127.0.0.1:9/token")


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[Nginx]:
    folder: Path = tmp_path_factory.mktemp("nginx")
    with Nginx(folder, identity.server_file, logs=True) as running:
        yield running


@pytest.fixture
async def server(identity: Identity) -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer(identity.server_file) as running:
        yield running


@pytest.fixture
async def apns(identity: Identity, server: MisbehavingServer) -> AsyncIterator[ApnsChannel]:
    """With a deadline that no test waits for: what ends, ends by itself."""
    channel = ApnsChannel(Http2Apns(app_at(identity, server.port), timeout_s=60.0))
    yield channel
    await channel.close()


@pytest.fixture
async def hasty(identity: Identity, server: MisbehavingServer) -> AsyncIterator[ApnsChannel]:
    """With a deadline of 3 s, for tests of deadlines."""
    channel = ApnsChannel(Http2Apns(app_at(identity, server.port), timeout_s=3.0))
    yield channel
    await channel.close()


def app_at(identity: Identity, port: int) -> ApnsApp:
    return ApnsApp(
        topic=TOPIC, host="127.0.0.1", port=port, ca_file=identity.ca_file,
        key_file=identity.apns_key_file, key_id=KEY_ID, team_id=TEAM_ID,
    )  # fmt: skip
