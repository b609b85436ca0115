"""Signing in to the console in a real browser, and what each role finds there."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.canned import real_stores
from tests.console.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def enter_as(page: Page, served: Served, name: str, **rights: Any) -> dict[str, Any]:
    """Sign in with a new key of these rights; answers the key."""
    status, key = await served.call("POST", "/v1/keys", {"name": name, **rights})
    assert status == 201, key
    await page.goto(f"{served.url}/console/#key={key['secret']}")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    return dict(key)


async def test_key_is_exchanged_for_a_session_that_no_script_can_read(page: Page, served: Served) -> None:
    """After signing in the browser holds no key: only a cookie that is HttpOnly and SameSite; a reload stays in."""
    await page.goto(f"{served.url}/console/")
    await page.get_by_label("API key").fill(served.key)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    (cookie,) = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert served.key not in cookie["value"]
    assert (
        await page.evaluate("document.cookie + JSON.stringify(sessionStorage) + JSON.stringify(localStorage)") == "{}{}"
    )
    await page.reload()
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("API key")).to_be_visible()


async def test_session_ends_with_its_key(page: Page, served: Served) -> None:
    """Whose key is revoked is shown the door at the next thing they do, and told why."""
    key = await enter_as(page, served, "Mia", role="viewer")
    await page.get_by_role("link", name="Reports").click()  # a page that asks for nothing by itself
    await page.wait_for_url("**/console/reports")
    assert (await served.call("DELETE", f"/v1/keys/{key['key_id']}"))[0] == 204
    await page.get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("alert")).to_contain_text("Your session has ended")


async def test_another_tab_that_signs_in_anew_does_not_lock_this_one_out(page: Page, served: Served) -> None:
    """A tab whose session was replaced by another tab's goes on with that one."""
    await page.goto(served.address("settings"))
    await page.get_by_label("Hours between any two").fill("3")
    other = await page.context.new_page()
    await other.goto(served.address("settings"))
    await expect(other.get_by_label("Hours between any two")).to_be_visible()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("It holds for every push")).to_be_visible()


async def test_viewer_sees_and_is_told_why_not_more(page: Page, served: Served) -> None:
    """A viewer finds nothing to change, and in its place who may; users, keys and the audit log are not offered."""
    await enter_as(page, served, "Vera", role="viewer")
    pages = page.get_by_role("navigation", name="Pages")
    await expect(pages.get_by_role("link", name="Reports")).to_be_visible()
    await expect(pages.get_by_role("link", name="Users")).to_have_count(0)
    await pages.get_by_role("link", name="Geofences").click()
    await expect(page.get_by_text("This is for store operations. You are signed in as viewer.")).to_be_visible()
    await expect(page.get_by_role("button", name="Draw area")).to_have_count(0)
    await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
    await expect(page.get_by_label("Name")).to_be_disabled()
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)
    await pages.get_by_role("link", name="Settings").click()
    parts = page.get_by_role("navigation", name="Settings")
    await expect(parts.get_by_role("link", name="Versions")).to_be_visible()
    await expect(parts.get_by_role("link", name="API keys")).to_have_count(0)
    await expect(page.get_by_label("Pushes in 24 hours")).to_be_disabled()


async def test_privacy_officer_finds_users_and_the_audit_log(page: Page, served: Served) -> None:
    """A privacy officer is offered users and the audit log, and nothing of what goes on."""
    await enter_as(page, served, "Paula", role="privacy")
    pages = page.get_by_role("navigation", name="Pages")
    await expect(pages.get_by_role("link", name="Live")).to_have_count(0)
    await pages.get_by_role("link", name="Users").click()
    await expect(page.get_by_label("User id")).to_be_visible()
    await pages.get_by_role("link", name="Settings").click()
    await page.get_by_role("navigation", name="Settings").get_by_role("link", name="Audit log").click()
    await expect(page.get_by_role("region", name="Audit log").get_by_role("listitem").first).to_be_visible()


async def test_store_operations_change_their_own_stores_only(page: Page, served: Served) -> None:
    """A key of store operations saves a store that has its tag; another store is refused with the reason."""
    own, other = real_stores(2)
    own["properties"]["tags"].append("north")
    assert (await served.call("PUT", "/v1/geofences/" + own["id"].replace("/", "%2F"), own))[0] == 200
    await enter_as(page, served, "Sami", role="store_ops", tags=["north"])
    await page.get_by_role("link", name="Geofences").click()
    for store, said in ((own, "Saved. It is live"), (other, "north")):
        await page.get_by_role("searchbox").fill(store["id"])
        await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
        await page.get_by_label("Name").fill("Renamed")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text(said).last).to_be_visible()
        if store is own:
            await page.get_by_role("button", name="Back to the list").click()
    assert (await served.geofence(other["id"]) or {})["properties"]["name"] != "Renamed"
