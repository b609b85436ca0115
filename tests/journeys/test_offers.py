"""What marketers can ask for, end to end: later, limited, coded, counted, held out, and looked up afterwards."""

from __future__ import annotations

import asyncio

from gateway.clock import now_ms
from tests.journeys.conftest import INSIDE, OUTSIDE, Journey, offer, open_shop, welcome
from tests.journeys.test_first_push import ping


async def enter(journey: Journey, user_id: str) -> None:
    """One sure fix inside the store."""
    await journey.call("POST", "/v1/pings", ping(user_id, now_ms()))


async def test_a_review_request_follows_the_exit_after_its_delay(journey: Journey) -> None:
    """An offer with a delay is decided again when its time has come, not when the shopper left."""
    await open_shop(journey, trigger={"type": "exit", "delay_s": 12})
    await welcome(journey, "ida")
    start = now_ms() - 40_000
    for second, point in enumerate([INSIDE, OUTSIDE, OUTSIDE]):
        await journey.call("POST", "/v1/pings", ping("ida", start + 15_000 * second, point))
    assert (await journey.sandbox.pushes())["pushes"] == []
    assert len(await journey.pushes(1)) == 1


async def test_stock_is_never_oversold(journey: Journey) -> None:
    """Of ten shoppers who enter at once, three get the three that are there, and the others' refusals say stock."""
    await open_shop(journey, stock=3)
    users = [f"user-{n}" for n in range(10)]
    await asyncio.gather(*(welcome(journey, user, token=f"{n:064x}") for n, user in enumerate(users)))
    await asyncio.gather(*(enter(journey, user) for user in users))
    await journey.pushes(3)
    await asyncio.sleep(0.5)
    assert len((await journey.sandbox.pushes())["pushes"]) == 3
    metrics = await _text(journey, "/metrics")
    assert 'geopush_claims_total{result="claimed"} 3.0' in metrics
    assert 'geopush_refusals_total{gate="claim"} 7.0' in metrics


async def test_a_held_out_shopper_never_reaches_a_provider(journey: Journey) -> None:
    """Nine in ten are held out: what they would have got is withheld, and counted as a ghost."""
    await open_shop(journey, experiment={"holdout_ratio": 0.9, "salt": "x"})
    users = [f"user-{n}" for n in range(20)]
    await asyncio.gather(*(welcome(journey, user, token=f"{n:064x}") for n, user in enumerate(users)))
    await asyncio.gather(*(enter(journey, user) for user in users))
    await asyncio.sleep(1)
    sent = len((await journey.sandbox.pushes())["pushes"])
    metrics = await _text(journey, "/metrics")
    assert sent < 10
    assert f'geopush_refusals_total{{gate="experiment"}} {20 - sent}.0' in metrics


async def test_the_runner_up_is_tried_when_the_winner_is_refused(journey: Journey) -> None:
    """The better offer has no stock left: the shopper gets the other one."""
    await open_shop(journey, stock=0, priority=10)
    second = offer(id="tea", name="Tea", messages={"en": {"title": "Tea instead", "body": "Come in for a cup of tea."}})
    await journey.call("PUT", "/v1/offers/tea", second)
    await welcome(journey, "jo")
    await enter(journey, "jo")
    assert "Tea instead" in str(await journey.pushes(1))


async def _text(journey: Journey, path: str) -> str:
    async with journey.session.get(journey.url + path) as response:
        return await response.text()

