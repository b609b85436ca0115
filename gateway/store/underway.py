"""Whose news are still under way, counted by the workers of one host in a mapped file.

Who became present or left is told by a message that takes a millisecond or so; a phone's next ping may be faster. So
each worker counts here, before it answers, every user whose news it is about to publish, and counts the news that it
hears: where the two differ, news are under way and the user must be asked for. Users share counters by hash: a
collision costs one needless question to Redis, never a missed one.

Each worker writes a region of its own and reads all of them, so no counter has two writers and none needs a lock.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

import numpy as np

from gateway.errors import ConfigError

SLOTS: Final = 1 << 12
"""Counters of one region, of two bytes each: with 50 news under way, one user in 80 is asked for needlessly."""
REGIONS: Final = 64
"""Most workers of one host."""
LAG_S: Final = 5.0
"""Longest that news may take before their connection counts as lost, which makes everybody possibly present."""
HEADER_BYTES: Final = 64
"""Eight that name the file to the listeners of all hosts, then how many regions were ever taken."""
FILE_NAME: Final = "news-underway"
_TAKEN_AT: Final = 8


class NewsUnderway:
    """Counters in a file of ``folder``, or in this process alone without one."""

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError when the folder cannot be written, or has no region left."""
        self._clock = clock
        try:
            self._lock, self._map, self.region = _take_region(folder)
        except OSError as error:
            raise ConfigError(f"shared_dir {folder} cannot be used: {error.strerror}") from error
        self._name = self._map[:_TAKEN_AT].hex()
        self.origin = f"{self._name}{self.region:02x}"
        """Names this worker in the news that it publishes."""
        told = np.frombuffer(self._map, np.uint16, REGIONS * SLOTS, HEADER_BYTES)
        self._told = told.reshape(REGIONS, SLOTS)
        self._heard = self._told.copy()
        self._pairs = [(t.data, h.data) for t, h in zip(self._told, self._heard, strict=True)]
        self._seen = self._told.copy(), self._heard.copy()
        self._healed_s = clock()

    def close(self) -> None:
        """Leave the region to the next worker."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def expect(self, user_id: str) -> None:
        """Count that news of the user are about to be published by this worker."""
        told = self._pairs[self.region][0]
        slot = _slot(user_id)
        told[slot] = (told[slot] + 1) & 0xFFFF

    def heard(self, origin: str, user_id: str) -> None:
        """Count expected news of the user that came from ``origin``; those of other hosts count for nothing."""
        if origin.startswith(self._name):
            heard = self._pairs[int(origin[len(self._name) :], 16)][1]
            slot = _slot(user_id)
            heard[slot] = (heard[slot] + 1) & 0xFFFF

    def is_awaited(self, user_id: str) -> bool:
        """Whether news of the user, or of one who shares his counter, are under way to this worker."""
        slot = _slot(user_id)
        return any(told[slot] != heard[slot] for told, heard in self._pairs[: self._map[_TAKEN_AT]])

    def is_any_awaited(self) -> bool:
        """Whether any news are under way to this worker: one look that answers for everybody."""
        taken = self._map[_TAKEN_AT]
        return not np.array_equal(self._told[:taken], self._heard[:taken])

    def heal(self) -> None:
        """Give up what was awaited all the time for ``LAG_S``: its worker died, or the save failed before the news."""
        now_s = self._clock()
        if now_s - self._healed_s < LAG_S:
            return
        taken = self._map[_TAKEN_AT]
        told, heard = self._told[:taken], self._heard[:taken]
        told_then, heard_then = self._seen[0][:taken], self._seen[1][:taken]
        lost = (told != heard) & (told == told_then) & (heard == heard_then)
        heard[lost] = told[lost]
        told_then[:], heard_then[:] = told, heard
        self._healed_s = now_s


def _slot(user_id: str) -> int:
    return crc32(user_id.encode()) % SLOTS


def _take_region(folder: Path | None) -> tuple[int | None, mmap.mmap, int]:
    """The lock that holds a region while this process lives, the mapped file, and the region's number."""
    size = HEADER_BYTES + 2 * REGIONS * SLOTS
    if folder is None:
        alone = mmap.mmap(-1, size)
        alone[:_TAKEN_AT], alone[_TAKEN_AT] = os.urandom(_TAKEN_AT), 1
        return None, alone, 0
    with (folder / FILE_NAME).open("a+b") as file:
        # the map keeps the file open, hence the lock too until it is let go
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            return _take_free_region(folder, file, size)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _take_free_region(folder: Path, file: BinaryIO, size: int) -> tuple[int, mmap.mmap, int]:
    file.truncate(size)
    shared = mmap.mmap(file.fileno(), size)
    if not any(shared[:_TAKEN_AT]):
        shared[:_TAKEN_AT] = os.urandom(_TAKEN_AT)
    for region in range(REGIONS):
        lock = os.open(folder / f"{FILE_NAME}-{region:02x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        shared[_TAKEN_AT] = max(shared[_TAKEN_AT], region + 1)
        return lock, shared, region
    raise ConfigError(f"shared_dir {folder} serves at most {REGIONS} workers")
