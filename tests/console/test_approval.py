"""Two people and one offer, each in a browser of their own: what one submits, the other approves."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sit_down(browser: Browser, served: Served, name: str, role: str) -> Page:
    """A person with a key of this role, signed in at the Offers page."""
    status, key = await served.call("POST", "/v1/keys", {"name": name, "role": role})
    assert status == 201, key
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = await context.new_page()
    await page.goto(f"{served.url}/console/offers#key={key['secret']}")
    await expect(page.get_by_role("navigation", name="Offers")).to_be_visible()
    return page


async def open_offer(page: Page, name: str) -> None:
    """Load the offers anew and open one."""
    await page.reload()
    await page.get_by_role("navigation", name="Offers").get_by_role("button", name=name).click()
    await expect(page.get_by_label("Title", exact=True)).to_be_visible()


async def test_offer_goes_live_by_a_second_persons_word(browser: Browser, console_redis_url: str) -> None:
    """A marketer's offer waits; the approver rejects it with a reason, then approves it mended, and it is live."""
    async with serving(console_redis_url, run_sender=False, approval_reach=100) as served:
        mia = await sit_down(browser, served, "Mia", "marketer")
        await mia.get_by_role("button", name="Write the first offer").click()
        await mia.get_by_label("Name").fill("Welcome")
        await mia.get_by_label("Title", exact=True).fill("Cofee")
        await mia.get_by_label("Text", exact=True).fill("Free at {{ store.name }} today.")
        await mia.get_by_role("button", name="Submit for approval").click()
        waiting = mia.get_by_role("region", name="Approval")
        await expect(waiting).to_contain_text("someone else has to decide")
        await expect(waiting.get_by_role("button", name="Approve")).to_have_count(0)
        assert (await stored(served))["status"] == "submitted"

        anna = await sit_down(browser, served, "Anna", "approver")
        await open_offer(anna, "Welcome")
        await expect(anna.get_by_label("Title", exact=True)).to_be_disabled()
        await anna.get_by_role("button", name="Reject…").click()
        await anna.get_by_label("What its author should know").fill("Coffee has two f.")
        await anna.get_by_role("button", name="Reject", exact=True).click()
        await expect(anna.get_by_text("Rejected. Its author sees why.")).to_be_visible()

        await open_offer(mia, "Welcome")
        await expect(mia.get_by_role("form", name="Offer")).to_contain_text("Coffee has two f.")
        await mia.get_by_label("Title", exact=True).fill("Coffee")
        await mia.get_by_role("button", name="Submit for approval").click()
        await expect(mia.get_by_text("It waits for a second person's approval.")).to_be_visible()

        await open_offer(anna, "Welcome")
        await expect(anna.get_by_label("Title", exact=True)).to_have_value("Coffee")
        await anna.get_by_role("button", name="Approve").click()
        await expect(anna.get_by_text("Approved. It is live in all workers.")).to_be_visible()
        assert (await stored(served))["status"] == "active"
        await anna.get_by_role("button", name="Pause now").click()
        await expect(anna.get_by_text("Paused. Nobody gets it any more.")).to_be_visible()
        assert (await stored(served))["status"] == "paused"
        for page in (mia, anna):
            await page.context.close()


async def stored(served: Served) -> dict[str, Any]:
    """The offer as the gateway has it."""
    return dict((await served.call("GET", "/v1/offers/welcome"))[1])
