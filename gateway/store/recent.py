"""Who became present a moment ago, shared by the workers of one host through a mapped file.

A worker learns of the others' saves by a message that takes some milliseconds; a phone's next ping may be faster. So
each worker marks here whom it is about to save as present, before it answers him, and all of them look. A mark is a
second of the clock in a slot that users share by hash: a collision costs one needless question to Redis, never a
missed one, and marks need no clearing.
"""

from __future__ import annotations

import mmap
import time
from pathlib import Path
from typing import Final
from zlib import crc32

from gateway.errors import ConfigError

SLOTS: Final = 1 << 16
"""A quarter of a megabyte; ten thousand users becoming present in ``LAG_S`` collide with one in seven others."""
LAG_S: Final = 5
"""Longest that a message may take before its connection counts as lost, which makes everybody possibly present."""
FILE_NAME: Final = "recently-present"


class RecentlyPresent:
    """Marks in a file of ``folder``, or in this process alone without one."""

    def __init__(self, folder: Path | None) -> None:
        """Raises ConfigError when the folder cannot be written."""
        try:
            self._slots = memoryview(_mapped(folder)).cast("I")
        except OSError as error:
            raise ConfigError(f"shared_dir {folder} cannot be used: {error.strerror}") from error

    def mark(self, user_id: str) -> None:
        """Note that the user is being saved as present."""
        self._slots[crc32(user_id.encode()) % SLOTS] = _second()

    def is_marked(self, user_id: str) -> bool:
        """Whether the user, or one who shares the slot, was marked within ``LAG_S``."""
        return (_second() - self._slots[crc32(user_id.encode()) % SLOTS]) & 0xFFFFFFFF <= LAG_S


def _mapped(folder: Path | None) -> mmap.mmap:
    if folder is None:
        return mmap.mmap(-1, 4 * SLOTS)
    with (folder / FILE_NAME).open("a+b") as file:
        file.truncate(4 * SLOTS)
        return mmap.mmap(file.fileno(), 4 * SLOTS)


def _second() -> int:
    """Seconds of the monotonic clock, which all processes of a host share; 0 stays free for never."""
    return int(time.monotonic()) + LAG_S + 1
