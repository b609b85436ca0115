"""Which heads are plain: whatever two readers could take for different things is not."""

import pytest

from gateway.web import heads
from gateway.web.heads import Head, Heads

START = b"POST /v1/pings HTTP/1.1"
HOST = b"Host: geo.example"
LENGTH = b"Content-Length: 12"


def read(*fields: bytes) -> Head | None:
    return Heads().read(b"\r\n".join([START, *fields]))


def test_a_plain_head_says_who_sends_what() -> None:
    head = read(
        HOST,
        b"user-agent: phone/1 (x; y)",
        b"AUTHORIZATION:Bearer gp_1",
        b"content-type: \tApplication/JSON ; charset=utf-8 \t",
        b"Connection: Keep-Alive",
        b"X-Request-Id: r-1",
        b"X-Empty:",
        LENGTH,
    )
    assert head == Head(12, "Bearer gp_1", "application/json", "r-1")


def test_what_is_not_said_is_empty() -> None:
    assert read(HOST, LENGTH) == Head(12, "", "", "")


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: 12",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding:identity",
        b"Transfer-Encoding : chunked",
        b"Content-Encoding: gzip",
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"Connection: close",
        b"Connection: keep-alive, upgrade",
        b"Trailer: x",
        b"TE: trailers",
        b"Host: other.example",
        b" folded",
        b"\tfolded",
        b"no colon",
        b": no name",
        b"na me: x",
        b"X: a\nTransfer-Encoding: chunked",
        b"X: a\rTransfer-Encoding: chunked",
        b"X: \x00",
        b"X: \xc3\xa9",
        b"",
    ],
)
def test_a_head_with_this_field_is_not_plain(field: bytes) -> None:
    assert read(HOST, LENGTH, field) is None


@pytest.mark.parametrize("length", [b"", b"-1", b"+1", b"1 1", b"1,1", b"0x1", b"12345678", b"1_0"])
def test_a_length_that_is_no_count_of_bytes_is_not_plain(length: bytes) -> None:
    assert read(HOST, b"Content-Length: " + length) is None


def test_host_and_length_must_be_there() -> None:
    assert read(HOST) is None
    assert read(LENGTH) is None


def test_few_heads_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MAX_HEADS", 3)
    known = Heads()
    for number in range(10):
        assert known.read(b"\r\n".join([START, HOST, b"Content-Length: %d" % number])) == Head(number, "", "", "")
    assert len(known._known) <= 3
