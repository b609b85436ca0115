"""The README's own commands, run as they stand there."""

import re
import subprocess
from pathlib import Path

from gateway.demo.child import serving

TREE = Path(__file__).parents[2]


def block(marker: str) -> str:
    """The shell commands of the fenced block that follows the marker."""
    readme = (TREE / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```", readme, re.DOTALL)
    assert found is not None, marker
    return found[1]


async def test_the_walkthrough_ends_in_a_decision_to_push(tmp_path: Path) -> None:
    """Store, offer, shopper, phone and ping by curl; the explanation names the offer, and every call succeeds."""
    async with serving(tmp_path, 0, {"log_level": "warning"}) as gateway:
        commands = re.sub(r"^gateway=.*$", f"gateway={gateway.url}", block("walkthrough"), flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            env={"PATH": "/usr/bin:/bin", "ADMIN_KEY": gateway.admin_key},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert '"accepted":1' in done.stdout.replace(" ", "")
    assert "warm-bread" in done.stdout


def test_the_test_command_is_one_that_make_check_can_run() -> None:
    command = block("test command").strip()
    subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=TREE, check=True, capture_output=True)
