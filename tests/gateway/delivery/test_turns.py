"""How much work one turn of the event loop may hold."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.delivery.turns import Turns


async def passed_by_turn(turns: Turns, arrivals: int) -> list[list[int]]:
    """Which of ``arrivals`` that come at once pass in which turn of the loop."""
    passed: list[list[int]] = [[]]

    async def come(number: int) -> None:
        await turns.turn()
        passed[-1].append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(arrivals)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        passed.append([])
    return passed


async def test_a_burst_is_spread_over_turns_in_the_order_of_its_coming() -> None:
    passed = await passed_by_turn(Turns(4), 18)
    assert max(map(len, passed)) == 4
    order = [number for turn in passed for number in turn]
    assert order == sorted(order)
    assert len(order) == 18


async def test_what_fits_into_one_turn_waits_for_none() -> None:
    assert (await passed_by_turn(Turns(4), 4))[0] == [0, 1, 2, 3]


async def test_turns_without_work_do_not_save_up_room() -> None:
    turns = Turns(4)
    for _ in range(10):
        await asyncio.sleep(0)
    assert max(map(len, await passed_by_turn(turns, 12))) == 4


async def test_who_gave_up_waiting_takes_no_place() -> None:
    turns = Turns(1)
    passed: list[int] = []

    async def come(number: int) -> None:
        await turns.turn()
        passed.append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(6)]
    await asyncio.sleep(0)
    for task in tasks[1:4]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert passed == [0, 4, 5]
    assert all(earlier < later for earlier, later in pairwise(passed))
