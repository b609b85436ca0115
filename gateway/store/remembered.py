"""Presences as this worker saved them, so that a user's next ping need not read them first.

They are right as long as nobody else saved the user since. The workers of one host note in a mapped file who saved a
user last; of other hosts nothing is known here. So this is a guess, and never the last word: a save compares versions,
and what would push somebody is confirmed before (``PresenceStore.outdated``). A wrong guess costs a second step.

Only users who are present are remembered, and forgotten as soon as it is heard that they left or were erased.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from gateway.errors import ConfigError
from geofences.presence import Presence

SLOTS: Final = 1 << 16
"""Users share the note of who saved last by hash; a collision between two workers costs a read."""
FILE_NAME: Final = "last-saved-by"


class Held(msgspec.Struct, frozen=True, gc=False):
    """A presence as it was read; ``version`` 0 means there was none. ``is_remembered``: by this worker, not read."""

    presence: Presence
    version: int
    is_remembered: bool = False


class Remembered:
    """Presences of one worker, by user."""

    def __init__(self, folder: Path | None, worker: int) -> None:
        """``worker`` is this worker's number on its host, below 255; ``folder`` None where it is the only one.

        Raises ConfigError when the folder cannot be written.
        """
        self._held: dict[str, Held] = {}
        self._me = worker + 1
        self._savers: mmap.mmap | None = None
        if folder is not None:
            try:
                with (folder / FILE_NAME).open("a+b") as file:
                    file.truncate(SLOTS)
                    self._savers = mmap.mmap(file.fileno(), SLOTS)
            except OSError as error:
                raise ConfigError(f"shared_dir {folder} cannot be used: {error.strerror}") from error

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._held)

    def get(self, user_id: str) -> Held | None:
        """The user's presence; None if it has to be read."""
        held = self._held.get(user_id)
        if held is None or self._savers is None or self._savers[_slot(user_id)] == self._me:
            return held
        del self._held[user_id]
        return None

    def begin(self, user_id: str) -> None:
        """Note that this worker is about to save the user; what it knew of him holds no longer."""
        self._held.pop(user_id, None)
        if self._savers is not None:
            self._savers[_slot(user_id)] = self._me

    def keep(self, user_id: str, presence: Presence, version: int) -> None:
        """Remember what was saved."""
        self._held[user_id] = Held(presence, version, is_remembered=True)

    def forget(self, user_id: str) -> None:
        """Forget one user."""
        self._held.pop(user_id, None)

    def clear(self) -> None:
        """Forget everybody."""
        self._held.clear()


def _slot(user_id: str) -> int:
    return crc32(user_id.encode()) % SLOTS
