"""One delivery sandbox for all tests of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.delivery.sandbox.process import SandboxProcess
from tests.gateway.delivery.arrived import Arrived


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
