"""Small batches of many callers go down the ping path together; each gets its own answer; too much is sent away."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.clock import now_ms
from gateway.errors import Unavailable
from gateway.ingest.intake import COME_BACK_S, LARGE, Intake
from gateway.pipeline import Pipeline
from geofences.model import Ping
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import circle

INSIDE = (60.17, 24.94)


def ping(number: int, place: tuple[float, float] = INSIDE) -> Ping:
    return Ping(f"u{number}", now_ms(), *place)


@pytest.fixture
async def sizes(http: Http, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that go down the real path of a gateway with one geofence."""
    await http.call("PUT", "/v1/geofences/g1", circle("g1", INSIDE[1], INSIDE[0]))
    seen: list[int] = []
    handle = Pipeline.handle

    async def watched(self: Pipeline, pings: Sequence[Ping], received_at_ms: int) -> None:
        seen.append(len(pings))
        await handle(self, pings, received_at_ms)

    monkeypatch.setattr(Pipeline, "handle", watched)
    return seen


@pytest.fixture
def intake(http: Http) -> Intake:
    context = http.gateway.context
    return Intake(context.pipeline, context.metrics, 1000)


async def test_what_arrives_together_is_handled_together(intake: Intake, sizes: list[int]) -> None:
    await asyncio.gather(*(intake.take([ping(i)], now_ms(), "k") for i in range(20)))
    assert sizes == [20]
    assert intake.in_flight == 0


async def test_what_comes_while_a_batch_is_under_way_waits_for_the_next_together(
    intake: Intake, sizes: list[int]
) -> None:
    first = asyncio.create_task(intake.take([ping(0)], now_ms(), "k"))
    while not sizes:
        await asyncio.sleep(0)
    await asyncio.gather(first, *(intake.take([ping(i)], now_ms(), "k") for i in range(1, 20)))
    assert sizes == [1, 19]


async def test_pings_that_change_nothing_are_counted_and_go_no_further(
    http: Http, intake: Intake, sizes: list[int]
) -> None:
    await intake.take([ping(1, (10.0, 10.0))], now_ms(), "k")
    assert sizes == []
    assert http.gateway.context.metrics.registry.get_sample_value("geopush_pings_total") == 1


async def test_a_large_batch_waits_for_nobody_and_takes_along_who_waits(
    intake: Intake, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.intake.GATHER_S", 3600.0)
    one = intake.take([ping(0)], now_ms(), "k")
    await asyncio.gather(one, intake.take([ping(i) for i in range(LARGE)], now_ms(), "k"))
    assert sizes == [LARGE + 1]


async def test_batches_go_one_after_the_other_and_together_only_up_to_a_limit(
    http: Http, intake: Intake, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once would step the same users, and one of them twice."""
    monkeypatch.setattr("gateway.ingest.intake.MOST_TOGETHER", 2 * LARGE)
    at_ms = now_ms()
    batches = [[Ping(f"u{i}", at_ms + 1000 * n, *INSIDE) for i in range(LARGE)] for n in range(5)]
    await asyncio.gather(*(intake.take(batch, at_ms, "k") for batch in batches))
    assert sizes == [2 * LARGE, 2 * LARGE, LARGE]
    assert http.gateway.context.metrics.registry.get_sample_value("geopush_presence_conflicts_total") == 0


async def test_a_failure_reaches_every_caller(
    intake: Intake, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise Unavailable("no Redis")

    monkeypatch.setattr(Pipeline, "handle", unavailable)
    results = await asyncio.gather(*(intake.take([ping(i)], 0, "k") for i in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert intake.in_flight == 0


@pytest.mark.parametrize("count", [1, LARGE])
async def test_pings_that_could_not_be_handled_are_not_too_close_when_they_come_again(
    http: Http, sizes: list[int], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Spacing must not take for handled what a retry brings."""
    context = http.gateway.context
    intake = Intake(context.pipeline, context.metrics, 1000, user_min_interval_s=5)
    pings = [ping(number) for number in range(count)]

    async def unavailable(*_: object) -> None:
        raise Unavailable("no Redis")

    with monkeypatch.context() as outage:
        outage.setattr(Pipeline, "handle", unavailable)
        with pytest.raises(Unavailable):
            await intake.take(pings, now_ms(), "k")
    await intake.take(pings, now_ms(), "k")
    assert sizes == [count]
    await intake.take(pings, now_ms(), "k")
    assert sizes == [count]


async def test_a_caller_that_leaves_disturbs_nobody(intake: Intake, sizes: list[int]) -> None:
    leaving = asyncio.create_task(intake.take([ping(1)], 0, "k"))
    staying = asyncio.create_task(intake.take([ping(2)], 0, "k"))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert sizes == [2]
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_is_over_the_bound_is_sent_away_with_a_time_to_come_back(http: Http, sizes: list[int]) -> None:
    intake = Intake(http.gateway.context.pipeline, http.gateway.context.metrics, max_pings=3)
    first = asyncio.create_task(intake.take([ping(i) for i in range(10)], 0, "k"))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refusal:
        await intake.take([ping(1)], 0, "k")
    assert refusal.value.retry_after_s == COME_BACK_S
    await first
    await intake.take([ping(1)], now_ms(), "k")
    assert sizes == [10, 1]
