"""News under way between the workers of one host: awaited from before they are published until they are heard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.store.underway import LAG_S, REGIONS, NewsUnderway


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_news_are_awaited_by_each_worker_until_it_has_heard_them(tmp_path: Path) -> None:
    first, second = NewsUnderway(tmp_path), NewsUnderway(tmp_path)
    first.expect("ann")
    assert first.is_awaited("ann")
    assert second.is_awaited("ann")
    assert not second.is_awaited("bob")
    second.heard(first.origin, "ann")
    assert not second.is_awaited("ann")
    assert first.is_awaited("ann"), "what one worker has heard, another may still wait for"
    first.heard(first.origin, "ann")
    assert not first.is_any_awaited()


def test_two_workers_news_of_one_user_are_awaited_both(tmp_path: Path) -> None:
    """In whatever order they come: each worker counts for itself."""
    first, second, third = (NewsUnderway(tmp_path) for _ in range(3))
    first.expect("ann")
    second.expect("ann")
    third.heard(second.origin, "ann")
    assert third.is_awaited("ann")
    third.heard(first.origin, "ann")
    assert not third.is_any_awaited()


def test_news_of_another_host_are_not_counted(tmp_path: Path) -> None:
    """Its workers have numbers too, but another file."""
    here, there = NewsUnderway(tmp_path), NewsUnderway(None)
    here.expect("ann")
    here.heard(there.origin, "ann")
    here.heard("", "ann")
    assert here.is_awaited("ann")


def test_who_starts_later_awaits_nothing_that_was_told_before(tmp_path: Path) -> None:
    """It loads everybody instead."""
    first = NewsUnderway(tmp_path)
    first.expect("ann")
    assert not NewsUnderway(tmp_path).is_any_awaited()


def test_news_that_never_come_are_given_up_after_the_longest_that_news_may_take(tmp_path: Path) -> None:
    clock = Clock()
    first, second = NewsUnderway(tmp_path), NewsUnderway(tmp_path, clock)
    first.expect("ann")
    clock.now_s += LAG_S
    second.heal()
    assert second.is_awaited("ann"), "it may have been told a moment ago"
    first.expect("bob")
    second.heal()
    assert second.is_awaited("ann")
    clock.now_s += LAG_S
    second.heal()
    assert not second.is_awaited("ann")
    assert second.is_awaited("bob")
    clock.now_s += LAG_S
    second.heal()
    assert not second.is_any_awaited()


def test_counters_that_are_full_begin_anew(tmp_path: Path) -> None:
    first, second = NewsUnderway(tmp_path), NewsUnderway(tmp_path)
    for _ in range(1 << 16):
        first.expect("ann")
        second.heard(first.origin, "ann")
    assert not second.is_any_awaited()
    first.expect("ann")
    assert second.is_awaited("ann")


def test_a_region_is_free_again_when_its_worker_ends(tmp_path: Path) -> None:
    first, second = NewsUnderway(tmp_path), NewsUnderway(tmp_path)
    assert first.origin != second.origin
    first.close()
    assert NewsUnderway(tmp_path).origin == first.origin
    asked = "import pathlib, sys; from gateway.store import underway as u; "
    asked += "print(u.NewsUnderway(pathlib.Path(sys.argv[1])).origin)"
    run = subprocess.run([sys.executable, "-c", asked, tmp_path], capture_output=True, text=True, check=True)
    killed = run.stdout.strip()
    assert killed[:-2] == first.origin[:-2], "another process has the same file"
    assert killed not in {first.origin, second.origin}
    assert NewsUnderway(tmp_path).origin == killed


def test_more_workers_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    workers = [NewsUnderway(tmp_path) for _ in range(REGIONS)]
    with pytest.raises(ConfigError, match=f"at most {REGIONS} workers"):
        NewsUnderway(tmp_path)
    for worker in workers:
        worker.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone"):
        NewsUnderway(tmp_path / "gone")
