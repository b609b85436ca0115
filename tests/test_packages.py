"""The distribution: generic import names that are truly ours, and a wheel that holds what it needs to run."""

import email.parser
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TREE = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["geofences", "rules", "gateway"])
def test_the_imported_package_is_this_trees_own(name: str) -> None:
    """``rules`` and its sisters are also names on the package index: what is imported must lie here."""
    package = importlib.import_module(name)
    assert Path(package.__file__ or "").is_relative_to(TREE / name)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder],
        cwd=TREE, check=True, capture_output=True,
    )  # fmt: skip
    return zipfile.ZipFile(next(folder.glob("geopush_gateway-*.whl")))


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"geofences", "rules", "gateway"}


def test_every_module_and_script_of_the_tree_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    wanted = {
        path.relative_to(TREE).as_posix()
        for package in ("geofences", "rules", "gateway")
        for suffix in ("*.py", "*.lua")
        for path in (TREE / package).rglob(suffix)
        if "node_modules" not in path.parts
    }
    assert any(name.endswith(".lua") for name in wanted)
    assert wanted <= set(wheel.namelist())


def test_the_wheel_holds_the_demo_with_its_attribution(wheel: zipfile.ZipFile) -> None:
    data = {path.relative_to(TREE).as_posix() for path in (TREE / "gateway/demo/data").iterdir()}
    assert data <= set(wheel.namelist())
    assert b"OpenStreetMap contributors" in wheel.read("gateway/demo/data/ATTRIBUTION.md")


def test_the_wheel_holds_the_built_console_and_not_what_it_was_built_from(wheel: zipfile.ZipFile) -> None:
    built = [name for name in wheel.namelist() if name.startswith("gateway/console/")]
    assert "gateway/console/dist/index.html" in built
    assert not [name for name in built if "node_modules" in name or name.endswith((".ts", ".tsx", "package.json"))]


def test_the_wheels_metadata_names_every_direct_dependency_the_command_and_the_license(wheel: zipfile.ZipFile) -> None:
    folder = next(name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    metadata = email.parser.Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    lines = (TREE / "deploy/requirements.in").read_text().splitlines()
    direct = {Requirement(line) for line in lines if line.strip() and not line.startswith("#")}
    assert {Requirement(line) for line in metadata.get_all("Requires-Dist") or ()} == direct
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "geopush = gateway.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()
    assert {f"{folder}/licenses/LICENSE", f"{folder}/licenses/NOTICE"} <= set(wheel.namelist())


def test_the_wheels_command_runs_away_from_the_tree(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main(['--help']))"],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
