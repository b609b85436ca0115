"""The Users page in a real browser against a real gateway: look up, export, erase."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Page, expect

from gateway.clock import now_ms
from gateway.store.profiles import TokenNews
from tests.console.canned import real_stores
from tests.console.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def look_up(page: Page, served: Served) -> None:
    """Store a user with a device and look them up."""
    aino = {
        "locale": "fi",
        "attributes": {"member": True},
        "consent": {"location": True, "push": {"granted": True, "source": "app", "text_version": "3"}},
    }
    assert (await served.call("PUT", "/v1/users/aino", aino))[0] == 200
    phone = {"platform": "apns", "token": "a" * 64, "app_version": "4.2.0"}
    assert (await served.call("PUT", "/v1/users/aino/devices/phone", phone))[0] == 200
    await page.goto(served.address("users"))
    await page.get_by_label("User id").fill("aino")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article", name="User aino")).to_be_visible()


async def test_user_is_shown_with_consent_and_devices(page: Page, served: Served) -> None:
    """Consents are shown with their evidence, devices without their tokens."""
    await look_up(page, served)
    held = page.get_by_role("article", name="User aino")
    await expect(held).to_contain_text("text 3")
    await expect(held).to_contain_text("APNs")
    await expect(held).not_to_contain_text("a" * 10)
    await expect(held.locator("dl > div").filter(has_text="Profiling")).to_contain_text("Not given")


async def test_user_is_exported(page: Page, served: Served) -> None:
    """What is held of a user can be handed to them as a file."""
    await look_up(page, served)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    exported = json.loads((await (await download.value).path()).read_text())
    assert exported["profile"]["attributes"] == {"member": True}
    assert (await served.call("GET", "/v1/audit"))[1]["items"][0]["action"] == "export"


async def test_user_is_erased_after_a_question(page: Page, served: Served) -> None:
    """Erasing asks first, and then nothing is known of the user."""
    await look_up(page, served)
    await page.get_by_role("button", name="Erase").click()
    await page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    await expect(page.get_by_text("Erased.")).to_be_visible()
    assert (await served.call("GET", "/v1/users/aino"))[0] == 404


async def test_visits_and_refused_tokens_are_shown(page: Page, served: Served) -> None:
    """Where a user who consented was seen to visit is told, and so is a device whose token its provider refused."""
    store = real_stores(1)[0]
    consent = {"consent": {"location": True, "push": True, "profiling": True}}
    assert (await served.call("PUT", "/v1/users/aino", consent))[0] == 200
    token = "b" * 64
    _, phone = await served.call("PUT", "/v1/users/aino/devices/phone", {"platform": "apns", "token": token})
    at_ms = phone["registered_at_ms"]
    refusal = TokenNews(user_id="aino", token=token, registered_at_ms=at_ms, reason="BadDeviceToken", at_ms=at_ms)
    await served.store.profiles.note_tokens([refusal])
    await served.store.behaviour.record_visits([("aino", store["id"], now_ms() - 60_000)])
    await page.goto(served.address("users"))
    await page.get_by_label("User id").fill("aino")
    await page.keyboard.press("Enter")
    visits = page.get_by_role("region", name="Visits")
    await expect(visits.get_by_role("listitem")).to_contain_text(store["properties"]["name"] + "once")
    await expect(page.get_by_role("region", name="Devices")).to_contain_text("BadDeviceToken")


async def test_unknown_user_is_said_to_be_unknown(page: Page, served: Served) -> None:
    """A user who is not known is told apart from a failure."""
    await page.goto(served.address("users"))
    await page.get_by_label("User id").fill("nobody")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Nothing is known of this user")
