"""The Simulator page in a real browser against a real gateway: a walk, its gates, and nothing stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")

KIOSK: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [24.9, 60.2]},
    "properties": {"name": "Lakeside kiosk", "radius_m": 60},
}
TUESDAY_NOON = "2026-11-24T12:00"


def offer(**changes: Any) -> dict[str, Any]:
    """Ice cream for whoever enters the kiosk."""
    return {
        "name": "Ice cream",
        "status": "active",
        "targets": {"geofences": ["kiosk"]},
        "trigger": {"type": "enter"},
        "quiet_hours": {"enabled": False},
        "messages": {"en": {"title": "Two scoops", "body": "Take two scoops at {{ store.name }}."}},
    } | changes


def walk_in(folder: Path) -> Path:
    """A GPX file of someone who comes from 200 m away and stays."""
    points = [60.2018 - 0.00018 * place for place in range(11)] + [60.2] * 5
    track = "".join(
        f'<trkpt lat="{lat:.6f}" lon="24.9"><time>2026-05-05T10:{place // 6:02}:{place % 6 * 10:02}Z</time></trkpt>'
        for place, lat in enumerate(points)
    )
    path = folder / "walk.gpx"
    path.write_text(f'<?xml version="1.0"?><gpx version="1.1"><trk><trkseg>{track}</trkseg></trk></gpx>')
    return path


async def open_walk(page: Page, served: Served, folder: Path, **changes: Any) -> None:
    """A kiosk, its offer, and the simulator with the walk in it."""
    assert (await served.call("PUT", "/v1/geofences/kiosk", KIOSK))[0] == 200
    status, answer = await served.call("PUT", "/v1/offers/ice-cream", offer(**changes))
    assert status == 200, answer
    await page.goto(served.address("simulator"))
    await page.get_by_label("GPX file").set_input_files(walk_in(folder))
    await expect(page.get_by_text("16 positions from the file.")).to_be_visible()
    await page.get_by_label("When").fill(TUESDAY_NOON)


async def test_walk_through_a_store_leads_to_a_push(page: Page, served: Served, tmp_path: Path) -> None:
    """A walk from a GPX file shows the enter, and the push as it would read, with every gate to open."""
    await open_walk(page, served, tmp_path)
    await page.get_by_role("button", name="Walk", exact=True).click()
    moments = page.get_by_role("list", name="What happened")
    await expect(moments).to_contain_text("Enters Lakeside kiosk")
    await expect(moments).to_contain_text("Take two scoops at Lakeside kiosk.")
    await moments.locator("summary").first.click()
    await expect(moments.get_by_role("row").filter(has_text="Claim")).to_contain_text("passed")


async def test_why_not_is_said_in_words(page: Page, served: Served, tmp_path: Path) -> None:
    """An offer that does not push says which gate stood in the way and what would have passed."""
    await open_walk(page, served, tmp_path, weekly=[{"days": ["sat", "sun"], "start": "10:00", "end": "18:00"}])
    await page.get_by_role("button", name="Walk", exact=True).click()
    moments = page.get_by_role("list", name="What happened")
    await expect(moments).to_contain_text("Outside the offer's hours: Sat, Sun 10:00-18:00. Possible after Sat 10:00.")


async def test_consent_can_be_taken_away_to_see(page: Page, served: Served, tmp_path: Path) -> None:
    """The made-up shopper's consents are part of the question."""
    await open_walk(page, served, tmp_path)
    await page.get_by_label("push").uncheck()
    await page.get_by_role("button", name="Walk", exact=True).click()
    moments = page.get_by_role("list", name="What happened")
    await expect(moments).to_contain_text("This shopper has not agreed to marketing pushes.")


async def test_walk_is_drawn_on_the_map(page: Page, served: Served) -> None:
    """Clicks on the map become a walk at a pace, and the walk can be cleared."""
    await page.goto(served.address("simulator"))
    await expect(page.locator(".stage-map")).to_have_attribute("aria-busy", "false")
    await page.mouse.click(400, 400)
    await page.mouse.click(430, 420)
    await expect(page.get_by_text("2 places")).to_be_visible()
    await page.get_by_role("button", name="Clear the walk").click()
    await expect(page.get_by_text("Click on the map where the walk begins")).to_be_visible()


async def test_file_that_is_no_walk_is_refused(page: Page, served: Served, tmp_path: Path) -> None:
    """A file without a track says what it lacks."""
    path = tmp_path / "empty.gpx"
    path.write_text('<?xml version="1.0"?><gpx version="1.1"></gpx>')
    await page.goto(served.address("simulator"))
    await page.get_by_label("GPX file").set_input_files(path)
    await expect(page.get_by_role("alert")).to_contain_text("no track")
