"""Bounded work: what is over the bound is sent away at once with a time to come back, never queued."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from aiohttp import web

from gateway.errors import Unavailable

COME_BACK_S = 1
"""Seconds a refused caller is asked to wait: a full gateway works its bound off in well under a second."""


class Admission:
    """Counts the pings being handled and refuses those that would pass the bound."""

    def __init__(self, max_pings: int) -> None:
        """``max_pings`` may be in flight at once in this process."""
        self._max_pings = max_pings
        self.in_flight = 0

    @contextlib.contextmanager
    def admitted(self, pings: int) -> Iterator[None]:
        """Hold room for ``pings`` until the block ends. Raises Unavailable when there is none."""
        if self.in_flight and self.in_flight + pings > self._max_pings:
            raise Unavailable("too many pings are being handled; send these again", retry_after_s=COME_BACK_S)
        self.in_flight += pings
        try:
            yield
        finally:
            self.in_flight -= pings


ADMISSION = web.AppKey("admission", Admission)
