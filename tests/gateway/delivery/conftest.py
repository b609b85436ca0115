"""Channels of both transports, aimed at the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.delivery.channel import Channel
from gateway.delivery.channels import TRANSPORTS, open_channels
from tests.gateway.delivery.arrived import Arrived, apps_at


@pytest.fixture(params=TRANSPORTS)
async def channels(request: pytest.FixtureRequest, sandbox: Arrived) -> AsyncIterator[dict[str, Channel]]:
    """With a deadline that no test waits for."""
    async for opened in _opened(sandbox, transport=request.param, timeout_s=60.0):
        yield opened


@pytest.fixture(params=TRANSPORTS)
async def hasty_channels(request: pytest.FixtureRequest, sandbox: Arrived) -> AsyncIterator[dict[str, Channel]]:
    """With a deadline of a second, for tests of silence."""
    async for opened in _opened(sandbox, transport=request.param, timeout_s=1.0):
        yield opened


async def _opened(sandbox: Arrived, **options: Any) -> AsyncIterator[dict[str, Channel]]:
    apns, fcm = apps_at(sandbox.addresses)
    opened = open_channels(apns=apns, fcm=fcm, **options)
    yield opened
    for channel in opened.values():
        await channel.close()
