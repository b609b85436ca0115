"""The lock files: everything pinned with hashes, for every Python that the project runs on."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DEPLOY = Path(__file__).parents[2] / "deploy"


def pinned(name: str) -> dict[str, tuple[Requirement, int]]:
    """Each pinned requirement with the number of its hashes, by its canonical name."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / name).read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [(Requirement(line.split(" --hash")[0].strip()), line.count("--hash=sha256:")) for line in lines]
    return {canonicalize_name(requirement.name): (requirement, hashes) for requirement, hashes in found}


def direct(name: str) -> set[str]:
    lines = (DEPLOY / name).read_text().splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if line.strip() and line[0] not in "#-"}


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_package_is_pinned_to_one_version_with_hashes(name: str) -> None:
    for requirement, hashes in pinned(f"{name}.txt").values():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes > 0, requirement


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_direct_dependency_is_locked(name: str) -> None:
    assert direct(f"{name}.in") <= set(pinned(f"{name}.txt")), "run: make lock"


def test_the_development_lock_agrees_with_the_runtime_lock() -> None:
    runtime = pinned("requirements.txt")
    for name, (requirement, _) in pinned("requirements-dev.txt").items():
        if name in runtime:
            assert requirement.specifier == runtime[name][0].specifier, name


def test_the_lock_serves_pythons_older_than_the_one_that_wrote_it() -> None:
    """Debian 12 has Python 3.11.2, on which redis needs one package more than on 3.11.3: pip would refuse the lock."""
    marker = pinned("requirements.txt")["async-timeout"][0].marker
    assert marker is not None
    assert marker.evaluate({"python_full_version": "3.11.2"})
