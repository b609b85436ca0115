"""One provider token for each key, as Apple wants it."""

from __future__ import annotations

import email.utils

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.delivery.apns_token import ProviderToken
from gateway.errors import ConfigError

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class Clock:
    def __init__(self) -> None:
        self.at_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.at_ms

    def advance_s(self, seconds: float) -> None:
        self.at_ms += int(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def token(clock: Clock) -> ProviderToken:
    return ProviderToken(PEM, "KEY0000001", "TEAM000001", clock)


def issued_at_s(token: str) -> int:
    claims = jwt.decode(token, KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False})
    assert claims["iss"] == "TEAM000001"
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "KEY0000001", "typ": "JWT"}
    issued: int = claims["iat"]
    return issued


def test_the_same_token_is_sent_for_50_minutes_and_renewed_then(clock: Clock, token: ProviderToken) -> None:
    first = token.current()
    clock.advance_s(49 * 60)
    assert token.current() == first
    clock.advance_s(60)
    assert issued_at_s(token.current()) - issued_at_s(first) == 50 * 60


def test_many_refusals_of_one_token_renew_it_once(clock: Clock, token: ProviderToken) -> None:
    first = token.current()
    clock.advance_s(1)
    for _ in range(100):
        token.refused(first, None)
    second = token.current()
    assert second != first
    assert token.current() == second


def test_a_fresh_token_that_is_refused_too_is_kept_for_20_minutes(clock: Clock, token: ProviderToken) -> None:
    token.refused(token.current(), None)
    clock.advance_s(19 * 60)
    kept = token.current()
    token.refused(kept, None)
    assert token.current() == kept
    clock.advance_s(60)
    token.refused(kept, None)
    assert token.current() != kept


def test_a_wrong_clock_is_corrected_by_the_date_of_the_refusal(clock: Clock, token: ProviderToken) -> None:
    true_s = clock.at_ms / 1000 - 2 * 3600
    token.refused(token.current(), email.utils.formatdate(true_s, usegmt=True))
    assert issued_at_s(token.current()) == pytest.approx(true_s, abs=1)


@pytest.mark.parametrize("pem", ["", "not a key", PEM.replace("PRIVATE", "PUBLIC")])
def test_what_is_not_a_p8_key_is_refused_at_start(clock: Clock, pem: str) -> None:
    with pytest.raises(ConfigError, match="p8"):
        ProviderToken(pem, "KEY0000001", "TEAM000001", clock)
