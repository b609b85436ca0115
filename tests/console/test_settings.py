"""The Settings page in a real browser against a real gateway: the brand's policy, and keys."""

from __future__ import annotations

from pathlib import Path

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
    await page.goto(served.address("settings/keys"))
    await page.get_by_label("New key for").fill("Android app")
    await page.get_by_label("ingest").check()
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


async def test_key_gets_a_new_secret(page: Page, served: Served) -> None:
    """A key that was given a new secret shows that one, and stays the same key."""
    _, made = await served.call("POST", "/v1/keys", {"name": "till", "scopes": ["events"]})
    await page.goto(served.address("settings/keys"))
    await page.get_by_role("button", name="New secret for till").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make a new secret").click()
    await expect(page.get_by_text("The key of till")).to_be_visible()
    secret = await page.locator(".advice pre").inner_text()
    assert secret != made["secret"]
    async with served.session.get(served.url + "/v1/session", headers={"Authorization": f"Bearer {secret}"}) as answer:
        assert answer.status in {200, 403}
    await expect(page.get_by_role("button", name="Revoke till")).to_have_count(1)


async def test_catalog_goes_back_to_what_it_was(page: Page, served: Served) -> None:
    """A version of the past can be made present again, and that too is a version."""
    store = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [24.9, 60.2]},
        "properties": {"radius_m": 50},
    }
    assert (await served.call("PUT", "/v1/geofences/mistake", store))[0] == 200
    await page.goto(served.address("settings/versions"))
    versions = page.get_by_role("region", name="Versions")
    await versions.get_by_role("button", name="Go back to this").first.click()
    question = page.get_by_role("dialog")
    await expect(question).to_contain_text("1 geofence")
    await question.get_by_role("button", name="Go back").click()
    await expect(page.get_by_text("Done. It is live")).to_be_visible()
    assert await served.geofence("mistake") is None


async def test_version_shows_what_changed_in_it(page: Page, served: Served) -> None:
    """A version names the documents that it changed, and each shows its members before and after."""
    offer = {"name": "Soup", "targets": {"all": True}, "trigger": {"type": "enter"}}
    for title in ("Soup of the day", "Soup for two"):
        document = offer | {"messages": {"en": {"title": title, "body": "Come in."}}}
        assert (await served.call("PUT", "/v1/offers/soup", document))[0] == 200
    await page.goto(served.address("settings/versions"))
    await page.get_by_role("button", name="What changed in version").first.click()
    changed = page.get_by_role("listitem").filter(has_text="changed Offer Soup")
    await changed.locator("summary").click()
    row = changed.get_by_role("row").filter(has_text="/messages/en/title")
    await expect(row.locator("del")).to_have_text("Soup of the day")
    await expect(row.locator("ins")).to_have_text("Soup for two")


async def test_audit_log_tells_who_did_what_before_and_after(page: Page, served: Served) -> None:
    """The audit log has each change with who made it, what it was and what it became; it can be searched."""
    assert (await served.call("PUT", "/v1/policy", {"max_accuracy_m": 50}))[0] == 200
    assert (await served.call("PUT", "/v1/policy", {"max_accuracy_m": 60}))[0] == 200
    await page.goto(served.address("settings/audit"))
    await page.get_by_label("Kind").select_option("Policy")
    await page.get_by_label("Find in the log").fill("first admin")
    newest = page.get_by_role("region", name="Audit log").get_by_role("listitem").first
    await expect(newest).to_contain_text("first admin")
    await newest.get_by_role("button", name="Before and after").click()
    row = newest.get_by_role("row").filter(has_text="/max_accuracy_m")
    await expect(row.locator("del")).to_have_text("50")
    await expect(row.locator("ins")).to_have_text("60")


async def test_audit_log_is_asked_for_days_and_for_one_key(page: Page, served: Served) -> None:
    """Days are this browser's, the last one whole; a click on who did something shows what else that key did."""
    status, made = await served.call("POST", "/v1/keys", {"name": "campaign desk", "scopes": ["ops"]})
    assert status == 201
    assert (await served.call("PUT", "/v1/policy", {"max_accuracy_m": 55}, key=made["secret"]))[0] == 200
    await page.goto(served.address("settings/audit"))
    entries = page.get_by_role("region", name="Audit log").get_by_role("listitem")
    await expect(entries.first).to_contain_text("campaign desk")
    await entries.first.get_by_role("button", name="campaign desk").click()
    await expect(entries).to_have_count(1)
    today = await page.evaluate("new Date().toLocaleDateString('sv')")
    await page.get_by_label("Since").fill(today)
    await page.get_by_label("Until").fill(today)
    await expect(entries).to_have_count(1)
    await page.get_by_label("Until").fill("2001-02-03")
    await page.get_by_label("Since").fill("2001-02-03")
    await expect(page.get_by_text("Nothing of what you ask for.")).to_be_visible()
    for day in ("Since", "Until"):
        await page.get_by_label(day).fill("")
    await page.get_by_role("button", name="Only campaign desk").click()
    await expect(entries.filter(has_text="first admin").first).to_be_visible()


