"""Small batches of many callers go down the ping path together; each caller gets its own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import Unavailable
from gateway.ingest.gathering import LARGE, Gatherer
from geofences.model import Ping


def ping(number: int) -> Ping:
    return Ping(f"u{number}", 1_700_000_000_000 + number, 60.0, 24.0)


class Path:
    """A ping path that remembers the sizes of its batches, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self.error = error

    async def handle(self, pings: Sequence[Ping], received_at_ms: int) -> None:
        self.sizes.append(len(pings))
        await asyncio.sleep(0)
        if self.error:
            raise self.error


async def test_what_arrives_together_is_handled_together() -> None:
    path = Path()
    gatherer = Gatherer(path.handle)
    await asyncio.gather(*(gatherer.take([ping(i)], 0) for i in range(20)))
    assert path.sizes == [20]


async def test_a_large_batch_goes_alone() -> None:
    path = Path()
    gatherer = Gatherer(path.handle)
    await asyncio.gather(gatherer.take([ping(1)], 0), gatherer.take([ping(i) for i in range(LARGE)], 0))
    assert sorted(path.sizes) == [1, LARGE]


async def test_a_failure_reaches_every_caller() -> None:
    gatherer = Gatherer(Path(Unavailable("no Redis")).handle)
    results = await asyncio.gather(*(gatherer.take([ping(i)], 0) for i in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3


async def test_a_caller_that_leaves_disturbs_nobody() -> None:
    path = Path()
    gatherer = Gatherer(path.handle)
    leaving = asyncio.create_task(gatherer.take([ping(1)], 0))
    staying = asyncio.create_task(gatherer.take([ping(2)], 0))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert path.sizes == [2]
    with pytest.raises(asyncio.CancelledError):
        await leaving
