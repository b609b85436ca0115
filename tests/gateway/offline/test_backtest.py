"""A backtest says who would have got what, what stopped the rest, and what never fires."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.offline.backtest import main
from gateway.offline.folder import Folder, read_folder, write_folder
from tests.journeys.conftest import AWAKE, INSIDE, OUTSIDE, SQUARE, offer

START_MS = 1_767_603_600_000
WALK = [OUTSIDE, INSIDE, INSIDE, OUTSIDE, OUTSIDE]


def written(folder: Path, *offers: dict[str, Any]) -> Path:
    write_folder(folder, Folder({"cafe": SQUARE | {"id": "cafe"}}, {one["id"]: one for one in offers}, AWAKE))
    return folder


def pings_of(folder: Path, *users: str) -> Path:
    file = folder / "pings.ndjson"
    lines = [
        {"user_id": user, "ts": START_MS + 10_000 * n, "lat": lat, "lon": lon, "accuracy": 5}
        for n, (lat, lon) in enumerate(WALK)
        for user in users
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_backtest_counts_sends_and_names_the_gate_that_stopped_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two walkers and a stock of one: one send, one claim refused for stock, and an offer that nobody wakes."""
    catalog = written(
        tmp_path / "catalog",
        offer(status="draft", stock=1),
        offer(id="late", trigger={"type": "dwell", "dwell_s": 3600}),
        offer(id="members", audience="user.member == true", priority=5),
    )
    told = run(capsys, "--catalog", catalog, "--pings", pings_of(tmp_path, "ann", "bo"))
    assert (told["pings"], told["users"], told["sends"]) == (10, 2, 1)
    assert told["users_by_sends"] == {"0": 1, "1": 1}
    assert told["claim_refusals"] == {"stock": 1}
    assert told["never_fired"]["members"].startswith("audience stopped 2 of 2")
    assert told["never_fired"]["late"].startswith("never woken")


def test_a_text_that_tells_what_is_left_follows_the_backtests_own_stock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three units the first walker leaves two, of which the audience lets the second take none."""
    messages = {"en": {"title": "{{ offer.left }} left", "body": "Come in."}}
    catalog = written(tmp_path / "catalog", offer(stock=3, audience="offer.left > 2", messages=messages))
    told = run(capsys, "--catalog", catalog, "--pings", pings_of(tmp_path, "ann", "bo"))
    [result] = told["offers"]
    assert (result["sends"], result["stopped_by"]) == (1, {"audience": 1})


def test_profiles_decide_who_is_in_an_audience(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user of the profiles file has its attributes and consents; another has given every consent."""
    catalog = written(tmp_path / "catalog", offer(audience="user.member == true"))
    profiles = tmp_path / "profiles.ndjson"
    profiles.write_text('{"user_id": "ann", "attributes": {"member": true}}\n')
    pings = pings_of(tmp_path, "ann", "bo")
    told = run(capsys, "--catalog", catalog, "--pings", pings, "--profiles", profiles)
    assert told["offers"][0]["sends_by_store"] == {"cafe": 1}


def test_a_review_request_fires_after_its_delay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is due after the last ping still happens, up to a day later."""
    catalog = written(tmp_path / "catalog", offer(trigger={"type": "exit", "delay_s": 7200}))
    told = run(capsys, "--catalog", catalog, "--pings", pings_of(tmp_path, "ann"))
    assert told["offers"][0]["sends_by_hour"] == {"11": 1}


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("offers/coffee.yaml", "id: coffee\nname: [", "coffee.yaml"),
        ("offers/coffee.yaml", "- a list", "must hold an object"),
        ("offers/other.yaml", "id: coffee\n", "is in another file too"),
        ("geofences.geojson", '{"type": "FeatureCollection", "features": [{}]}', "needs an id"),
        ("policy.yaml", "caps: 3", "caps"),
    ],
)
def test_a_faulty_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, said: str
) -> None:
    """One line on stderr names the file and what is wrong in it."""
    catalog = written(tmp_path / "catalog", offer())
    (catalog / file).write_text(text)
    assert main(["--catalog", str(catalog), "--pings", str(pings_of(tmp_path, "ann"))]) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert len(complaint.splitlines()) == 1


def test_a_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Times, dates and words like no survive YAML, and files of removed offers go."""
    tricky = offer(
        id="a:b/c", weekly=[{"start": "12:00", "end": "14:30"}], campaign={"start": "2026-01-05"}, name="no", value=1.5
    )
    folder = Folder({"cafe": SQUARE | {"id": "cafe"}}, {"a:b/c": tricky, "gone": offer(id="gone")}, AWAKE)
    write_folder(tmp_path / "x", folder)
    assert read_folder(tmp_path / "x") == folder
    fewer = msgspec.structs.replace(folder, offers={"a:b/c": tricky})
    write_folder(tmp_path / "x", fewer)
    assert read_folder(tmp_path / "x") == fewer


def test_an_unquoted_time_stays_a_time(tmp_path: Path) -> None:
    """YAML's own rules would make 12:00 the number 720."""
    catalog = written(tmp_path / "catalog")
    (catalog / "offers" / "lunch.yaml").write_text("name: Lunch\nweekly:\n- {start: 12:00, end: 14:00}\nvalue: 2\n")
    assert read_folder(catalog).offers["lunch"]["weekly"] == [{"start": "12:00", "end": "14:00"}]