async def given_up(served: Served, **users: str) -> None:
    """A store's offer, and a push of it for each user that was given up for a reason."""
    square = {"type": "Polygon", "coordinates": [[[25, 60], [25.01, 60], [25.01, 60.01], [25, 60.01], [25, 60]]]}
    shop = {"type": "Feature", "properties": {"name": "Corner Café"}, "geometry": square}
    assert (await served.call("PUT", "/v1/geofences/cafe-1", shop))[0] in {200, 201}
    offer = {
        "name": "Two croissants",
        "targets": {"geofences": ["cafe-1"]},
        "trigger": {"type": "enter"},
        "messages": {"en": {"title": "Croissants", "body": "Have two at {{ store.name }}."}},
    }
    assert (await served.call("PUT", "/v1/offers/croissant", offer))[0] in {200, 201}
    for user_id, reason in users.items():
        await served.bury(user_id, reason)


async def test_dead_letters_are_tried_again_or_discarded(page: Page, served: Served) -> None:
    """What may be sent now goes out; what may not stays and says why; the rest is forgotten after a question."""
    await given_up(served, ann="terminal: apns Unregistered", ben="terminal: apns Unregistered")
    await served.call("PUT", "/v1/users/ann", {"consent": {"location": True, "push": True}})
    await page.goto(served.address("settings/letters"))
    letters = page.get_by_role("region", name="Dead letters")
    await expect(letters.get_by_role("listitem")).to_have_count(2)
    await expect(letters.get_by_role("listitem").first).to_contain_text("terminal: apns Unregistered")
    await letters.get_by_label("All 2").check()
    await letters.get_by_role("button", name="Try 2 again").click()
    await expect(page.get_by_text("One push is being tried again. 1 may not be sent now.")).to_be_visible()
    await expect(letters.get_by_role("listitem")).to_have_count(1)
    await expect(letters.get_by_role("listitem")).to_contain_text("The shopper no longer agrees to pushes.")
    await letters.get_by_label("All 1").check()
    await letters.get_by_role("button", name="Discard").click()
    await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    await expect(letters).to_contain_text("None.")
    assert (await served.call("GET", "/v1/dead-letters"))[1]["total"] == 0


async def test_dead_letters_are_found_by_what_one_asks_for_and_tried_all_at_once(page: Page, served: Served) -> None:
    """A hundred at a time, by offer, channel and reason; those not shown yet can be tried again too."""
    users = {f"u{n}": "expired: fcm breaker_open" for n in range(120)}
    await given_up(served, **users, zoe="terminal: apns Unregistered")
    for user_id in (*users, "zoe"):
        await served.call("PUT", f"/v1/users/{user_id}", {"consent": {"location": True, "push": True}})
    await page.goto(served.address("settings/letters"))
    letters = page.get_by_role("region", name="Dead letters")
    await expect(letters.get_by_role("listitem")).to_have_count(100)
    await letters.get_by_role("button", name="Show earlier ones").click()
    await expect(letters.get_by_role("listitem")).to_have_count(121)
    await letters.get_by_label("Channel").select_option("APNs")
    await expect(letters.get_by_role("listitem")).to_have_count(1)
    await letters.get_by_label("Channel").select_option("FCM")
    await letters.get_by_label("Reason").fill("Breaker")
    await letters.get_by_label("Reason").press("Enter")
    await expect(letters.get_by_role("listitem")).to_have_count(100)
    await letters.get_by_role("button", name="Try all that match again").click()
    await page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("120 pushes are tried again.")).to_be_visible()
    assert (await served.call("GET", "/v1/dead-letters"))[1]["total"] == 1


async def test_pool_of_codes_is_filled_from_a_file(page: Page, served: Served, tmp_path: Path) -> None:
    """A text file of codes fills a pool; what is left is shown, and what was there already is said."""
    path = tmp_path / "codes.txt"
    path.write_text("\n".join(f"WINTER-{number}" for number in range(2_000)))
    await page.goto(served.address("settings/codes"))
    for said in ("2,000 codes added to winter.", "0 codes added to winter. 2,000 were there already."):
        await page.get_by_label("Pool", exact=True).fill("winter")
        await page.get_by_label("File of codes").set_input_files(path)
        await page.get_by_role("button", name="Add the codes").click()
        await expect(page.get_by_text(said)).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="winter")).to_contain_text("2,000 of 2,000 left")


async def test_phone_is_let_in_by_a_qr_code(page: Page, served: Served) -> None:
    """A phone's app gets an address of its own, shown once with its QR code; removed, it is let in no more."""
    await page.goto(served.address("settings/phones"))
    await page.get_by_label("Name").fill("Jane's phone")
    await page.get_by_label("User id").fill("jane")
    await page.get_by_role("button", name="Let it in").click()
    code = page.get_by_role("img", name="QR code that sets up the app")
    await expect(code).to_be_visible()
    assert await code.evaluate("image => image.naturalWidth > 0")
    address = await page.locator(".set-up pre").first.inner_text()
    fix = {"_type": "location", "lat": 60.17, "lon": 24.94, "tst": 1_800_000_000, "acc": 5}
    async with served.session.post(address, json=fix) as answer:
        assert answer.status == 200
    await page.get_by_role("button", name="Remove Jane's phone").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Removed.")).to_be_visible()
    async with served.session.post(address, json=fix) as answer:
        assert answer.status == 401
