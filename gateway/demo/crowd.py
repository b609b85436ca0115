"""The shoppers' phones: each registers its user and device, then posts its fixes over a connection of its own."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway.clock import now_ms
from gateway.demo.api import Api
from gateway.demo.offers import ZONE
from gateway.demo.streets import Plane, Streets
from gateway.demo.walkers import Shop, Walker
from gateway.errors import GeopushError

FIX_PERIOD_S = 1.0
"""A navigating phone's usual rate."""
BATCH_FIXES = (1, 3)
"""Fixes that a phone gathers before it posts them, one number a phone."""
OUTING_S = (60.0, 240.0)
"""How long a shopper stays in town; then another one comes, so that daily caps do not silence a long demo."""
NO_CONSENT_RATIO = 0.12
"""Shoppers who did not agree to marketing pushes, so that the consent gate shows."""
MEMBER_RATIO = 0.5
"""Shoppers with a member card, for the one offer that asks for it."""
KNOWN_PHONES = 5_000
"""Phones whose owners are remembered: an hour of shoppers, while a push is looked at within seconds."""
LOCALES = ("fi", "fi", "sv", "en")
"""Helsinki's languages, roughly as often as they are heard in its shops."""


@dataclass(slots=True)
class Crowd:
    """``size`` shoppers at a time; every one is a task. ``failures`` counts calls that failed.

    ``owners`` says whose a push token is, of the shoppers that came last.
    """

    url: str
    key: str
    plane: Plane
    streets: Streets
    shops: Sequence[Shop]
    seed: int = 7
    failures: int = 0
    last_failure: str = ""
    owners: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def walk(self, size: int) -> None:
        """Keep ``size`` shoppers in town until cancelled."""
        async with asyncio.TaskGroup() as town:
            for _ in range(size):
                town.create_task(self._phone())

    async def _phone(self) -> None:
        """One connection that serves one shopper after the other."""
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            api = Api(session, self.url, self.key)
            while True:
                number = next(self._numbers)
                try:
                    await self._outing(api, number)
                except GeopushError as error:
                    self.failures += 1
                    self.last_failure = error.detail
                    await asyncio.sleep(FIX_PERIOD_S)

    async def _outing(self, api: Api, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        user_id = f"shopper-{number}"
        self.owners[await register(api, user_id, chance)] = user_id
        if len(self.owners) > KNOWN_PHONES:
            del self.owners[next(iter(self.owners))]
        walker = Walker(chance.randrange(2**32), self.plane, self.streets, self.shops)
        batch_fixes = chance.randint(*BATCH_FIXES)
        await asyncio.sleep(chance.random() * FIX_PERIOD_S)
        clock = asyncio.get_running_loop().time
        start_s = clock()
        outing_s = chance.uniform(*OUTING_S)
        batch: list[dict[str, Any]] = []
        for tick in itertools.count(1):
            await asyncio.sleep(start_s + tick * FIX_PERIOD_S - clock())
            at_s = clock() - start_s
            batch.append(_wire(user_id, walker, at_s))
            if (at_s > outing_s or len(batch) >= batch_fixes) and await self._posted(api, batch):
                batch = []
            if at_s > outing_s:
                return

    async def _posted(self, api: Api, batch: list[dict[str, Any]]) -> bool:
        """Whether the gateway took the batch; if not, the phone keeps it and sends it with the next one."""
        try:
            await api.call("POST", "/v1/pings", batch)
        except GeopushError as error:
            self.failures += 1
            self.last_failure = error.detail
            return False
        return True


async def register(api: Api, user_id: str, chance: random.Random) -> str:
    """Put the user with consent and the phone's push token, and return that; every other phone is an iPhone."""
    agrees = chance.random() >= NO_CONSENT_RATIO
    user = {
        "locale": chance.choice(LOCALES),
        "time_zone": ZONE,
        "attributes": {"member": chance.random() < MEMBER_RATIO},
        "consent": {"location": True, "push": agrees, "profiling": True},
    }
    await api.call("PUT", f"/v1/users/{user_id}", user)
    platform = chance.choice(("apns", "fcm"))
    token = chance.randbytes(32).hex()
    device = {"platform": platform, "token": token, "app_version": "1.0"}
    await api.call("PUT", f"/v1/users/{user_id}/devices/phone", device)
    return token


def _wire(user_id: str, walker: Walker, at_s: float) -> dict[str, Any]:
    fix = walker.fix(at_s)
    return {
        "user_id": user_id,
        "ts": now_ms(),
        "lat": round(fix.place.lat, 6),
        "lon": round(fix.place.lng, 6),
        "accuracy": round(fix.accuracy_m, 1),
        "speed": round(fix.speed_mps, 1),
        "heading": None if fix.heading_deg is None else round(fix.heading_deg, 1),
        "source": "demo",
    }
