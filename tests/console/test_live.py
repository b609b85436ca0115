"""The Live page in a real browser: the map, who is present, and what is sent and held back as it happens."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import h3
import pytest
from playwright.async_api import Page, expect

from gateway.clock import now_ms
from tests.console.canned import KEY, CannedGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_live(page: Page, canned: CannedGateway) -> None:
    """Open the page as the demo's printed address does, and wait until it listens."""
    await page.goto(f"{canned.url}/console/#key={KEY}")
    await expect(page.get_by_role("banner").get_by_role("status")).to_have_text("Connected")
    while not canned.listeners:
        await asyncio.sleep(0.01)


def delivery(canned: CannedGateway, **changes: Any) -> dict[str, Any]:
    """A push that was accepted at the first store."""
    return {
        "type": "delivery",
        "at_ms": now_ms(),
        "push_id": "p1",
        "user": "ab12cd34ef",
        "offer_id": "cafe-lunch",
        "geofence_id": canned.stores[0]["id"],
        "provider": "apns",
        "status": "accepted",
        "code": None,
        "title": "Soup and bread for 8.90 €",
        "body": "Take a seat: today's soup is ready.",
        "ping_to_accepted_ms": 84,
    } | changes


def refusal(canned: CannedGateway, **changes: Any) -> dict[str, Any]:
    """A push that was held back at the second store."""
    return {
        "type": "decision",
        "at_ms": now_ms(),
        "user": "ab12cd34ef",
        "offer_id": "cafe-lunch",
        "geofence_id": canned.stores[1]["id"],
        "kind": "enter",
        "outcome": "refused",
        "gate": "active",
        "rule": "weekly",
        "actual": "Sat 16:12",
        "required": "mon,fri 10:30-14:00",
        "would_pass": "after Mon 10:30",
    } | changes


async def test_key_in_the_address_signs_in_and_is_wiped(page: Page, canned: CannedGateway) -> None:
    """The key of the address opens a session, and is gone from the address bar and the history."""
    await open_live(page, canned)
    assert KEY not in page.url
    assert await page.evaluate("history.length") <= 2
    await page.reload()
    await expect(page.get_by_role("banner").get_by_role("status")).to_have_text("Connected")


async def test_wrong_key_is_refused_in_words(page: Page, canned: CannedGateway) -> None:
    """A key that the gateway does not know opens no session; the page says so."""
    await page.goto(f"{canned.url}/console/")
    await page.get_by_label("API key").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("this API key is unknown")
    await page.get_by_label("API key").fill(KEY)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


async def test_signing_out_forgets_the_key(page: Page, canned: CannedGateway) -> None:
    """After signing out nothing of the key is left in the browser."""
    await open_live(page, canned)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    kept = await page.evaluate("[sessionStorage.length, localStorage.length, document.cookie.length]")
    assert kept == [0, 0, 0]


async def test_push_appears_as_the_shopper_sees_it(page: Page, canned: CannedGateway) -> None:
    """A push shows its title, text, store, provider, and how long after the ping it was accepted."""
    await open_live(page, canned)
    canned.tell(delivery(canned))
    push = page.get_by_role("listitem").filter(has_text="Soup and bread")
    await expect(push).to_contain_text("Take a seat: today's soup is ready.")
    await expect(push).to_contain_text(canned.stores[0]["properties"]["name"])
    await expect(push).to_contain_text("APNs")
    await expect(push).to_contain_text("84 ms after the ping")


async def test_refusal_gives_its_reason_in_words(page: Page, canned: CannedGateway) -> None:
    """A refusal names the gate, says why in a sentence, and when it would have passed."""
    await open_live(page, canned)
    canned.tell(refusal(canned))
    line = page.get_by_role("listitem").filter(has_text="Not running")
    await expect(line).to_contain_text("Outside the offer's hours: Mon, Fri 10:30-14:00. Possible after Mon 10:30.")
    await expect(line).to_contain_text("Lunch at the cafés")


async def test_same_refusals_are_one_line(page: Page, canned: CannedGateway) -> None:
    """What is refused for the same reason within a minute is one line with a count, so that pushes stay in sight."""
    await open_live(page, canned)
    canned.tell(*(refusal(canned, geofence_id=store["id"]) for store in canned.stores[:5]))
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await expect(page.get_by_role("listitem")).to_contain_text("5 times")
    await expect(page.get_by_role("listitem")).to_contain_text("5 stores")


async def test_figures_count_traffic_pushes_and_refusals(page: Page, canned: CannedGateway) -> None:
    """The figures show pings per second, users present, pushes by channel and refusals by gate."""
    await open_live(page, canned)
    cell = h3.latlng_to_cell(60.17, 24.94, 9)
    presence = {"type": "presence", "at_ms": 1, "users_present": 37, "pings_per_s": 412.4, "cells": {cell: 37}}
    canned.tell(
        presence,
        *(delivery(canned, provider=provider) for provider in ("apns", "fcm", "fcm")),
        delivery(canned, status="terminal", code="Unregistered"),
        refusal(canned),
        refusal(canned, gate="consent", rule="push"),
    )
    figures = page.get_by_role("region", name="Figures")
    await expect(figures).to_contain_text("412")
    await expect(figures).to_contain_text("37")
    for name, times in (("APNs", "1"), ("FCM", "2"), ("Failed", "1"), ("Not running", "1"), ("No consent", "1")):
        await expect(figures.locator("dl > div").filter(has_text=name).locator("dd")).to_have_text(times)


