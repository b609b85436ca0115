"""The documents: complete, in step with the code, and free of what must never be written down."""

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from gateway.settings import read_settings

TREE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", TREE / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", ["docs/reference.md", "deploy/settings.example.toml", "docs/roles.md"])
def test_what_is_written_from_the_code_is_in_step_with_it(reference: ModuleType, path: str) -> None:
    assert (TREE / path).read_text(encoding="utf-8") == reference.OUTPUTS[path](), "run: make docs"


def test_the_example_settings_are_the_defaults(tmp_path: Path) -> None:
    """With every line uncommented, the file is TOML and gives just what no file gives."""
    text = (TREE / "deploy/settings.example.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in text.splitlines() if re.match(r"# \w+ = ", line)]
    given = tomllib.loads("\n".join(line for line in lines if not line.endswith('""')))
    file = tmp_path / "settings.toml"
    file.write_text("\n".join(line for line in lines if not line.endswith('""')), encoding="utf-8")
    assert given
    assert read_settings({}, {}, file) == read_settings({}, {})


@pytest.mark.parametrize(
    "path", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/reference.md"]
)
def test_the_document_is_there(path: str) -> None:
    assert (TREE / path).stat().st_size > 200


def test_every_make_command_is_named_in_the_readme() -> None:
    readme = (TREE / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):.*## ", (TREE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [target for target in targets if f"make {target}" not in readme and target != "help"] == []


def test_every_room_of_the_gateway_has_its_place_in_the_architecture() -> None:
    architecture = (TREE / "ARCHITECTURE.md").read_text(encoding="utf-8")
    inside = (TREE / "gateway").iterdir()
    found = [path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()]
    rooms = [room for room in found if not room.startswith("__")]
    assert len(rooms) > 10
    assert [room for room in rooms if room not in architecture] == []


def test_the_readme_leads_to_every_document() -> None:
    readme = (TREE / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in TREE.glob("docs/*.md") if f"(docs/{page.name})" not in readme] == []


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*TREE.glob("*.md"), *TREE.glob("docs/*.md")]:
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_no_committed_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    """Lock files and documents must not tie the project to a package index's host or to one machine's folders."""
    hosts = ["pypi" + ".org", "pythonhost" + "ed.org", "npmjs" + ".org", "npmjs" + ".com", "deb.debian" + ".org"]
    places = ["/home" + "/", "/root" + "/", "/wo" + "rk/"]
    found = subprocess.run(
        ["git", "grep", "-nIF", *[word for term in hosts + places for word in ("-e", term)]],
        cwd=TREE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""


def test_every_module_is_short_enough_to_be_read() -> None:
    """Past 400 lines a module hides a second idea."""
    for package in ("geofences", "rules", "gateway", "bench"):
        for module in (TREE / package).rglob("*.py"):
            if "node_modules" not in module.parts:
                assert len(module.read_text(encoding="utf-8").splitlines()) <= 400, module
