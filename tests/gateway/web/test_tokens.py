"""Tokens bind a phone to its user; the key decides the algorithm, and nothing else opens anything."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.clock import now_ms
from gateway.errors import ConfigError, Unauthorized
from gateway.web.tokens import Tokens, looks_like_token

SECRET = b"0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
SIGNERS: dict[str, tuple[str, Any]] = {"h": ("HS256", SECRET), "r": ("RS256", RSA), "e": ("ES256", EC)}


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwks(*kids: str) -> str:
    keys = []
    for kid in kids:
        if kid == "h":
            key = {"kty": "oct", "k": unpadded(SECRET), "alg": "HS256"}
        elif kid == "r":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"alg": "RS256"}
        else:
            key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key())) | {"alg": "ES256"}
        keys.append(key | {"kid": kid})
    return json.dumps({"keys": keys})


def token(kid: str, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    algorithm, key = SIGNERS[kid]
    payload = {"sub": "u1", "exp": now_ms() // 1000 + 60} | claims
    return jwt.encode(
        {k: v for k, v in payload.items() if v is not None}, key, algorithm, {"kid": kid} | (headers or {})
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(jwks("h", "r", "e"))
    return path


@pytest.mark.parametrize("kid", ["h", "r", "e"])
def test_a_good_token_speaks_for_its_subject(file: Path, kid: str) -> None:
    identity = Tokens(file).identify(token(kid))
    assert (identity.user_id, identity.scopes, identity.key_id) == ("u1", {"ingest"}, f"token:{kid}")


def test_a_token_may_ask_for_events_but_never_for_operations(file: Path) -> None:
    assert Tokens(file).identify(token("h", scope="ingest events ops admin")).scopes == {"ingest", "events"}
    assert Tokens(file).identify(token("h", scope="admin")).scopes == frozenset()


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
    ],
)
def test_a_token_that_is_not_good_is_told_why(file: Path, claims: dict[str, Any], said: str) -> None:
    with pytest.raises(Unauthorized, match=said):
        Tokens(file).identify(token("h", **claims))


def test_issuer_and_audience_must_match_where_they_are_set(file: Path) -> None:
    tokens = Tokens(file, issuer="shop", audience="geopush")
    assert tokens.identify(token("r", iss="shop", aud="geopush")).user_id == "u1"
    for claims in ({"iss": "shop", "aud": "other"}, {"iss": "other", "aud": "geopush"}, {"iss": "shop"}):
        with pytest.raises(Unauthorized):
            tokens.identify(token("r", **claims))
    assert Tokens(file).identify(token("r", aud="whatever")).user_id == "u1"


def test_a_public_key_cannot_be_passed_off_as_a_secret(file: Path) -> None:
    public = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, claims = {"alg": "HS256", "typ": "JWT", "kid": "r"}, {"sub": "victim", "exp": now_ms() // 1000 + 60}
    signed = ".".join(unpadded(json.dumps(part).encode()) for part in (head, claims))
    forged = f"{signed}.{unpadded(hmac.digest(public, signed.encode(), 'sha256'))}"
    with pytest.raises(Unauthorized):
        Tokens(file).identify(forged)


def test_unsigned_unknown_and_garbled_tokens_open_nothing(file: Path) -> None:
    unsigned = jwt.encode({"sub": "u", "exp": now_ms() // 1000 + 60}, None, "none", {"kid": "h"})
    for bad in (unsigned, token("h", {"kid": "other"}), "a.b.c", token("h")[:-4] + "AAAA"):
        with pytest.raises(Unauthorized):
            Tokens(file).identify(bad)


def test_the_file_is_read_anew_when_it_changes_and_kept_when_it_breaks(file: Path) -> None:
    file.write_text(jwks("h"))
    tokens = Tokens(file)
    with pytest.raises(Unauthorized):
        tokens.identify(token("e"))
    file.write_text(jwks("h", "e"))
    assert tokens.identify(token("e")).user_id == "u1"
    file.write_text("broken")
    assert tokens.identify(token("e")).user_id == "u1"
    file.unlink()
    assert tokens.identify(token("h")).user_id == "u1"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2hvcnQ", "alg": "HS256"}]}'],
)
def test_a_file_without_a_usable_key_is_refused_at_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="jwks_file"):
        Tokens(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens(tmp_path / "missing.json")


def test_our_own_keys_do_not_look_like_tokens() -> None:
    assert looks_like_token(token("h"))
    assert not looks_like_token("gp_abc-DEF_123")
