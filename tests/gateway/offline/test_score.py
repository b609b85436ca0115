"""Scoring: what counts as found, what as announced in vain, and what the command prints."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from shapely.geometry import mapping

from gateway.offline.detection import Detection, detect_naive, read_tracks
from gateway.offline.score import TrueVisit, main, reliability, score
from geofences.covering import cover
from geofences.index import GeofenceIndex
from geofences.model import Ping
from tests.geofences.strolls import START_MS, Phone, Town, stroll, visit_legs

TOWN = Town()
VISIT = TrueVisit("u", "s", 0, 300_000)


def _found(announced_s: int, ended_s: int, store: str = "s", user: str = "u", probability: float = 1.0) -> Detection:
    return Detection(user, store, announced_s * 1000, ended_s * 1000, probability)


@pytest.mark.parametrize(
    ("detections", "precision", "recall", "per_visit", "f1_one_to_one"),
    [
        ([], 0.0, 0.0, 0.0, 0.0),
        ([_found(90, 200)], 1.0, 1.0, 1.0, 1.0),
        ([_found(299, 400)], 1.0, 1.0, 1.0, 1.0),
        ([_found(301, 400)], 0.0, 0.0, 1.0, 0.0),
        ([_found(90, 200, store="t")], 0.0, 0.0, 1.0, 0.0),
        ([_found(90, 200, user="v")], 0.0, 0.0, 1.0, 0.0),
        ([_found(60, 90, store="t"), _found(90, 300)], 0.5, 1.0, 2.0, 2 / 3),
        ([_found(60, 90), _found(150, 300)], 1.0, 1.0, 2.0, 2 / 3),
    ],
    ids=["silence", "in time", "late", "too late", "wrong store", "wrong user", "corrected", "twice"],
)
def test_every_announcement_counts(
    detections: list[Detection], precision: float, recall: float, per_visit: float, f1_one_to_one: float
) -> None:
    result = score(detections, [VISIT])
    assert (result.precision, result.recall, result.detections_per_visit) == (precision, recall, per_visit)
    assert result.f1_one_to_one == pytest.approx(f1_one_to_one)


def test_short_visits_are_not_looked_for_and_delay_starts_after_the_dwell() -> None:
    short = TrueVisit("u", "t", 0, 119_000)
    result = score([_found(100, 300), _found(140, 300)], [VISIT, short], min_visit_s=120, dwell_s=60)
    assert result.visits == 1
    assert result.delay_s_p50 == 40.0


def test_reliability_compares_what_was_said_with_what_was_true() -> None:
    bins = reliability([_found(90, 200, probability=0.55), _found(90, 200, "t", probability=0.65)], [VISIT])
    assert [(b.low, b.detections, b.mean_probability, b.right_ratio) for b in bins] == [
        (0.5, 1, 0.55, 1.0),
        (0.6, 1, 0.65, 0.0),
    ]


def test_the_naive_rule_bridges_a_minute_and_asks_for_the_whole_dwell() -> None:
    shop = TOWN.shop("s", 0, 0, 20, 20)
    index = GeofenceIndex.build([(shop, cover(shop.shape))])
    lat, lng = TOWN.place(10, 10)

    def naive(*at_s: int) -> list[Detection]:
        return list(detect_naive([[Ping("u", s * 1000, lat, lng) for s in at_s]], index, 120))

    assert naive(0, 60, 119) == []
    assert naive(0, 60, 120, 150) == [_found(120, 150)]
    assert naive(0, 61, 120, 150) == []


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A street of 50 m shops, twelve people who each visit one of them, and what they truly did."""
    street = TOWN.street(6, width=50.0, depth=24.0)
    features = [
        {"type": "Feature", "id": f.id, "properties": {}, "geometry": mapping(f.shape)}  # type: ignore[arg-type]
        for f in street
    ]
    (tmp_path / "f.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with (tmp_path / "p.ndjson").open("w") as pings, (tmp_path / "v.csv").open("w", newline="") as visits:
        rows = csv.writer(visits)
        rows.writerow(["ts_in", "ts_out", "user_id", "store_id"])
        for user in range(12):
            walk = stroll(TOWN, random.Random(user), visit_legs(25.0 + 50 * (user % 6)), Phone(sigma_m=3.0), f"u{user}")
            for p in walk:
                wire = {"user_id": p.user_id, "ts": p.at_ms, "lat": p.lat, "lon": p.lng}
                pings.write(json.dumps(wire | {"accuracy": p.accuracy_m, "speed": p.speed_mps}) + "\n")
            rows.writerow([START_MS + 90_000, START_MS + 390_000, f"u{user}", f"shop-{user % 6}"])
    return [f"--{name}={tmp_path / file}" for name, file in
            [("geofences", "f.geojson"), ("pings", "p.ndjson"), ("visits", "v.csv")]]  # fmt: skip


@pytest.mark.parametrize("loss", ["--speed=as-is", "--speed=none", "--speed=noisy", "--accuracy=flat"])
def test_the_command_finds_the_visits_of_a_street_whatever_phones_fail_to_report(
    files: list[str], loss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--json", loss]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["f1"] >= 0.85
    assert result["detections_per_visit"] <= 1.3
    assert set(result) >= {"precision", "recall", "f1", "delay_s_p50", "detections_per_visit"}


def test_a_higher_probability_is_announced_less_often_and_more_precisely(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    results = []
    for probability in ("0", "0.95"):
        assert main([*files, "--json", f"--min-probability={probability}"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[1]["detections"] <= results[0]["detections"]
    assert results[1]["precision"] >= results[0]["precision"]


def test_the_plain_output_names_every_figure_and_the_table_every_level(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--method=naive"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(
        type(score([], [])).__struct_fields__
    )
    assert main([*files, "--table"]) == 0
    table = capsys.readouterr().out
    assert all(f"\n{level:15.2f}" in table for level in (0.45, 0.6, 0.9))


def test_noise_on_the_speed_is_the_same_at_every_run(files: list[str]) -> None:
    path = Path(files[1].removeprefix("--pings="))
    assert read_tracks(path, "noisy") == read_tracks(path, "noisy")
    assert read_tracks(path, "noisy") != read_tracks(path)
    assert all(ping.speed_mps is None for track in read_tracks(path, "none") for ping in track)


def test_a_flat_accuracy_is_as_good_indoors_as_out_and_leaves_useless_fixes_useless(tmp_path: Path) -> None:
    path = tmp_path / "p.ndjson"
    fixes = [5.0, 6.0, 20.0, 900.0] * 50
    lines = [{"user_id": "u", "ts": i, "lat": 1, "lon": 1, "accuracy": m} for i, m in enumerate(fixes)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    [track] = read_tracks(path, accuracy="flat")
    assert all(5.0 < (ping.accuracy_m or 0) < 40.0 or ping.accuracy_m == 900.0 for ping in track)
    assert sum(ping.accuracy_m == 900.0 for ping in track) == 50


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("ts_in,ts_out\n1,2\n", "line 2"), ("ts_in,ts_out,user_id,store_id\n1,x,u,s\n", "line 2"), (None, "No such file")],
)
def test_a_bad_file_of_visits_is_named_with_its_line(
    files: list[str], content: str | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(files[2].removeprefix("--visits="))
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert main(files) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert str(path) in error
