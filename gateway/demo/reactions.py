"""What simulated shoppers do with a push: leave it, open it, buy, or have enough; told to the gateway as an app would.

The pushes are read where the sandbox shows what arrived; whose phone it was is known by its token.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.demo.api import Api
from gateway.errors import GeopushError

POLL_S: Final = 1.0
"""Between two looks at what arrived."""
OPENED_RATIO: Final = 0.3
"""Shoppers who open a push of a shop they stand before; of mailings it would be a tenth of that."""
CONVERTED_RATIO: Final = 0.25
"""Of those who opened it, the ones who buy."""
OPTED_OUT_RATIO: Final = 0.01
"""Of those who did not, the ones who want no more."""
LOOKS_AFTER_S: Final = (1.0, 8.0)
"""How soon a push is looked at."""
BUYS_AFTER_S: Final = (4.0, 15.0)
"""How long after that somebody pays, at the demo's haste."""
BASKET: Final = (4.0, 60.0)
"""What is paid, in euros."""


class Reaction(NamedTuple):
    """One event of an app, ``after_s`` seconds after the push came; ``value`` is what was paid."""

    after_s: float
    name: str
    value: float = 0.0


def reactions_to(push_id: str) -> list[Reaction]:
    """What becomes of a push: the same whenever it is asked."""
    chance = random.Random(push_id)
    after_s = chance.uniform(*LOOKS_AFTER_S)
    if chance.random() >= OPENED_RATIO:
        return [Reaction(after_s, "opted_out")] if chance.random() < OPTED_OUT_RATIO else []
    found = [Reaction(after_s, "opened")]
    if chance.random() < CONVERTED_RATIO:
        found.append(Reaction(after_s + chance.uniform(*BUYS_AFTER_S), "converted", round(chance.uniform(*BASKET), 2)))
    return found


class Reactions:
    """Looks at what arrived and reacts. ``told`` counts the events that the gateway took, by name."""

    def __init__(self, api: Api, sandbox: Api, owners: Mapping[str, str]) -> None:
        """``api`` reports events, ``sandbox`` shows pushes; ``owners`` says whose a token is."""
        self._api = api
        self._sandbox = sandbox
        self._owners = owners
        self.told: Counter[str] = Counter()

    async def live(self) -> None:
        """React until cancelled."""
        seen = 0
        async with asyncio.TaskGroup() as people:
            while True:
                page = await self._sandbox.call("GET", f"/sandbox/pushes?after={seen}")
                seen = page["last"]
                for push in page["pushes"]:
                    user_id = self._owners.get(push["token"])
                    if user_id is not None and push["status"] == 200:
                        for reaction in reactions_to(push["push_id"]):
                            people.create_task(self._react(user_id, push["push_id"], reaction))
                await asyncio.sleep(POLL_S)

    async def _react(self, user_id: str, push_id: str, reaction: Reaction) -> None:
        await asyncio.sleep(reaction.after_s)
        event: dict[str, Any] = {"user_id": user_id, "name": reaction.name, "push_id": push_id}
        if reaction.value:
            event["value"] = reaction.value
        try:
            answer = await self._api.call("POST", "/v1/events", event)
        except GeopushError:
            return  # an app keeps what it could not tell; the demo's people forget it
        self.told[reaction.name] += answer["accepted"]
