"""The Settings page in a real browser against a real gateway: the brand's policy, and keys."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.console.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_policy_is_changed_and_the_rest_of_it_kept(page: Page, served: Served) -> None:
    """Quiet hours and limits are changed in place; members that the page does not show stay."""
    policy = {"attributes": {"member": "bool"}, "caps": [{"scope": "brand", "max": 5}, {"scope": "user", "max": 2}]}
    assert (await served.call("PUT", "/v1/policy", policy))[0] == 200
    await page.goto(served.address("settings"))
    await page.get_by_label("Pushes in 24 hours").fill("1")
    await page.get_by_label("Hours between any two").fill("4")
    await page.get_by_label("From", exact=True).fill("20:00")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("It holds for every push")).to_be_visible()
    _, stored = await served.call("GET", "/v1/policy")
    assert stored["attributes"] == {"member": "bool"}
    assert sorted((cap["scope"], cap["max"]) for cap in stored["caps"]) == [("brand", 5), ("user", 1)]
    assert stored["min_gap_s"] == 4 * 3600
    assert stored["quiet_hours"]["start"] == "20:00"


async def test_policy_that_cannot_be_is_refused_at_its_field(page: Page, served: Served) -> None:
    """A fault in the policy stands at its field, and nothing is stored."""
    await page.goto(served.address("settings"))
    await page.get_by_label("From", exact=True).fill("25:00")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("From", exact=True)).to_have_attribute("aria-invalid", "true")


async def test_key_is_made_shown_once_and_revoked(page: Page, served: Served) -> None:
    """A new key's secret works and is shown once; a revoked key is gone from the list."""
    await page.goto(served.address("settings"))
    await page.get_by_label("New key for").fill("Android app")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_text("The key of Android app")).to_be_visible()
    secret = await page.locator(".advice pre").inner_text()
    headers = {"Authorization": f"Bearer {secret}"}
    async with served.session.post(served.url + "/v1/pings", json=[], headers=headers) as answer:
        assert answer.status != 401
    await page.reload()
    await expect(page.get_by_role("button", name="Revoke Android app")).to_be_visible()
    assert secret not in await page.content()
    await page.get_by_role("button", name="Revoke Android app").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("Revoked.")).to_be_visible()
    await expect(page.get_by_role("button", name="Revoke Android app")).to_have_count(0)


async def test_key_without_admin_sees_no_keys(page: Page, served: Served) -> None:
    """Signed in with scope ops, the page says what is missing instead of failing."""
    _, made = await served.call("POST", "/v1/keys", {"name": "console", "scopes": ["ops"]})
    await page.goto(f"{served.url}/console/settings#key={made['secret']}")
    await expect(page.get_by_role("region", name="API keys")).to_contain_text("Sign in with a key of scope admin")


async def test_catalog_goes_back_to_what_it_was(page: Page, served: Served) -> None:
    """A version of the past can be made present again, and that too is a version."""
    store = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [24.9, 60.2]},
        "properties": {"radius_m": 50},
    }
    assert (await served.call("PUT", "/v1/geofences/mistake", store))[0] == 200
    await page.goto(served.address("settings"))
    history = page.get_by_role("region", name="History")
    await history.get_by_role("button", name="Go back to this").first.click()
    await page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    await expect(page.get_by_text("Done. It is live")).to_be_visible()
    assert await served.geofence("mistake") is None
