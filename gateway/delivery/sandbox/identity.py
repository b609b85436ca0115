"""The sandbox's own keys, made at start: a certificate authority, a server certificate, an APNs key, a service account.

They open nothing but this sandbox. The files are what the real providers hand out (PEM, p8, JSON), so that the
gateway reads them the way it reads real ones.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.clock import now_ms

KEY_ID: Final = "SANDBOX001"
TEAM_ID: Final = "GEOPUSH001"
TOPIC: Final = "dev.geopush.sandbox"
PROJECT: Final = "geopush-sandbox"
CLIENT_EMAIL: Final = "gateway@geopush-sandbox.iam.gserviceaccount.com"

_VALID_FOR: Final = dt.timedelta(days=7)
"""The files are made anew at each start; a week outlives any demo."""


class Identity(msgspec.Struct, frozen=True):
    """Where the files are, and the public halves that the sandbox checks signatures with."""

    ca_file: Path
    server_file: Path
    apns_key_file: Path
    fcm_credentials_file: Path
    apns_public_key: ec.EllipticCurvePublicKey
    google_public_key: rsa.RSAPublicKey


def create(directory: Path, token_url: str) -> Identity:
    """Makes new keys and writes them into ``directory``, readable by their owner only."""
    ca_key, server_key, apns_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    google_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ca = _certificate("geopush sandbox CA", ca_key.public_key(), ca_key, issuer="geopush sandbox CA", is_ca=True)
    server = _certificate("localhost", server_key.public_key(), ca_key, issuer="geopush sandbox CA", is_ca=False)
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "sandbox",
        "private_key": _pem(google_key).decode(),
        "client_email": CLIENT_EMAIL,
        "client_id": "1",
        "token_uri": token_url,
    }
    return Identity(
        ca_file=_write(directory / "ca.pem", ca.public_bytes(serialization.Encoding.PEM)),
        server_file=_write(
            directory / "server.pem", server.public_bytes(serialization.Encoding.PEM) + _pem(server_key)
        ),
        apns_key_file=_write(directory / "apns.p8", _pem(apns_key)),
        fcm_credentials_file=_write(directory / "service-account.json", json.dumps(account).encode()),
        apns_public_key=apns_key.public_key(),
        google_public_key=google_key.public_key(),
    )


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, ca_key: ec.EllipticCurvePrivateKey, *, issuer: str, is_ca: bool
) -> x509.Certificate:
    start = dt.datetime.fromtimestamp(now_ms() / 1000, dt.UTC) - dt.timedelta(hours=1)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
