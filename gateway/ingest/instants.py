"""An instant a name, shared by the workers of one host in a mapped file.

Each limit keeps one number: when a key has paid for what it sent, when a user's last fix was. A name is looked for in
a few neighbouring slots by its hash; a new one takes the slot with the earliest instant, which limits least. Nothing is
locked: of two workers that write a slot at the same time one is forgotten, so limits hold about right, and asking
Redis about every ping would cost more than they save.
"""

from __future__ import annotations

import mmap
from hashlib import blake2b
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError

WAYS: Final = 8
"""Slots in which a name may be: with the table half full, about one name in thousands pushes out another."""
_WORD_BYTES: Final = 8


class Instants:
    """A table of ``slots`` names, in a file of ``folder``, or in this process alone without one."""

    def __init__(self, folder: Path | None, name: str, slots: int) -> None:
        """``name`` is the file's. Raises ConfigError when the folder cannot be written."""
        size = 2 * slots * _WORD_BYTES
        try:
            table = mmap.mmap(-1, size) if folder is None else _mapped(folder / name, size)
        except OSError as error:
            raise ConfigError(f"shared_dir {folder} cannot be used: {error.strerror}") from error
        words = memoryview(table)
        self._marks = words[: size // 2].cast("Q")
        self._instants = words[size // 2 :].cast("d")
        self._sets = slots // WAYS

    def get(self, name: str) -> float:
        """The instant of ``name``; 0 if it is not known, or no longer."""
        mark, first = self._place(name)
        for slot in range(first, first + WAYS):
            if self._marks[slot] == mark:
                return self._instants[slot]
        return 0.0

    def set(self, name: str, instant: float) -> None:
        """Keep the instant of ``name``; at 0 it is forgotten."""
        mark, first = self._place(name)
        instants, earliest = self._instants, first
        for slot in range(first, first + WAYS):
            if self._marks[slot] == mark:
                instants[slot] = instant
                return
            if instants[slot] < instants[earliest]:
                earliest = slot
        instants[earliest] = instant
        self._marks[earliest] = mark

    def _place(self, name: str) -> tuple[int, int]:
        """What marks the name, and its first slot."""
        mark = int.from_bytes(blake2b(name.encode(), digest_size=_WORD_BYTES).digest(), "little")
        return mark, mark % self._sets * WAYS


def _mapped(path: Path, size: int) -> mmap.mmap:
    with path.open("a+b") as file:
        file.truncate(size)
        return mmap.mmap(file.fileno(), size)