async def test_store_can_be_looked_at_alone(page: Page, canned: CannedGateway) -> None:
    """Choosing a refusal shows its store, and only what happens there, until all are wanted again."""
    await open_live(page, canned)
    canned.tell(delivery(canned), refusal(canned))
    await page.get_by_role("listitem").filter(has_text="Not running").get_by_role("button").click()
    card = page.get_by_role("article")
    await expect(card.get_by_role("heading")).to_have_text(canned.stores[1]["properties"]["name"])
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await card.get_by_role("button", name="Show all stores").click()
    await expect(page.get_by_role("listitem")).to_have_count(2)


async def test_push_opens_the_decision_behind_it(page: Page, canned: CannedGateway) -> None:
    """Choosing a push shows why it was sent, and what it was chosen from, gate by gate."""
    store = canned.stores[0]["id"]
    passed = [{"gate": "consent", "passed": True}, {"gate": "claim", "passed": True}]
    outranked = {"gate": "arbitration", "passed": False, "rule": "outranked_by", "actual": "cafe-lunch"}
    canned.decisions["p1"] = {
        "at_ms": 1,
        "push_ids": ["p1"],
        "candidates": [
            {"offer_id": "stamp", "geofence_id": store, "verdicts": [outranked], "refused_by": "arbitration"},
            {
                "offer_id": "cafe-lunch",
                "geofence_id": store,
                "transition": {"kind": "enter", "geofence_id": store},
                "verdicts": passed,
                "refused_by": None,
                "message": {"title": "Soup and bread for 8.90 €", "body": "Take a seat."},
            },
        ],
    }
    await open_live(page, canned)
    canned.tell(delivery(canned))
    await page.get_by_role("listitem").get_by_role("button").click()
    trace = page.get_by_role("article", name="Why this push was sent")
    await expect(trace).to_contain_text(f"Enters {canned.stores[0]['properties']['name']}")
    await expect(trace).to_contain_text("Lunch at the cafés came first.")
    await trace.get_by_role("button", name="Back to the feed").click()
    await expect(page.get_by_role("listitem")).to_have_count(1)


async def test_refusal_opens_the_decision_behind_it(page: Page, canned: CannedGateway) -> None:
    """Choosing what was held back shows the whole decision, with every gate's verdict."""
    store = canned.stores[1]["id"]
    verdicts = [
        {"gate": "consent", "passed": True},
        {"gate": "active", "passed": False, "rule": "weekly", "would_pass": "after Mon 10:30"},
    ]
    candidate = {"offer_id": "cafe-lunch", "geofence_id": store, "verdicts": verdicts, "refused_by": "active"}
    canned.decisions["d1"] = {"at_ms": 1, "push_ids": [], "candidates": [candidate]}
    await open_live(page, canned)
    canned.tell(refusal(canned, decision_id="d1"))
    await page.get_by_role("listitem").get_by_role("button").click()
    trace = page.get_by_role("article", name="Why no push was sent")
    await expect(trace).to_contain_text("Lunch at the cafés")
    await trace.locator("summary").click()
    await expect(trace.get_by_role("row").filter(has_text="Consent")).to_be_visible()


async def test_decision_that_was_forgotten_says_so(page: Page, canned: CannedGateway) -> None:
    """Traces are kept for some days only; a push without one says that."""
    await open_live(page, canned)
    canned.tell(delivery(canned))
    await page.get_by_role("listitem").get_by_role("button").click()
    await expect(page.get_by_role("article", name="Why this push was sent")).to_contain_text("no trace is kept")


async def test_feed_can_be_held_to_read(page: Page, canned: CannedGateway) -> None:
    """A held feed stands still while events go on, and shows them all once it runs again."""
    await open_live(page, canned)
    canned.tell(delivery(canned, title="First"))
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await page.get_by_role("button", name="Hold").click()
    canned.tell(delivery(canned, title="Second"))
    await expect(page.get_by_role("region", name="Figures")).to_contain_text("Pushes 2")
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await page.get_by_role("button", name="Run").click()
    await expect(page.get_by_role("listitem")).to_have_count(2)


async def test_stream_that_breaks_is_taken_up_again(page: Page, canned: CannedGateway) -> None:
    """When the gateway goes away the page says so, waits, and goes on by itself when it is back."""
    await open_live(page, canned)
    status = page.get_by_role("banner").get_by_role("status")
    canned.is_open = False
    canned.hang_up()
    await expect(status).to_contain_text("Reconnecting")
    canned.is_open = True
    await expect(status).to_have_text("Connected")
    canned.tell(delivery(canned))
    await expect(page.get_by_role("listitem")).to_have_count(1)


async def test_empty_catalog_teaches_how_to_fill_it(page: Page, canned: CannedGateway) -> None:
    """Without stores the page shows the command that uploads them."""
    canned.stores.clear()
    await open_live(page, canned)
    await expect(page.get_by_role("heading", name="No stores yet")).to_be_visible()
    await expect(page.locator("pre")).to_contain_text(f"{canned.url}/v1/geofences/import")


async def test_nobody_else_is_asked_for_anything(page: Page, canned: CannedGateway) -> None:
    """The page asks no other host for anything."""
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    await open_live(page, canned)
    canned.tell(delivery(canned))
    await expect(page.get_by_role("listitem")).to_have_count(1)
    assert hosts <= {urlsplit(canned.url).netloc, ""}
