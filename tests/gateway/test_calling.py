"""Commands of the shell call a gateway: whatever answers, or does not, the user reads one line that says what to do."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from gateway.calling import Caller, command, run
from gateway.errors import BadRequest, Unavailable


class Answering(BaseHTTPRequestHandler):
    """Answers by path, and counts connections."""

    protocol_version = "HTTP/1.1"
    connections = 0
    seen: ClassVar[list[tuple[str, str, str | None, bytes]]] = []

    def setup(self) -> None:
        type(self).connections += 1
        super().setup()

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, self.headers["Authorization"], body))
        status, content_type, text = {
            "/base/v1/good": (200, "application/json", b'{"n": 1}'),
            "/base/v1/empty": (204, "", b""),
            "/base/v1/faulty": (422, "application/problem+json", json.dumps(FAULTY).encode()),
            "/base/v1/page": (502, "text/html", b"<html>bad gateway</html>"),
        }[self.path]
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Silent."""


FAULTS = [{"pointer": f"/features/{n}", "detail": "crosses itself"} for n in range(7)]
FAULTY = {"detail": "7 features are faulty", "errors": FAULTS}


@pytest.fixture
def url() -> Iterator[str]:
    Answering.connections = 0
    Answering.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    running = threading.Thread(target=server.serve_forever)
    running.start()
    yield f"http://127.0.0.1:{server.server_port}/base/"
    server.shutdown()
    running.join()
    server.server_close()


def test_calls_share_a_connection_and_carry_key_and_document(url: str) -> None:
    call = Caller(url, "gp_x")
    assert call("POST", "/v1/good", {"a": "ä"}) == {"n": 1}
    assert call("GET", "/v1/empty") is None
    call.close()
    assert Answering.connections == 1
    assert [(method, key) for method, _, key, _ in Answering.seen] == [("POST", "Bearer gp_x"), ("GET", "Bearer gp_x")]
    assert json.loads(Answering.seen[0][3]) == {"a": "ä"}


def test_a_refusal_names_the_call_and_the_first_faults_with_their_places(url: str) -> None:
    call = Caller(url, "gp_x")
    with pytest.raises(BadRequest) as refused:
        call("POST", "/v1/faulty", {})
    places = "; ".join(f"/features/{n} crosses itself" for n in range(5))
    assert str(refused.value) == (f"the gateway refused POST /v1/faulty: 7 features are faulty; {places}; and 2 more")
    assert call("GET", "/v1/good") == {"n": 1}
    call.close()


def test_a_page_of_some_proxy_is_told_by_its_status(url: str) -> None:
    call = Caller(url, "gp_x")
    with pytest.raises(BadRequest, match="GET /v1/page: 502 Bad Gateway"):
        call("GET", "/v1/page")
    call.close()


def test_where_nobody_answers_the_address_is_named() -> None:
    with pytest.raises(Unavailable, match=r"no gateway answers at http://127.0.0.1:9: "):
        Caller("http://127.0.0.1:9", "gp_x")("GET", "/v1/good")


@pytest.mark.parametrize("wrong", ["localhost:8080", "ftp://host", "http://", "http://host:port"])
def test_an_address_that_is_none_is_refused_with_how_to_write_it(wrong: str) -> None:
    with pytest.raises(BadRequest, match="is no address of a gateway"):
        Caller(wrong, "gp_x")


def _act(_options: argparse.Namespace, call: Caller) -> Iterator[str]:
    yield str(call("GET", "/v1/good"))
    yield str(call("GET", "/v1/page"))


def test_a_command_prints_its_lines_and_ends_with_what_went_wrong(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOPUSH_KEY", "gp_from_the_shell")
    assert run(command("geopush x", "Does x.", needs="ops"), ["--url", url], _act) == 1
    said = capsys.readouterr()
    assert said.out == "{'n': 1}\n"
    assert said.err == "the gateway refused GET /v1/page: 502 Bad Gateway\n"
    assert Answering.seen[0][2] == "Bearer gp_from_the_shell"


def test_a_command_without_a_key_says_where_one_is_looked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEOPUSH_KEY", raising=False)
    assert run(command("geopush x", "Does x.", needs="ops"), [], _act) == 1
    assert capsys.readouterr().err == "an API key is needed: --key KEY, or the environment variable GEOPUSH_KEY\n"
