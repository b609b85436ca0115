"""The Offers page in a real browser against a real gateway: write, be judged while typing, save, pause."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")

LUNCH: dict[str, Any] = {
    "name": "Soup at lunch",
    "status": "active",
    "targets": {"all": True},
    "trigger": {"type": "dwell", "dwell_s": 60},
    "weekly": [{"days": ["mon", "tue"], "start": "10:30", "end": "14:00"}],
    "max_per_hour": 50,
    "messages": {"en": {"title": "Soup of the day", "body": "Have today's soup at {{ store.name }} until 14:00."}},
}


async def open_lunch(page: Page, served: Served) -> None:
    """Store the lunch offer and open it in the editor."""
    status, answer = await served.call("PUT", "/v1/offers/lunch", LUNCH)
    assert status == 200, answer
    await page.goto(served.address("offers"))
    await page.get_by_role("navigation", name="Offers").get_by_role("button", name="Soup at lunch").click()
    await expect(page.get_by_label("Name")).to_have_value("Soup at lunch")


async def stored(served: Served, offer_id: str) -> dict[str, Any]:
    """The offer as the gateway has it."""
    status, offer = await served.call("GET", f"/v1/offers/{offer_id}")
    assert status == 200, offer
    return dict(offer)


async def test_offer_is_written_and_activated(page: Page, served: Served) -> None:
    """A new offer is a draft until it is activated; its id comes from its name unless one is given."""
    await page.goto(served.address("offers"))
    await page.get_by_role("button", name="Write the first offer").click()
    await page.get_by_label("Name").fill("Happy hour")
    await page.get_by_label("Title", exact=True).fill("Happy hour until 18:00")
    await page.get_by_label("Text", exact=True).fill("Meet your friends at {{ store.name }}.")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    assert (await stored(served, "happy-hour")).get("status", "draft") == "draft"
    await page.get_by_role("button", name="Activate").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    assert (await stored(served, "happy-hour"))["status"] == "active"


async def test_gateway_judges_while_one_types(page: Page, served: Served) -> None:
    """What the gateway would refuse stands under its field before one saves, and asking stores nothing."""
    await open_lunch(page, served)
    before = await stored(served, "lunch")
    audience = page.get_by_label("Audience")
    await audience.fill("user.member ==")
    await expect(audience).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_text("Not ready yet")).to_be_visible()
    await audience.fill("has(user.member)")
    await expect(audience).to_have_attribute("aria-invalid", "false")
    assert await stored(served, "lunch") == before


async def test_preview_shows_the_message_at_a_real_store(page: Page, served: Served) -> None:
    """The preview reads as the first of the offer's stores would have it, and counts its characters."""
    await open_lunch(page, served)
    preview = page.get_by_role("region", name="Preview")
    for phone in ("On iOS", "On Android"):
        await expect(preview.get_by_label(phone)).to_contain_text("Have today's soup at")
        await expect(preview.get_by_label(phone)).not_to_contain_text("{{")
    await page.get_by_label("Title", exact=True).fill("x" * 41)
    await expect(preview).to_contain_text("41 of 40, phones cut it")


async def test_members_the_form_does_not_show_are_kept(page: Page, served: Served) -> None:
    """Saving a change leaves every other member of the document as it was."""
    await open_lunch(page, served)
    before = await stored(served, "lunch")
    await page.get_by_label("Name").fill("Soup at noon")
    await page.get_by_role("button", name="Save and go live").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    after = await stored(served, "lunch")
    assert after | {"version": 0} == before | {"name": "Soup at noon", "version": 0}


async def test_hours_are_changed_day_by_day(page: Page, served: Served) -> None:
    """Weekly hours are toggled by day and typed by time."""
    await open_lunch(page, served)
    hours = page.get_by_role("group", name="Hours 1")
    await hours.get_by_role("button", name="Wed").click()
    await hours.get_by_label("End").fill("15:00")
    await page.get_by_role("button", name="Save and go live").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    assert (await stored(served, "lunch"))["weekly"] == [
        {"start": "10:30", "end": "15:00", "days": ["mon", "tue", "wed"]}
    ]


async def test_offer_is_paused_at_once(page: Page, served: Served) -> None:
    """One click pauses an active offer."""
    await open_lunch(page, served)
    await page.get_by_role("button", name="Pause now").click()
    await expect(page.get_by_text("Paused. Nobody gets it any more.")).to_be_visible()
    assert (await stored(served, "lunch"))["status"] == "paused"


async def test_document_can_be_edited_whole(page: Page, served: Served) -> None:
    """The whole document is there as JSON for whoever prefers it."""
    await open_lunch(page, served)
    await page.get_by_role("button", name="JSON").click()
    source = page.get_by_label("The whole document")
    await source.fill((await source.input_value()).replace("Soup of the day", "Pea soup"))
    await page.get_by_role("button", name="Save and go live").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    assert (await stored(served, "lunch"))["messages"]["en"]["title"] == "Pea soup"
