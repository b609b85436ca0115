"""The console from an empty map to a push: a store is drawn, an offer written, a walk simulated, a real push seen."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from gateway.clock import now_ms
from tests.console.served import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_from_an_empty_map_to_a_push_in_the_feed(page: Page, console_redis_url: str) -> None:
    """A store drawn and an offer written in the console push to a shopper who comes in, and the feed shows it."""
    async with serving(console_redis_url, sandbox="on") as served:
        await page.goto(served.address("geofences"))
        await expect(page.get_by_role("list", name="Geofences").get_by_role("button").first).to_be_visible()
        await expect(page.locator(".stage-map")).to_have_attribute("aria-busy", "false")
        await page.get_by_role("button", name="Draw circle").click()
        await page.mouse.click(500, 500)
        await page.mouse.move(560, 500, steps=5)
        await page.mouse.click(560, 500)
        await page.get_by_label("Name").fill("Corner shop")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved. It is live")).to_be_visible()
        shop = await served.geofence("corner-shop")
        assert shop is not None
        lng, lat = shop["geometry"]["coordinates"]

        await page.get_by_role("link", name="Offers").click()
        await page.get_by_role("button", name="Write the first offer").click()
        await page.get_by_label("Name").fill("Welcome")
        await page.get_by_label("Title", exact=True).fill("Coffee on the house")
        await page.get_by_label("Text", exact=True).fill("Get a free coffee at {{ store.name }} today.")
        await page.get_by_label("Stores", exact=True).select_option("Chosen stores")
        await page.get_by_label("Store ids").fill("corner-shop")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Activate").click()
        await expect(page.get_by_text("Saved. It is live")).to_be_visible()

        await page.get_by_role("link", name="Simulator").click()
        await page.locator(".stage-map canvas").click()
        await page.get_by_label("When").fill("2026-06-01T12:00")
        await page.get_by_role("button", name="Walk", exact=True).click()
        walked = page.get_by_role("region", name="Simulator")
        await expect(walked.get_by_role("heading", name="1 push")).to_be_visible()
        entered = walked.get_by_role("listitem").filter(has_text="Enters Corner shop")
        await expect(entered).to_contain_text("Coffee on the house")

        policy = {"quiet_hours": {"enabled": False}}
        assert (await served.call("PUT", "/v1/policy", policy))[0] == 200
        consent = {"consent": {"location": True, "push": True}}
        assert (await served.call("PUT", "/v1/users/aino", consent))[0] == 200
        phone = {"platform": "fcm", "token": "dGhpcyBpcyBubyB0b2tlbg:APA91bE"}
        assert (await served.call("PUT", "/v1/users/aino/devices/phone", phone))[0] == 200

        await page.get_by_role("link", name="Live", exact=True).click()
        await expect(page.get_by_role("banner").get_by_role("status")).to_have_text("Connected")
        ping = {"user_id": "aino", "ts": now_ms(), "lat": lat, "lon": lng, "accuracy": 5}
        assert (await served.call("POST", "/v1/pings", ping))[0] == 202
        push = page.get_by_role("listitem").filter(has_text="Coffee on the house")
        await expect(push).to_contain_text("Get a free coffee at Corner shop today.")
        await expect(push).to_contain_text("FCM")
        await expect(push).to_contain_text("after the ping")
