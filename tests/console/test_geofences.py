"""The Geofences page in a real browser against a real gateway: draw, edit, import, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.canned import real_stores
from tests.console.served import STORES, Served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_page(page: Page, served: Served) -> None:
    """Open the page and wait until the stores are listed and the map stands still."""
    await page.goto(served.address("geofences"))
    await expect(page.get_by_role("searchbox")).to_have_attribute("placeholder", f"Search {STORES} geofences")
    await expect(page.locator(".stage-map")).to_have_attribute("aria-busy", "false")


async def drag_out(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Click at a place on the map, move, click again."""
    await page.mouse.click(*start)
    await page.mouse.move(*end, steps=5)
    await page.mouse.click(*end)


async def test_circle_is_drawn_named_and_saved(page: Page, served: Served) -> None:
    """A circle drawn on the map becomes a geofence with a centre and a radius once it is named and saved."""
    await open_page(page, served)
    await page.get_by_role("button", name="Draw circle").click()
    await drag_out(page, (500, 500), (560, 500))
    await page.get_by_label("Name").fill("Café Ekberg, Bulevardi")
    await page.get_by_label("Tags").fill("cafe")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    stored = await served.geofence("cafe-ekberg-bulevardi")
    assert stored is not None
    assert stored["geometry"]["type"] == "Point"
    assert stored["properties"]["radius_m"] > 1
    assert stored["properties"]["tags"] == ["cafe"]


async def test_area_is_drawn_corner_by_corner(page: Page, served: Served) -> None:
    """Clicked corners become a polygon, closed by clicking the first one again."""
    await open_page(page, served)
    await page.get_by_role("button", name="Draw area").click()
    for corner in ((400, 400), (480, 400), (480, 460), (400, 460), (400, 400)):
        await page.mouse.move(*corner, steps=3)
        await page.mouse.click(*corner)
    await page.get_by_label("Name").fill("Market square")
    await page.get_by_label("Id").fill("market")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    stored = await served.geofence("market")
    assert stored is not None
    assert len(stored["geometry"]["coordinates"][0]) == 5


async def test_stored_geofence_is_found_and_changed(page: Page, served: Served) -> None:
    """A geofence found by its name can be given another one; its shape stays exactly as it was."""
    store = next(s for s in real_stores(STORES) if s["properties"]["name"])
    before = await served.geofence(store["id"])
    assert before is not None
    await open_page(page, served)
    await page.get_by_role("searchbox").fill(store["properties"]["name"])
    await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
    await page.get_by_label("Name").fill("Renamed")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved. It is live")).to_be_visible()
    after = await served.geofence(store["id"])
    assert after is not None
    assert after["properties"] == before["properties"] | {"name": "Renamed"}
    assert after["geometry"] == before["geometry"]


async def test_edit_that_was_overtaken_is_not_lost_silently(page: Page, served: Served) -> None:
    """Saving over someone else's newer version is refused, and the page says what to do."""
    store = real_stores(STORES)[0]
    await open_page(page, served)
    await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
    await page.get_by_label("Name").fill("Mine")
    feature = await served.geofence(store["id"])
    assert feature is not None
    feature["properties"]["name"] = "Theirs"
    status, _ = await served.call("PUT", "/v1/geofences/" + store["id"].replace("/", "%2F"), feature)
    assert status == 200
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("Someone else changed it meanwhile")


async def test_unsaved_changes_are_asked_about(page: Page, served: Served) -> None:
    """Leaving an edited geofence asks first; Escape stays."""
    await open_page(page, served)
    await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
    await page.get_by_label("Name").fill("Half done")
    await page.get_by_role("button", name="Back to the list").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Leave without saving?")
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Name")).to_have_value("Half done")


async def test_deleting_asks_and_deletes(page: Page, served: Served) -> None:
    """A geofence is deleted after a question that names it."""
    store = real_stores(STORES)[0]
    await open_page(page, served)
    await page.get_by_role("list", name="Geofences").get_by_role("button").first.click()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("Deleted.")).to_be_visible()
    assert await served.geofence(store["id"]) is None


def messy_file(folder: Path) -> Path:
    """Two good stores, one that exists already and was changed, a bow-tie, and a store without a shape."""
    known = real_stores(1)[0]
    features: list[dict[str, Any]] = [
        known | {"properties": known["properties"] | {"name": "New owner"}},
        circle("kiosk-1", 24.9414, 60.1712),
        circle("kiosk-2", 24.9434, 60.1702),
        {
            "type": "Feature",
            "id": "bow-tie",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[24.94, 60.17], [24.942, 60.172], [24.942, 60.17], [24.94, 60.172], [24.94, 60.17]]],
            },
            "properties": {},
        },
        {"type": "Feature", "id": "no-shape", "geometry": None, "properties": {}},
    ]
    path = folder / "messy.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def circle(geofence_id: str, lng: float, lat: float) -> dict[str, Any]:
    """A kiosk of 30 m."""
    geometry = {"type": "Point", "coordinates": [lng, lat]}
    properties = {"name": geofence_id, "radius_m": 30}
    return {"type": "Feature", "id": geofence_id, "geometry": geometry, "properties": properties}


