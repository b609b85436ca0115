"""Campaigns as code: a catalog goes to a folder and back, and only what differs is touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.offline.campaign import apply_main, export_main
from tests.journeys.conftest import Journey, open_shop


async def test_a_folder_is_exported_edited_compared_and_applied(
    journey: Journey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run says what would change and changes nothing; applying does it; then there is nothing left to do."""
    await open_shop(journey)
    folder, at = tmp_path / "campaign", ["--url", journey.url, "--key", journey.key]
    assert await asyncio.to_thread(export_main, [str(folder), *at]) == 0
    capsys.readouterr()

    async def applied(*options: str) -> str:
        assert await asyncio.to_thread(apply_main, [str(folder), *at, *options]) == 0
        return capsys.readouterr().out

    assert "nothing was changed" in await applied()
    coffee = folder / "offers" / "coffee.yaml"
    tea = coffee.read_text().replace("coffee", "tea").replace("Coffee", "Tea")
    (folder / "offers" / "tea.yaml").write_text(tea)
    coffee.write_text(coffee.read_text().replace("Coffee now", "Coffee at once"))
    told = await applied("--dry-run")
    assert "change  offer     coffee" in told
    assert "add     offer     tea" in told
    assert (await journey.call("GET", "/v1/offers/coffee"))["messages"]["en"]["title"] == "Coffee now"
    await applied()
    assert (await journey.call("GET", "/v1/offers/coffee"))["messages"]["en"]["title"] == "Coffee at once"
    (folder / "offers" / "tea.yaml").unlink()
    assert "nothing was changed" in await applied()
    assert "remove  offer     tea" in await applied("--prune")
    await journey.call("GET", "/v1/offers/tea", expect=404)


async def test_a_faulty_offer_is_refused_with_its_place(
    journey: Journey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway's own answer reaches the terminal, with the pointer."""
    await open_shop(journey)
    folder, at = tmp_path / "campaign", ["--url", journey.url, "--key", journey.key]
    await asyncio.to_thread(export_main, [str(folder), *at])
    (folder / "offers" / "coffee.yaml").write_text("id: coffee\nname: Coffee\ncolour: brown\n")
    assert await asyncio.to_thread(apply_main, [str(folder), *at]) == 1
    assert "/colour" in capsys.readouterr().err
