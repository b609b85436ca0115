"""The access token that proves to Google who sends: minted in a thread, ahead of its expiry, once at a time.

google-auth does the OAuth; this keeps it off the event loop and makes a thousand waiting pushes share one request.
"""

from __future__ import annotations

import asyncio
import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from firebase_admin import credentials
from google.auth.transport.requests import Request

from gateway.clock import now_ms
from gateway.errors import ConfigError

RENEW_BEFORE_S: Final = 300.0
"""Before its expiry a token is renewed in the background, whether pushes come or not."""

TRY_AGAIN_S: Final = 30.0
"""After a renewal in the background that failed."""

USABLE_S: Final = 15.0
"""A token nearer to its expiry than this may not arrive in time."""

TIMEOUT_S: Final = 10.0
"""For one request to the token endpoint."""


class TokenUnavailable(Exception):
    """The token endpoint does not answer, or refuses; the text says why."""


class AccessToken:
    """One service account's."""

    def __init__(self, credentials_file: Path) -> None:
        """Raises ConfigError where the file is not a service account's JSON."""
        try:
            account = credentials.Certificate(str(credentials_file))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{credentials_file} is not a service account: {error}") from error
        self.project: str = account.project_id
        self._credential = account.get_credential()
        self._request = functools.partial(Request(), timeout=TIMEOUT_S)
        self._refused = ""
        self._minting: asyncio.Task[None] | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def current(self) -> str:
        """A token to send now. Raises TokenUnavailable where there is none and none can be had."""
        token: str | None = self._credential.token
        if token and token != self._refused and self._remaining_s() > USABLE_S:
            return token
        try:
            await asyncio.shield(self._mint())
        except Exception as error:  # an odd body makes google-auth raise TypeError and others
            raise TokenUnavailable(type(error).__name__) from error
        return str(self._credential.token)

    def refused(self, token: str) -> None:
        """Google refused ``token``: the next caller mints another, once for however many were refused with it."""
        self._refused = token

    async def close(self) -> None:
        """Renews no more, and waits for a minting that is under way."""
        self._is_closed = True
        if self._renewal is not None:
            self._renewal.cancel()
        if self._minting is not None:
            await asyncio.wait({self._minting})

    def _mint(self) -> asyncio.Task[None]:
        if self._minting is None or self._minting.done():
            self._minting = asyncio.create_task(asyncio.to_thread(self._credential.refresh, self._request))
            self._minting.add_done_callback(self._plan_renewal)
        return self._minting

    def _plan_renewal(self, minted: asyncio.Task[None]) -> None:
        """Renews in good time; an exception is read here, so that asyncio does not report it: who waits has it too."""
        failed = minted.cancelled() or minted.exception() is not None
        if self._renewal is not None:
            self._renewal.cancel()
        if not self._is_closed:
            remaining_s = TRY_AGAIN_S if failed else self._remaining_s()
            wait_s = max(remaining_s - RENEW_BEFORE_S, remaining_s / 2, 1.0)
            self._renewal = asyncio.get_running_loop().call_later(wait_s, self._mint)

    def _remaining_s(self) -> float:
        expiry: datetime = self._credential.expiry  # naive, in UTC
        return expiry.replace(tzinfo=UTC).timestamp() - now_ms() / 1000
