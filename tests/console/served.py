"""A real gateway on a real Redis for the console's journeys, with a part of the demo's city in it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from gateway import app
from gateway.clock import now_ms
from gateway.store.claims import ClaimCandidate, ClaimRequest
from gateway.store.store import Store
from tests.console.canned import GROUND, real_stores
from tests.gateway.delivery.jobs import a_job
from tests.patience import connected, patient

STORES = 40


@dataclass(frozen=True, slots=True)
class Served:
    """A running gateway, its admin key, and calls past the console to see what is true."""

    session: aiohttp.ClientSession
    url: str
    key: str
    store: Store

    async def call(self, method: str, path: str, document: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Status and JSON body (None where there is none), as admin or with another key."""
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        async with self.session.request(method, self.url + path, json=document, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

    async def geofence(self, geofence_id: str) -> dict[str, Any] | None:
        """The stored geofence, or None."""
        status, feature = await self.call("GET", f"/v1/geofences/{quote(geofence_id, safe='')}")
        return dict(feature) if status == 200 else None

    async def bury(self, user_id: str, reason: str, **facts: Any) -> None:
        """Claim a push for a user and give it up, as the sender does."""
        job = a_job(user_id, **facts)
        ids = {"push_id": job.push_id, "offer_id": job.offer_id, "geofence_id": job.geofence_id}
        candidate = ClaimCandidate(**ids, brand="", limits=(), entry=job.encode())
        await self.store.claims.claim(ClaimRequest(user_id=user_id, at_ms=now_ms(), candidates=(candidate,)))
        entries = await self.store.outbox.read("test", 1, 1000)
        refunds = {entry.entry_id: job.push_id for entry in entries}
        await self.store.dead_letters.bury([(entry, reason) for entry in entries], refunds)

    def address(self, page: str) -> str:
        """A page's address that signs in."""
        return f"{self.url}/console/{page}#key={self.key}"


@contextlib.asynccontextmanager
async def serving(redis_url: str, **settings: Any) -> AsyncIterator[Served]:
    """A gateway on an emptied Redis, with the first stores of the demo's city."""
    connection = await connected(redis_url)
    await connection.call("FLUSHALL")
    await connection.close()
    wanted = patient(redis_url=redis_url, port=0, partitions=4, ground_file=GROUND, activity_min_users=1, **settings)
    async with app.running(wanted) as gateway, aiohttp.ClientSession() as session:
        assert gateway.new_admin_key is not None
        served = Served(session, gateway.url, gateway.new_admin_key, gateway.context.store)
        stores = {"type": "FeatureCollection", "features": real_stores(STORES)}
        status, answer = await served.call("POST", "/v1/geofences/import", stores)
        assert status == 200, answer
        yield served
