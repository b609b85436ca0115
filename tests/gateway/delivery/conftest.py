"""Channels of both transports, aimed at the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.delivery.channel import Channel
from gateway.delivery.channels import TRANSPORTS, open_channels
from tests.gateway.delivery.arrived import Arrived, apps_at


@pytest.fixture(params=TRANSPORTS)
async def channels(request: pytest.FixtureRequest, sandbox: Arrived) -> AsyncIterator[dict[str, Channel]]:
    apns, fcm = apps_at(sandbox.addresses)
    opened = open_channels(apns=apns, fcm=fcm, transport=request.param, timeout_s=1.0)
    yield opened
    for channel in opened.values():
        await channel.close()
