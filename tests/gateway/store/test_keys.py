"""docs/redis.md names every key, and every script says its signature."""

from __future__ import annotations

import inspect
import re
from importlib import resources
from pathlib import Path

import pytest

from gateway.store import Store, keys
from tests.gateway.store.test_erasure import live

PAGE = (Path(__file__).parents[3] / "docs" / "redis.md").read_text(encoding="utf-8")
PATTERNS = [pattern for row in re.findall(r"^\| `(gp:[^`]+)`", PAGE, re.MULTILINE) for pattern in [row]]
PLACES = {"partition": 7, "version": 12, "kind": "offers", "day": "20260321"}
SCRIPTS = sorted(path.name for path in resources.files("gateway.store").joinpath("lua").iterdir())


def documented(key: str) -> bool:
    def matches(pattern: str) -> bool:
        escaped = re.escape(pattern).replace("pNN", r"p\d\d")
        return re.fullmatch(re.sub(r"<[^>]*>", "[^{}]+", escaped), key) is not None

    return any(matches(pattern) for pattern in PATTERNS)


def every_key() -> list[str]:
    found = [value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)]
    for name, function in inspect.getmembers(keys, inspect.isfunction):
        if name not in {"partition_of", "of_user", "around_user", "crc32"}:
            arguments = [
                PLACES.get(parameter, f"some-{parameter}") for parameter in inspect.signature(function).parameters
            ]
            found.append(function(*arguments))
    return found


@pytest.mark.parametrize("key", every_key())
def test_every_key_is_documented(key: str) -> None:
    assert documented(key) or f"`{key}`" in PAGE


async def test_nothing_is_stored_that_is_not_documented(store: Store) -> None:
    await live(store, "ann")
    await store.profiles.delete("ann")
    await live(store, "bob")
    stored = [key.decode() for key in await store.connection.call("KEYS", "*")]
    assert [key for key in stored if not documented(key)] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_says_its_keys_its_arguments_and_its_reply_first(script: str) -> None:
    source = resources.files("gateway.store").joinpath("lua", script).read_text(encoding="utf-8")
    header = source[: re.search(r"^(?!--)", source, re.MULTILINE).start()]  # type: ignore[union-attr]
    for word in ("KEYS", "ARGV", "returns"):
        assert re.search(rf"^-- {word}", header, re.MULTILINE), f"{script} does not say its {word}"
