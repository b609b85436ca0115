"""One sandbox process for all delivery tests of a run; channels of both transports aimed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.delivery.apns import ApnsApp
from gateway.delivery.channel import Channel
from gateway.delivery.channels import TRANSPORTS, open_channels
from gateway.delivery.fcm import FcmApp
from gateway.delivery.sandbox.process import SandboxProcess
from tests.gateway.delivery.arrived import Arrived, apps_at


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox_process() -> AsyncIterator[SandboxProcess]:
    async with SandboxProcess() as running:
        yield running


@pytest.fixture
async def sandbox(sandbox_process: SandboxProcess) -> Arrived:
    page = await sandbox_process.pushes()
    while page["pushes"]:
        page = await sandbox_process.pushes(page["last"])
    return Arrived(sandbox_process, page["last"])


@pytest.fixture
def apps(sandbox: Arrived) -> tuple[ApnsApp, FcmApp]:
    return apps_at(sandbox.addresses)


@pytest.fixture(params=TRANSPORTS)
async def channels(request: pytest.FixtureRequest, apps: tuple[ApnsApp, FcmApp]) -> AsyncIterator[dict[str, Channel]]:
    opened = open_channels(apns=apps[0], fcm=apps[1], transport=request.param, timeout_s=1.0)
    yield opened
    for channel in opened.values():
        await channel.close()
