"""JSON Web Tokens that bind a phone to its user, verified against a JWKS file (RFC 7515 to 7519).

The key decides the algorithm, never the token: an RSA key's public part can not be passed off as an HMAC secret.
"""

from __future__ import annotations

import json
from pathlib import Path

import jwt

from gateway.errors import ConfigError, Unauthorized
from gateway.logs import Log
from gateway.web.auth import Identity
from gateway.web.permissions import permissions_of

ALGORITHMS = frozenset({"HS256", "RS256", "ES256"})
LEEWAY_S = 30
"""Clocks of two hosts may differ by so much."""
SCOPES = frozenset({"ingest", "events"})
"""What a token can be given: it lives on phones, which have no business with operations."""
MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 is as long as its hash or longer."""

_log = Log("tokens")


class Tokens:
    """Verifies tokens; the file is read anew when it changes."""

    def __init__(self, jwks_file: Path, *, issuer: str = "", audience: str = "") -> None:
        """Empty ``issuer`` or ``audience`` accept any. Raises ConfigError when the file holds no usable key."""
        self._file = jwks_file
        self._issuer = issuer or None
        self._audience = audience or None
        self._changed_ns = 0
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys = self._read()

    def identify(self, token: str) -> Identity:
        """The user behind a token. Raises Unauthorized that says what is wrong with it."""
        try:
            key = self._key_of(token)
            claims = jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired; fetch a new one") from None
        except jwt.InvalidTokenError as error:
            raise Unauthorized(f"the token is not good: {error}") from None
        scopes = SCOPES & set(str(claims.get("scope", "ingest")).split())
        return Identity(
            key_id=f"token:{key.key_id or ''}",
            name="token",
            permissions=permissions_of(None, scopes),
            user_id=str(claims["sub"]),
            scopes=scopes,
        )

    def _key_of(self, token: str) -> jwt.PyJWK:
        self._refresh()
        key_id = jwt.get_unverified_header(token).get("kid")
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        key = self._keys.get(str(key_id))
        if key is None:
            raise jwt.InvalidTokenError("its key id (kid) is not in the JWKS file")
        return key

    def _refresh(self) -> None:
        """Read a changed file; one that cannot be read leaves the keys as they were."""
        try:
            if self._file.stat().st_mtime_ns != self._changed_ns:
                self._keys = self._read()
        except (OSError, ConfigError) as error:
            _log.warning("the JWKS file cannot be read; its keys stay as they were", reason=str(error))

    def _read(self) -> dict[str, jwt.PyJWK]:
        try:
            self._changed_ns = self._file.stat().st_mtime_ns
            document = json.loads(self._file.read_text(encoding="utf-8"))
            keys = jwt.PyJWKSet.from_dict(document if isinstance(document, dict) else {}).keys
        except (OSError, ValueError, jwt.PyJWTError) as error:
            raise ConfigError(f"jwks_file {self._file} cannot be read: {error}") from error
        for key in keys:
            if key.algorithm_name not in ALGORITHMS:
                raise ConfigError(f"jwks_file {self._file}: {key.algorithm_name} is not one of {sorted(ALGORITHMS)}")
            if key.key_type == "oct" and len(key.key) < MIN_SECRET_BYTES:
                raise ConfigError(f"jwks_file {self._file}: a secret for HS256 has at least {MIN_SECRET_BYTES} bytes")
        return {str(key.key_id or ""): key for key in keys}


def looks_like_token(secret: str) -> bool:
    """Whether a bearer secret has a token's three parts; our own keys have no dot."""
    return secret.count(".") == 2
