"""nginx as APNs and FCM: real HTTP/2 over TLS, written by others. For bench.delivery and for tests/faults.

The first word of a device token decides the answer: ``gone`` 410, ``bad`` 400, ``busy`` 429, ``down`` 503; ``paced``
200, but no more than ``PACED_PER_S`` a second, later ones waiting their turn; anything else 200. FCM's token is in the
body, so there the first part of the path decides. GOAWAY comes after ``requests_per_connection``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

PACED_PER_S = 4000
"""With 1,000 requests in flight, a provider that takes a quarter of a second."""

_CONFIG = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format ids '$http_apns_id $status $msec $uri';
  access_log {log};
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  default_type application/json;
  http2_max_concurrent_streams 1000;
  limit_req_zone $server_port zone=pace:1m rate={paced_per_s}r/s;
  keepalive_timeout 600s;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    keepalive_requests {requests_per_connection};
    add_header apns-id $http_apns_id always;
    location ~ ^/3/device/gone {{ return 410 '{{"reason":"Unregistered","timestamp":1700000000000}}'; }}
    location ~ ^/3/device/bad  {{ return 400 '{{"reason":"BadDeviceToken"}}'; }}
    location ~ ^/3/device/busy {{ add_header retry-after 2 always; return 429 '{{"reason":"TooManyRequests"}}'; }}
    location ~ ^/3/device/down {{ return 503 '{{"reason":"ServiceUnavailable"}}'; }}
    location /3/device/paced {{ limit_req zone=pace burst=5000; error_page 403 404 405 =200 @ok; }}
    location @ok {{ return 200; }}
    location /3/device/ {{ return 200; }}
    location /gone/ {{ return 404 '{gone}'; }}
    location /busy/ {{ add_header retry-after 2 always; return 429 '{busy}'; }}
    location /down/ {{ return 503 '{down}'; }}
    location /v1/ {{ return 200 '{{"name":"projects/p/messages/1"}}'; }}
  }}
}}
"""

_DETAIL = '"details":[{{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"{0}"}}]'


def _error(status: int, rpc: str, code: str) -> str:
    return f'{{"error":{{"code":{status},"message":"{code}","status":"{rpc}",{_DETAIL.format(code)}}}}}'


class Served(NamedTuple):
    """A request that nginx has answered, and when, in seconds of the wall clock to the millisecond."""

    apns_id: str
    status: int
    at_s: float
    path: str


class Nginx:
    """``with Nginx(directory, certificate) as nginx: nginx.port``. ``certificate`` is a PEM of both halves."""

    def __init__(
        self, directory: Path, certificate: Path, *, requests_per_connection: int = 1000, logs: bool = False
    ) -> None:
        """With ``logs`` each request's ``apns-id`` and status can be read back."""
        self._directory = directory
        self._log, self._read_to = directory / "access.log", 0
        self._log.touch()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=511)
        self.port: int = self._listener.getsockname()[1]
        config = directory / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                dir=directory,
                port=self.port,
                paced_per_s=PACED_PER_S,
                certificate=certificate,
                requests_per_connection=requests_per_connection,
                log=f"{self._log} ids" if logs else "off",
                gone=_error(404, "NOT_FOUND", "UNREGISTERED"),
                busy=_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
                down=_error(503, "UNAVAILABLE", "UNAVAILABLE"),
            )
        )
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self._command = [program, "-p", str(directory), "-c", str(config), "-e", str(directory / "error.log")]

    def __enter__(self) -> Self:
        """Starts it on a socket that listens already, handed over as nginx does to its own successor."""
        with self._listener as listener:
            descriptor = listener.fileno()
            environment = os.environ | {"NGINX": f"{descriptor};"}
            self._process = subprocess.Popen(
                self._command, env=environment, pass_fds=[descriptor], stderr=subprocess.DEVNULL
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops it."""
        self._process.terminate()
        self._process.wait(10)

    def requests(self) -> list[Served]:
        """What it logged since the last call."""
        with self._log.open() as log:
            log.seek(self._read_to)
            whole, _, _ = log.read().rpartition("\n")
        self._read_to += len(whole) + bool(whole)
        lines = [line.split(" ") for line in whole.splitlines()]
        return [Served(apns_id, int(status), float(at_s), path) for apns_id, status, at_s, path in lines]
