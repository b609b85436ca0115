"""WebSocket frames on bytes: RFC 6455 as a table, and no difference how they are cut."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameReader, close_frame, frame

MAX_BYTES = 70_000


def sent(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, mask: bytes | None = None) -> bytes:
    """A frame as a client sends it."""
    mask = os.urandom(4) if mask is None else mask
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | length])
    elif length < 65_536:
        head = bytes([0x80 | 126]) + length.to_bytes(2)
    else:
        head = bytes([0x80 | 127]) + length.to_bytes(8)
    masked = bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask), strict=False))
    return bytes([(0x80 if fin else 0) | reserved << 4 | opcode]) + head + mask + masked


def read(*chunks: bytes, max_bytes: int = MAX_BYTES) -> tuple[list[bytes], list[bytes], int | None]:
    """Messages, pings to answer, and the code at the end."""
    reader = FrameReader(max_bytes)
    messages = [message for chunk in chunks for message in reader.read(chunk)]
    return messages, reader.pings, None if reader.end is None else reader.end.code


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 65_535, 65_536, MAX_BYTES])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_any_length_is_read_and_written(opcode: int, size: int) -> None:
    payload = os.urandom(size)
    assert read(sent(opcode, payload)) == ([payload], [], None)
    ours = frame(opcode, payload)
    assert (ours[0], ours[-size:] if size else b"") == (0x80 | opcode, payload)


@pytest.mark.parametrize("mask", [bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x01"])
def test_any_mask_is_taken_off(mask: bytes) -> None:
    assert read(sent(TEXT, b'{"lat": 1}', mask=mask))[0] == [b'{"lat": 1}']


@pytest.mark.parametrize(
    ("wire", "messages", "pings", "code"),
    [
        pytest.param(sent(PING, b"x" * 125), [], [b"x" * 125], None, id="a ping is to be answered"),
        pytest.param(sent(PONG, b"unasked"), [], [], None, id="a pong is heard"),
        pytest.param(sent(TEXT, b"a", fin=False) + sent(CONTINUATION, b"b"), [b"ab"], [], None, id="two fragments"),
        pytest.param(sent(TEXT, b"", fin=False) + sent(CONTINUATION, b""), [b""], [], None, id="empty fragments"),
        pytest.param(
            sent(TEXT, b"a", fin=False) + sent(PING, b"p") + sent(CONTINUATION, b"b", fin=False)
            + sent(PONG) + sent(CONTINUATION, b"c") + sent(BINARY, b"d"),
            [b"abc", b"d"], [b"p"], None, id="control frames between fragments",
        ),
        pytest.param(sent(TEXT, b"a", fin=False) + sent(TEXT, b"b"), [], [], 1002, id="a message within another"),
        pytest.param(sent(CONTINUATION, b"b"), [], [], 1002, id="a fragment of nothing"),
        pytest.param(sent(CONTINUATION, b"b", fin=False), [], [], 1002, id="the first fragment of nothing"),
        pytest.param(sent(PING, fin=False), [], [], 1002, id="a ping in fragments"),
        pytest.param(sent(PING, b"x" * 126), [], [], 1002, id="a ping too long"),
        pytest.param(sent(CLOSE, b"\x03\xe8" + b"x" * 124), [], [], 1002, id="a close too long"),
        *[pytest.param(sent(TEXT, b"a", reserved=bits), [], [], 1002, id=f"reserved {bits}") for bits in range(1, 8)],
        *[pytest.param(sent(code), [], [], 1002, id=f"opcode {code}") for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
        pytest.param(b"\x81\x01a", [], [], 1002, id="no mask"),
        pytest.param(b"\x81\x00", [], [], 1002, id="no mask and nothing to mask"),
        pytest.param(sent(TEXT, b"x") + b"\x89\x00", [b"x"], [], 1002, id="what came before a fault is taken"),
        pytest.param(sent(CLOSE), [], [], 1000, id="a close without a word"),
        pytest.param(sent(CLOSE, b"\x03"), [], [], 1002, id="half a close code"),
        pytest.param(sent(CLOSE, b"\x03\xe9" + "ö".encode()), [], [], 1001, id="a close with a reason"),
        pytest.param(sent(CLOSE, b"\x03\xe8\xff"), [], [], 1007, id="a reason that is no UTF-8"),
        pytest.param(sent(CLOSE) + sent(TEXT, b"late") + sent(PING), [], [], 1000, id="nothing after a close"),
        pytest.param(b"\x82\xff" + (1 << 63).to_bytes(8), [], [], 1009, id="told from its head, longer than anything"),
        pytest.param(b"\x82\xff" + (MAX_BYTES + 1).to_bytes(8), [], [], 1009, id="told from its head, a byte too long"),
        pytest.param(
            sent(BINARY, bytes(MAX_BYTES), fin=False) + b"\x80\x81", [], [], 1009, id="too long together"
        ),
    ],
)  # fmt: skip
def test_frames_by_the_book(wire: bytes, messages: list[bytes], pings: list[bytes], code: int | None) -> None:
    """Whole, and byte by byte."""
    assert read(wire) == (messages, pings, code)
    assert read(*(wire[at : at + 1] for at in range(len(wire)))) == (messages, pings, code)


def test_only_close_codes_that_may_be_sent_are_sent_back() -> None:
    """RFC 6455, section 7.4, and those that IANA added since."""
    good = {code for code in range(1 << 16) if read(sent(CLOSE, code.to_bytes(2)))[2] != 1002} - {1002}
    assert good == {1000, 1001, 1003, *range(1007, 1015), *range(3000, 5000)}
    assert read(sent(CLOSE, (1002).to_bytes(2)))[2] == 1002


def test_a_close_frame_has_room_for_its_reason() -> None:
    assert close_frame(1001, "bye") == b"\x88\x05\x03\xe9bye"
    assert len(close_frame(1001, "x" * 200)) == 2 + 125


FRAMES = st.one_of(
    st.tuples(st.sampled_from([TEXT, BINARY]), st.lists(st.binary(max_size=300), min_size=1, max_size=4)),
    st.tuples(st.sampled_from([PING, PONG]), st.lists(st.binary(max_size=125), min_size=1, max_size=1)),
)


@given(st.lists(FRAMES, max_size=8), st.data())
def test_it_does_not_matter_where_the_stream_is_cut(talk: list[tuple[int, list[bytes]]], data: st.DataObject) -> None:
    wire = b"".join(
        sent(opcode if at == 0 else CONTINUATION, part, fin=at == len(parts) - 1)
        for opcode, parts in talk
        for at, part in enumerate(parts)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    chunks = [wire[start:end] for start, end in itertools.pairwise([0, *cuts, len(wire)])]
    messages = [b"".join(parts) for opcode, parts in talk if opcode in {TEXT, BINARY}]
    pings = [parts[0] for opcode, parts in talk if opcode == PING]
    assert read(*chunks) == (messages, pings, None)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_noise_is_judged_alike_however_it_is_cut(noise: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(noise)) for cut in cuts), len(noise)]
    assert read(*(noise[start:end] for start, end in itertools.pairwise(places))) == read(noise)
