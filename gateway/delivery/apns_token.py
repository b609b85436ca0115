"""The provider token that proves to APNs who sends: one for each key, shared by all connections.

Apple (Establishing a token-based connection to APNs): a token is good for one hour, and may be renewed no more often
than every 20 minutes. Its clock is Apple's: a refusal that carries Apple's date corrects ours.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

import jwt

from gateway.errors import ConfigError

RENEW_AFTER_S: Final = 50 * 60
"""Ten minutes before Apple calls the token expired."""

MIN_LIFE_S: Final = 20 * 60
"""Renewing sooner is answered with TooManyProviderTokenUpdates."""

MIN_SKEW_S: Final = 60.0
"""A smaller difference of clocks is not worth correcting."""


class ProviderToken:
    """Mints and remembers."""

    def __init__(self, key_pem: str, key_id: str, team_id: str, clock_ms: Callable[[], int]) -> None:
        """Raises ConfigError where the key is not an EC key in PEM, as Apple's p8 files are."""
        self._key = key_pem
        self._key_id = key_id
        self._team_id = team_id
        self._clock_ms = clock_ms
        self._skew_s = 0.0
        self._minted_s = float("-inf")
        self._token = ""
        self._renewed_on_refusal_s = float("-inf")
        try:
            self._mint(self._now_s())
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConfigError(f"the APNs key is not the content of a .p8 file: {error}") from error

    def current(self) -> str:
        """The token to send now."""
        now_s = self._now_s()
        if now_s - self._minted_s >= RENEW_AFTER_S:
            self._mint(now_s)
        return self._token

    def refused(self, token: str, date: str | None) -> None:
        """Apple refused ``token``, at Apple's time ``date`` (an HTTP date, where it was given).

        Renews once for however many requests were refused with the same token, and not within 20 minutes of the last
        such renewal: what a fresh token does not cure is a wrong key, id or team.
        """
        if token != self._token:
            return
        now_s = self._now_s()
        if now_s - self._renewed_on_refusal_s < MIN_LIFE_S:
            return
        self._renewed_on_refusal_s = now_s
        if date is not None:
            self._correct(date)
        self._mint(self._now_s())

    def _correct(self, date: str) -> None:
        try:
            skew_s = parsedate_to_datetime(date).timestamp() - self._clock_ms() / 1000
        except ValueError:
            return
        if abs(skew_s) >= MIN_SKEW_S:
            self._skew_s = skew_s

    def _now_s(self) -> float:
        return self._clock_ms() / 1000 + self._skew_s

    def _mint(self, now_s: float) -> None:
        self._minted_s = now_s
        claims = {"iss": self._team_id, "iat": int(now_s)}
        self._token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
