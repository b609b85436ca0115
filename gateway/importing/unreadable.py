"""Why a whole file cannot be read."""

from __future__ import annotations


class Unreadable(Exception):
    """The file as a whole is refused: ``code`` is stable, ``detail`` says what to do."""

    def __init__(self, code: str, detail: str) -> None:
        """Both are shown to the author of the file."""
        super().__init__(detail)
        self.code, self.detail = code, detail
