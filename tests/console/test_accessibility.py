"""Every page, in both themes, by axe-core: no serious accessibility violation (WCAG 2.2 A and AA)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.console.serve import DIST, PAGES, SETTINGS
from tests.console.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = (DIST.parent / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SETTINGS_PARTS = {f"settings/{part}" for part in SETTINGS}
SERIOUS = {"serious", "critical"}


async def violations(page: Page) -> list[str]:
    """Each serious violation as one line: rule, what it says, where."""
    await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate("rules => axe.run(document, rules)", RULES)
    return [
        f"{violation['id']} at {node['target']}: {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


async def test_sign_in_is_accessible(page: Page, served: Served) -> None:
    """The door has no serious violation."""
    await page.goto(f"{served.url}/console/")
    await expect(page.get_by_label("API key")).to_be_visible()
    assert await violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_are_accessible(browser: Browser, served: Served, scheme: Any) -> None:
    """No page has a serious violation, at tablet width, with something open in it."""
    offer = {
        "name": "Soup at lunch",
        "status": "active",
        "targets": {"tags": ["cafe"]},
        "trigger": {"type": "enter"},
        "messages": {"en": {"title": "Soup of the day", "body": "Have today's soup at {{ store.name }}."}},
    }
    assert (await served.call("PUT", "/v1/offers/lunch", offer))[0] == 200
    assert (await served.call("PUT", "/v1/users/aino", {"consent": {"location": True}}))[0] == 200
    await served.bury("aino", "terminal: apns Unregistered")
    context = await browser.new_context(
        viewport={"width": 1024, "height": 768}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = await context.new_page()
    found: dict[str, list[str]] = {}
    for name in PAGES:
        await page.goto(served.address(name))
        await expect(page.get_by_role("main").locator("section, nav, form").first).to_be_visible()
        if name not in SETTINGS_PARTS:  # what is opened there leaves all else in sight
            found[name] = await violations(page)
        await open_something(page, name)
        found[f"{name}, opened"] = await violations(page)
    await context.close()
    assert {name: lines for name, lines in found.items() if lines} == {}


async def open_something(page: Page, name: str) -> None:
    """The page's editor, where it has one."""
    if name == "geofences":
        await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
        await expect(page.get_by_label("Name")).to_be_visible()
    elif name == "offers":
        await page.get_by_role("navigation", name="Offers").get_by_role("button", name="Soup at lunch").click()
        await expect(page.get_by_label("Audience")).to_be_visible()
    elif name == "settings/versions":
        await page.get_by_role("button", name="What changed in version").first.click()
        await page.locator(".changes summary").first.click()
        await expect(page.get_by_role("region", name="What differs")).to_be_visible()
    elif name == "settings/audit":
        await page.get_by_role("button", name="Before and after").first.click()
        await expect(page.get_by_role("region", name="What differs")).to_be_visible()
    elif name == "settings/phones":
        await page.get_by_label("Name").fill("Aino's phone")
        await page.get_by_label("User id").fill("aino")
        await page.get_by_role("button", name="Let it in").click()
        await expect(page.get_by_role("img", name="QR code that sets up the app")).to_be_visible()
    elif name == "users":
        await page.get_by_label("User id").fill("aino")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("article")).to_be_visible()
        await expect(page.get_by_role("button", name="Look up")).to_be_enabled()
