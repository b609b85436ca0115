"""How much work one turn of the event loop may hold, however many answers arrive in it.

A provider's answers come in bursts: after a pause of the network, or of this process, a thousand at once. Were all of
their pushes taken further in the turn in which they arrive, everything else in the process would wait for the last.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets ``per_turn`` through in each turn, in the order of their coming."""

    def __init__(self, per_turn: int) -> None:
        """It belongs to the event loop in which ``turn`` is first called."""
        self._per_turn = per_turn
        self._left = per_turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Returns at once while the present turn has room, else when a later one has."""
        if self._left == self._per_turn:
            asyncio.get_running_loop().call_soon(self._begin)
        if self._left > 0 and not self._waiting:
            self._left -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine

    def _begin(self) -> None:
        """A new turn: those who wait go first."""
        self._left = self._per_turn
        while self._waiting and self._left > 0:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._left -= 1
        if self._left < self._per_turn:
            asyncio.get_running_loop().call_soon(self._begin)
