"""How tests wait: for what has to happen, and for as long as a machine that is busy with other things may take."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gateway.settings import Settings
from gateway.store.connection import Connection

PATIENCE_S: Final = 60.0
"""Only what never happens takes this long."""


async def until(condition: Callable[[], object] | Callable[[], Awaitable[object]]) -> None:
    """Waits until ``condition()``, awaited where it must be, holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.005)


async def connected(redis_url: str) -> Connection:
    """A connection that takes no pause for an outage."""
    return await Connection.open(redis_url, connect_timeout_s=PATIENCE_S, command_timeout_s=PATIENCE_S)


def patient(**settings: Any) -> Settings:
    """Settings of a gateway that takes no pause of Redis for an outage."""
    return Settings(redis_connect_timeout_s=PATIENCE_S, redis_command_timeout_s=PATIENCE_S, **settings)
