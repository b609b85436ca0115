"""Replay reproduces the truth of real stores, and says what is wrong with a file."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from gateway.offline.replay import main, replay
from geofences.transitions import Policy

MINI = Path(__file__).parents[2] / "data" / "helsinki_mini"
STORE = {
    "type": "Feature",
    "id": "s",
    "properties": {},
    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]},
}


def _run(tmp_path: Path, geofences: object, pings: list[object], *options: str) -> tuple[int, list[list[str]]]:
    stores, walk, events = tmp_path / "f.geojson", tmp_path / "p.ndjson", tmp_path / "out.csv"
    stores.write_text(json.dumps(geofences))
    walk.write_text("".join((p if isinstance(p, str) else json.dumps(p)) + "\n" for p in pings))
    argv = ["--geofences", str(stores), "--pings", str(walk), "--events", str(events), *options]
    status = main(argv)
    return status, list(csv.reader(events.open())) if events.exists() else []


def test_raw_in_time_order_equals_the_planar_truth_of_real_stores(tmp_path: Path) -> None:
    events = tmp_path / "events.csv.gz"
    summary = replay(MINI / "stores.geojson", MINI / "pings.ndjson.gz", Policy.RAW, "ts", events)
    assert summary.pings == 4824
    truth = (MINI / "expected_events.csv.gz").read_bytes()
    assert gzip.decompress(events.read_bytes()) == gzip.decompress(truth)


def test_two_replays_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        replay(MINI / "stores.geojson", MINI / "pings.ndjson.gz", Policy.DEFAULT, "arrival", tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_the_default_policy_tells_far_fewer_events_than_the_raw_one(tmp_path: Path) -> None:
    raw, default = (
        replay(MINI / "stores.geojson", MINI / "pings.ndjson.gz", policy, "ts", tmp_path / "e.csv").transitions
        for policy in (Policy.RAW, Policy.DEFAULT)
    )
    assert default["enter"] < raw["enter"] / 4


def test_arrival_order_drops_a_ping_that_is_not_newer_than_the_users_last(tmp_path: Path) -> None:
    def ping(ts: int, lat: float) -> dict[str, object]:
        return {"user_id": "u", "ts": ts, "lat": lat, "lon": 0.5, "accuracy": None, "speed": None, "heading": None}

    pings = [ping(1, 2), ping(5, 0.5), ping(3, 2), ping(5, 2), ping(6, 0.5)]
    _, late_dropped = _run(tmp_path, STORE, pings, "--policy", "raw", "--order", "arrival")
    assert late_dropped[1:] == [["5", "u", "s", "enter"]]


def test_exits_stand_before_enters_of_the_same_instant(tmp_path: Path) -> None:
    other = {**STORE, "id": "a", "geometry": {"type": "Polygon", "coordinates": [[[2, 0], [3, 0], [3, 1], [2, 0]]]}}
    pings = [{"user_id": "u", "ts": ts, "lat": 0.1, "lon": lon} for ts, lon in ((1, 0.5), (2, 2.5), (3, 0.5))]
    collection = {"type": "FeatureCollection", "features": [STORE, other]}
    _, rows = _run(tmp_path, collection, list(pings), "--policy", "raw")
    assert [row[2:] for row in rows[1:]] == [
        ["s", "enter"],
        ["s", "exit"],
        ["a", "enter"],
        ["a", "exit"],
        ["s", "enter"],
    ]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('{"user_id": "u", "ts": 1, "lat": "x", "lon": 0}', "line 2"),
        ('{"user_id": "u", "ts": 1, "lat": 91, "lon": 0}', "line 2: lat and lon"),
        ("{", "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str, said: str) -> None:
    good = {"user_id": "u", "ts": 1, "lat": 0, "lon": 0}
    status, _ = _run(tmp_path, STORE, [good, bad])
    assert status == 1
    assert said in capsys.readouterr().err


def test_a_bad_geofence_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = _run(tmp_path, {"type": "FeatureCollection", "features": [STORE, {**STORE, "id": None}]}, [])
    assert status == 1
    assert "first 1/id" in capsys.readouterr().err
