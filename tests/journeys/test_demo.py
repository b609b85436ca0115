"""``geopush demo`` from outside: what a person sees who tries geopush for the first time."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_S

TREE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shown() -> subprocess.CompletedProcess[str]:
    """One demo of fifteen seconds, on a port that was busy, in an environment with settings of its own."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        return subprocess.run(
            [sys.executable, "-m", "gateway", "demo", "--seconds", "15", "--port", str(port)],
            cwd=TREE, env=os.environ | {"GEOPUSH_NO_SUCH_SETTING": "1", "COLUMNS": "200"},
            capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip


def test_the_demo_succeeds_only_with_pushes_by_both_channels(shown: subprocess.CompletedProcess[str]) -> None:
    assert shown.returncode == 0, shown.stdout[-2000:] + shown.stderr[-2000:]
    accepted = json.loads(shown.stdout.splitlines()[-1])["pushes_accepted"]
    assert min(accepted["apns"], accepted["fcm"]) > 0


def test_the_demos_last_line_is_its_summary(shown: subprocess.CompletedProcess[str]) -> None:
    result = json.loads(shown.stdout.splitlines()[-1])
    assert list(result) == [
        "pings", "transitions", "decisions", "pushes_accepted", "refused_by_gate", "ping_to_accepted_ms", "reactions",
    ]  # fmt: skip
    assert result["pings"] > 200
    assert result["transitions"] > 0
    assert result["decisions"] > 0
    assert result["refused_by_gate"]["consent"] > 0
    assert 0 < result["reactions"]["opened"] < sum(result["pushes_accepted"].values())
    assert 0 < result["ping_to_accepted_ms"]["p50"] <= result["ping_to_accepted_ms"]["p99"]


def test_the_demo_says_where_it_is_and_what_is_not_as_in_earnest(shown: subprocess.CompletedProcess[str]) -> None:
    assert "geopush listens on http://127.0.0.1:" in shown.stdout
    assert "/console/#key=" in shown.stdout
    assert "quiet hours are off" in shown.stdout
    assert "© OpenStreetMap contributors" in shown.stdout


def test_pushes_are_shown_as_on_a_phone_and_the_live_line_goes_on(shown: subprocess.CompletedProcess[str]) -> None:
    accepted = json.loads(shown.stdout.splitlines()[-1])["pushes_accepted"]
    assert 0 < shown.stdout.count("iPhone · APNs") <= accepted["apns"]
    assert 0 < shown.stdout.count("Android · FCM") <= accepted["fcm"]
    assert " pings/s · " in shown.stdout


def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    """Neither its gateway, nor the gateway's Redis and sandbox: ``kill -9``, once shoppers walk."""
    demo = psutil.Popen(
        [sys.executable, "-m", "gateway", "demo", "--port", "0"],
        cwd=TREE, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with demo.stdout as said:
        assert any("/console/#key=" in line for line in said)
        descendants = demo.children(recursive=True)
        assert len(descendants) == 3
        demo.kill()
        demo.wait()
        left = psutil.wait_procs(descendants, timeout=PATIENCE_S)[1]
    for process in left:
        process.kill()
    assert left == []
