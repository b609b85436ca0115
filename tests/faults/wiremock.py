"""WireMock as FCM and its token endpoint: a provider that others wrote, misbehaving on order."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate

from tests.patience import PATIENCE_S

_PACKAGE = Path(__file__).parent / "node_modules" / "wiremock" / "build"
_PASSWORD = "wiremock"


class WireMock:
    """``with WireMock(directory, certificate) as wiremock``; ``stub`` says what to answer, ``count`` what was asked."""

    def __init__(self, directory: Path, certificate: Path) -> None:
        """``certificate`` is a PEM of both halves."""
        self._said = directory / "said.txt"
        keystore = directory / "server.p12"
        pem = certificate.read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        keystore.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"server",
                key,  # type: ignore[arg-type]
                load_pem_x509_certificate(pem),
                None,
                serialization.BestAvailableEncryption(_PASSWORD.encode()),
            )
        )
        (jar,) = _PACKAGE.glob("wiremock-standalone-*.jar")
        self._command = [
            "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", str(jar),
            "--bind-address", "127.0.0.1", "--port", "0", "--https-port", "0",
            "--https-keystore", str(keystore), "--keystore-type", "PKCS12", "--keystore-password", _PASSWORD,
            "--key-manager-password", _PASSWORD, "--root-dir", str(directory), "--disable-banner",
            "--async-response-enabled", "true", "--async-response-threads", "4",
        ]  # fmt: skip

    def __enter__(self) -> Self:
        """Starts it and waits until it says where it listens; a JVM takes seconds on a busy machine."""
        with self._said.open("w") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=subprocess.STDOUT)
        while not (ports := re.findall(r"^(?:https-)?port: +(\d+)$", self._said.read_text(), re.MULTILINE))[1:]:
            if self._process.poll() is not None:
                raise RuntimeError(f"WireMock did not start: {self._said.read_text()}")
            time.sleep(0.05)
        self.port, self.https_port = map(int, ports)
        self._admin = f"http://127.0.0.1:{self.port}/__admin"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops it."""
        self._process.kill()
        self._process.wait()

    def reset(self) -> None:
        """Forgets stubs, scenarios and requests."""
        self._call("POST", "/reset", None)
        self._call("DELETE", "/mappings", None)

    def stub(self, path: str, answer: dict[str, Any], **more: Any) -> None:
        """Answers POSTs to ``path`` (a regular expression); ``more`` are WireMock's own members of a mapping."""
        request = {"method": "POST", "urlPathPattern": path} | more.pop("request", {})
        self._call("POST", "/mappings", {"request": request, "response": answer, **more})

    def count(self, path: str) -> int:
        """How many POSTs to ``path`` (a regular expression) it has had."""
        counted: int = self._call("POST", "/requests/count", {"method": "POST", "urlPathPattern": path})["count"]
        return counted

    def _call(self, method: str, path: str, document: Any) -> Any:
        answer = requests.request(method, self._admin + path, json=document, timeout=PATIENCE_S)
        answer.raise_for_status()
        return answer.json() if answer.content else None
