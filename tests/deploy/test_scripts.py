"""The set-up scripts: what they say when something is missing that they may not install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
BASH = shutil.which("bash") or "/bin/bash"


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A PATH that holds no more than the scripts themselves need, and an ``id`` that is nobody's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("dirname", "env", "bash"):
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return folder


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!{BASH}\n{text}\n")
    (folder / name).chmod(0o755)


def run(commands: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASH, *words], env={"PATH": os.fspath(commands)}, capture_output=True, text=True, check=False
    )


def test_nothing_is_installed_when_every_command_is_here(commands: Path) -> None:
    done = run(commands, f"{DEPLOY}/debian.sh", "make test", "env=coreutils")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_root_or_sudo_the_missing_packages_are_named_at_once(commands: Path) -> None:
    script(commands, "id", "echo 1000")
    script(commands, "apt-get", "exit 9")
    done = run(commands, f"{DEPLOY}/debian.sh", "make test", "no-such-browser=chromium", "no-such-proxy=nginx-light")
    assert done.returncode == 1
    assert "make test needs Debian packages" in done.stderr
    assert "sudo apt-get install --no-install-recommends chromium nginx-light" in done.stderr


def test_root_installs_just_what_is_missing(commands: Path, tmp_path: Path) -> None:
    script(commands, "id", "echo 0")
    script(commands, "apt-get", f'echo "$@" >> {tmp_path}/calls')
    done = run(commands, f"{DEPLOY}/debian.sh", "make test", "env=coreutils", "no-such-browser=chromium")
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1].endswith(" chromium")
    assert "coreutils" not in calls[-1]


def test_an_old_python_is_refused_by_its_version(commands: Path) -> None:
    script(commands, "oldpython", '[ "$1" = --version ] && echo "Python 3.9.2"; exit 1')
    done = run(commands, f"{DEPLOY}/venv.sh", "oldpython", "nowhere")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; Python 3.9.2 is here" in done.stderr


def test_a_virtual_environment_comes_from_the_python_that_was_named(commands: Path, tmp_path: Path) -> None:
    (commands / "python3").symlink_to(sys.executable)
    done = run(commands, f"{DEPLOY}/venv.sh", f"{commands}/python3", f"{tmp_path}/environment")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "environment" / "bin" / "python").exists()


def test_a_node_that_is_too_old_is_refused(commands: Path) -> None:
    script(commands, "npm", "exit 0")
    script(commands, "node", "exit 1")
    done = run(commands, f"{DEPLOY}/node.sh")
    assert done.returncode == 1
    assert "Node 18 or newer" in done.stderr