async def test_messy_file_is_tried_mended_shown_and_taken_in_part(page: Page, served: Served, tmp_path: Path) -> None:
    """A file is tried before it is stored: what it would change, what was mended and how, and what cannot be taken."""
    await open_page(page, served)
    await page.get_by_label("File to import").set_input_files(messy_file(tmp_path))
    panel = page.get_by_role("region", name="Geofences")
    for row in ("New3", "Changed1", "Left out1"):
        await expect(panel.locator("dl")).to_contain_text(row)
    await panel.get_by_text("Which ones").click()
    await expect(panel.locator("details.names").first).to_contain_text("New: kiosk-1, kiosk-2, bow-tie")
    mended = panel.get_by_role("region", name="Repairs").get_by_role("button").filter(has_text="bow-tie")
    await expect(mended).to_contain_text("m²")
    await mended.click()
    await expect(mended).to_have_attribute("aria-pressed", "true")
    faults = page.get_by_role("alert")
    await expect(faults).to_contain_text("feature 4")
    async with page.expect_download() as download:
        await faults.get_by_role("button", name="Download as CSV").click()
    assert (await download.value).suggested_filename == "import-errors.csv"
    assert await served.geofence("kiosk-1") is None
    await panel.get_by_role("button", name="Import the 4 good ones").click()
    await expect(page.get_by_text("Imported 4 geofences.")).to_be_visible()
    assert await served.geofence("kiosk-1") is not None
    mended_shape = await served.geofence("bow-tie")
    assert mended_shape is not None
    assert mended_shape["geometry"]["type"] == "MultiPolygon"


async def test_kml_is_imported(page: Page, served: Served, tmp_path: Path) -> None:
    """A KML file of a map that somebody drew becomes geofences; the page says what it was."""
    ring = "24.94,60.17 24.941,60.17 24.941,60.171 24.94,60.17"
    path = tmp_path / "drawn.kml"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark id="square"><name>Market square</name>'
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs>"
        "</Polygon></Placemark></Document></kml>"
    )
    await open_page(page, served)
    await page.get_by_label("File to import").set_input_files(path)
    panel = page.get_by_role("region", name="Geofences")
    await expect(panel).to_contain_text("KML")
    await panel.get_by_role("button", name="Import 1", exact=True).click()
    await expect(page.get_by_text("Imported one geofence.")).to_be_visible()


async def test_geofences_are_tagged_together(page: Page, served: Served) -> None:
    """All that a search finds are given a tag, and lose another, in one go."""
    await open_page(page, served)
    await page.get_by_role("searchbox").fill("restaurant")
    await page.get_by_role("button", name="Tag…").click()
    await page.get_by_label("Put on").fill("lunch")
    await page.keyboard.press("Enter")
    await page.get_by_label("Take off").fill("restaurant")
    await page.keyboard.press("Enter")
    await page.get_by_label("All", exact=False).check()
    await page.get_by_role("button", name="geofences", exact=False).filter(has_text="Tag ").click()
    await expect(page.get_by_text("geofences were changed. It is live.")).to_be_visible()
    found = [store for store in real_stores(STORES) if "restaurant" in store["properties"]["tags"]]
    stored = await served.geofence(found[0]["id"])
    assert stored is not None
    assert stored["properties"]["tags"] == ["lunch"]
    await expect(page.get_by_text("Nothing found")).to_be_visible()


async def test_replacing_says_what_it_would_remove(page: Page, served: Served, tmp_path: Path) -> None:
    """Asked to replace, the file's trial counts the stores that would go; cancelled, they stay."""
    path = tmp_path / "kiosk.geojson"
    path.write_text(json.dumps(circle("kiosk-1", 24.9414, 60.1712)))
    await open_page(page, served)
    await page.get_by_label("File to import").set_input_files(path)
    panel = page.get_by_role("region", name="Geofences")
    await panel.get_by_label("What the file says of others").select_option("replace")
    await expect(panel.locator("dl")).to_contain_text(f"Removed{STORES}")
    await panel.get_by_role("button", name="Cancel").click()
    assert await served.geofence(real_stores(1)[0]["id"]) is not None


async def test_csv_of_points_is_imported(page: Page, served: Served, tmp_path: Path) -> None:
    """A table with latitude, longitude and radius becomes circles."""
    path = tmp_path / "kiosks.csv"
    path.write_text("id,name,lat,lon,radius_m\nkiosk-9,Ninth kiosk,60.1712,24.9414,45\n")
    await open_page(page, served)
    await page.get_by_label("File to import").set_input_files(path)
    await page.get_by_role("button", name="Import 1", exact=True).click()
    await expect(page.get_by_text("Imported one geofence.")).to_be_visible()
    stored = await served.geofence("kiosk-9")
    assert stored is not None
    assert stored["properties"]["radius_m"] == 45


async def test_file_that_is_no_geojson_is_refused(page: Page, served: Served, tmp_path: Path) -> None:
    """A file of another kind changes nothing, and the page says what it lacks."""
    path = tmp_path / "stores.json"
    path.write_text("{ this is no JSON")
    await open_page(page, served)
    await page.get_by_label("File to import").set_input_files(path)
    await expect(page.get_by_role("alert")).to_contain_text("JSON")
