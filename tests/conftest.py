"""What all tests of a run share: one delivery sandbox, and made-up examples without deadlines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from gateway.delivery.sandbox.process import SandboxProcess
from tests.gateway.delivery.arrived import Arrived

settings.register_profile("without time", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without time")


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
