"""A whole gateway for a journey: embedded Redis, the sandbox through the real libraries, HTTP on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.delivery.sandbox.process import SandboxProcess
from gateway.settings import Settings
from tests.patience import PATIENCE_S, patient

SQUARE = {
    "type": "Feature",
    "properties": {"name": "Corner Café", "tags": ["cafe"]},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[24.94, 60.17], [24.942, 60.17], [24.942, 60.171], [24.94, 60.171], [24.94, 60.17]]],
    },
}
INSIDE = (60.1705, 24.941)
OUTSIDE = (60.169, 24.941)
"""170 m from INSIDE: ten seconds apart that is a speed people travel at."""


@dataclass(frozen=True)
class Journey:
    """A running gateway as its clients see it."""

    session: aiohttp.ClientSession
    url: str
    key: str
    sandbox: SandboxProcess

    async def call(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
            answer = None if response.status == 204 else await response.json(content_type=None)
            assert expect is None or response.status == expect, (response.status, answer)
            assert expect is not None or response.status < 300, (response.status, answer)
            return answer

    async def eventually(self, asked: Callable[[], Any], until: Callable[[Any], bool]) -> Any:
        """Ask until the answer is good."""
        async with asyncio.timeout(PATIENCE_S):
            while not until(answer := await asked()):
                await asyncio.sleep(0.02)
        return answer

    async def pushes(self, count: int) -> list[dict[str, Any]]:
        """The pushes that arrived at the providers, once there are ``count``."""
        page = await self.eventually(self.sandbox.pushes, lambda page: len(page["pushes"]) >= count)
        return list(page["pushes"])


def settings_for(data_dir: Path, sandbox: SandboxProcess, **more: Any) -> Settings:
    """Settings of a journey's gateway: a data folder of its own, the sandbox as its providers."""
    a = sandbox.addresses
    return patient(
        port=0,
        data_dir=data_dir,
        sandbox="off",
        apns_host=a.apns_host,
        apns_port=a.apns_port,
        apns_ca_file=a.apns_ca_file,
        apns_key_file=a.apns_key_file,
        apns_key_id=a.apns_key_id,
        apns_team_id=a.apns_team_id,
        apns_topic=a.apns_topic,
        fcm_credentials_file=a.fcm_credentials_file,
        fcm_host=a.fcm_host,
        fcm_ca_file=a.fcm_ca_file,
        **more,
    )


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxProcess]:
    async with SandboxProcess() as process:
        yield process


@pytest.fixture
async def journey(tmp_path: Path, sandbox: SandboxProcess) -> AsyncIterator[Journey]:
    async with running(settings_for(tmp_path / "data", sandbox)) as gateway, aiohttp.ClientSession() as session:
        assert gateway.new_admin_key is not None
        yield Journey(session, gateway.url, gateway.new_admin_key, sandbox)


def offer(**changes: Any) -> dict[str, Any]:
    """An offer that anybody who enters the café gets."""
    return {
        "id": "coffee",
        "name": "Coffee at the corner",
        "status": "active",
        "targets": {"geofences": ["cafe"]},
        "trigger": {"type": "enter"},
        "opening_hours": "ignore",
        "messages": {"en": {"title": "Coffee now", "body": "A cup for 2 € at {{ store.name }}. Come in!"}},
    } | changes


AWAKE = {"quiet_hours": {"enabled": False}}
"""A policy without quiet hours: tests run at night too."""


async def open_shop(journey: Journey, **changes: Any) -> None:
    """One store, one offer, awake at all hours."""
    await journey.call("PUT", "/v1/policy", AWAKE)
    await journey.call("PUT", "/v1/geofences/cafe", SQUARE)
    await journey.call("PUT", "/v1/offers/coffee", offer(**changes))


async def welcome(
    journey: Journey, user_id: str, platform: str = "apns", *, token: str = "", push: bool = True
) -> None:
    """A shopper with consent and one device."""
    consent = {"location": True, "push": push, "profiling": True}
    await journey.call("PUT", f"/v1/users/{user_id}", {"locale": "en", "consent": consent})
    device = {"platform": platform, "token": token or f"{'ab' * 31}{len(user_id):02x}"}
    await journey.call("PUT", f"/v1/users/{user_id}/devices/phone", device)
