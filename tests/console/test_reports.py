"""The Reports page in a real browser against a real gateway: the funnel, its rows, and both as CSV."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.clock import now_ms
from tests.console.canned import real_stores
from tests.console.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHOPPERS = 12


async def shop(served: Served) -> dict[str, Any]:
    """Twelve shoppers who agreed to pushes and one who did not enter the first store, where an offer awaits them."""
    store = real_stores(1)[0]
    offer = {
        "name": "Welcome",
        "status": "active",
        "targets": {"geofences": [store["id"]]},
        "trigger": {"type": "enter"},
        "opening_hours": "ignore",
        "quiet_hours": {"enabled": False},
        "messages": {"en": {"title": "Hello", "body": "Get a free coffee."}},
    }
    assert (await served.call("PUT", "/v1/offers/welcome", offer))[0] == 200
    ring = store["geometry"]["coordinates"][0]
    while isinstance(ring[0][0], list):
        ring = ring[0]
    pings = []
    for number in range(SHOPPERS + 1):
        consent = {"location": True, "push": number < SHOPPERS}
        assert (await served.call("PUT", f"/v1/users/u{number}", {"consent": consent}))[0] == 200
        device = {"platform": "fcm", "token": f"token-number-{number}"}
        assert (await served.call("PUT", f"/v1/users/u{number}/devices/d", device))[0] == 200
        lng, lat = (sum(corner[axis] for corner in ring[1:]) / (len(ring) - 1) for axis in (0, 1))
        pings.append({"user_id": f"u{number}", "ts": now_ms(), "lat": lat, "lon": lng, "accuracy": 1})
    assert (await served.call("POST", "/v1/pings", pings))[0] == 202
    return store


async def test_funnel_is_shown_split_and_exported(page: Page, console_redis_url: str) -> None:
    """A report counts who matched, who was held back and why, and who got the push; by store, and as CSV."""
    async with serving(console_redis_url, sandbox="on") as served:
        store = await shop(served)
        report: dict[str, Any] = {}
        while report.get("total", {}).get("delivered", 0) < SHOPPERS:
            _, report = await served.call("GET", "/v1/reports/offers/welcome")
        await page.goto(served.address("reports"))
        shown = page.get_by_role("region", name="Report")
        await expect(shown.get_by_role("heading", name="Welcome")).to_be_visible()
        await expect(shown.locator(".steps")).to_contain_text("Matched13")
        await expect(shown.locator(".steps")).to_contain_text("Delivered12")
        await expect(shown.locator(".steps")).to_contain_text("Held back: no consent 1.")
        await expect(shown.get_by_role("img", name="Delivered and opened pushes by day")).to_be_visible()
        await shown.get_by_role("button", name="By store").click()
        await expect(shown.get_by_role("rowheader", name=store["properties"]["name"])).to_be_visible()
        async with page.expect_download() as download:
            await shown.get_by_role("button", name="Download CSV").click()
        file = await download.value
        assert file.suggested_filename == "welcome-by-geofence.csv"
        rows = list(csv.DictReader((await file.path()).read_text().splitlines()))
        assert {row["geofence"]: (row["matched"], row["refused_consent"]) for row in rows}[store["id"]] == ("13", "1")


async def test_gateway_without_offers_says_what_reports_need(page: Page, served: Served) -> None:
    """Before there is an offer the page says that one is needed."""
    await page.goto(served.address("reports"))
    await expect(page.get_by_role("heading", name="Nothing to report yet")).to_be_visible()
