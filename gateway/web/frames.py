"""WebSocket frames (RFC 6455), server side: bytes as they come to whole messages, and messages to bytes.

Pure. What may be wrong with a frame is known from its head, and said before its payload is waited for. Text is handed
out as bytes, because its reader looks for UTF-8 itself. Extensions are not spoken, so that reserved bits are faults.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from aiohttp import WSCloseCode

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

MAX_CONTROL_BYTES: Final = 125
"""Payload of a control frame (section 5.5)."""

_FIN: Final = 0x80
_MASKED: Final = 0x80
_RESERVED: Final = 0x70
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
"""What stands for the length when it follows in two or eight bytes (section 5.2)."""
_WHOLE: Final = (_FIN | TEXT, _FIN | BINARY)
_NO_CODE: Final = 1005
_FORBIDDEN_CODES: Final = frozenset({1004, _NO_CODE, 1006, *range(1015, 3000)})
"""Close codes between 1000 and 4999 that nobody may send (section 7.4, and IANA's registry)."""


class End(NamedTuple):
    """Why nothing more is read; ``code`` is the one to answer. A ``fault`` is what the other side did wrong."""

    code: int
    fault: str = ""


class FrameReader:
    """Reads what one client sends."""

    def __init__(self, max_bytes: int) -> None:
        """``max_bytes`` is the longest message taken, however many frames it comes in."""
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._wanted = 0
        """Bytes without which ``_rest`` says nothing new: a slow sender must not make us look at each byte again."""
        self._begun: bytearray | None = None
        """The message whose last frame is still to come."""
        self.pings: list[bytes] = []
        """Payloads of pings that are to be answered, for the caller to empty."""
        self.end: End | None = None

    def read(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes. What comes after the end is thrown away."""
        messages: list[bytes] = []
        if self.end is not None:
            return messages
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return messages
            data = bytes(self._rest)
            self._rest.clear()
        at, size, wanted = 0, len(data), 2
        while size - at >= 2:
            first, second = data[at], data[at + 1]
            length, head_end = second & 0x7F, at + 6
            if length >= _TWO_BYTES:
                head_end = at + (8 if length == _TWO_BYTES else 14)
                if size < head_end - 4:
                    wanted = head_end - 4 - at
                    break
                length = int.from_bytes(data[at + 2 : head_end - 4])
            is_whole = first in _WHOLE and self._begun is None
            is_plain = is_whole and second >= _MASKED and length <= self._max_bytes
            if not is_plain and self._is_faulty(first, second, length):
                break
            end = head_end + length
            if size < end:
                wanted = end - at
                break
            payload = _unmasked(data[head_end:end], data[head_end - 4 : head_end])
            at, wanted = end, 2
            if is_whole:
                messages.append(payload)
            elif self._is_last(first, payload, messages):
                break
        self._rest += data[at:]
        self._wanted = wanted
        return messages

    def _is_faulty(self, first: int, second: int, length: int) -> bool:
        self.end = self._fault(first, second, length)
        return self.end is not None

    def _fault(self, first: int, second: int, length: int) -> End | None:
        """What is wrong with a frame, by its first two bytes and its length."""
        opcode = first & 0xF
        if first & _RESERVED:
            return End(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        if second < _MASKED:
            return End(WSCloseCode.PROTOCOL_ERROR, "a client has to mask its frames")
        if opcode & 0x8:
            if opcode > PONG:
                return End(WSCloseCode.PROTOCOL_ERROR, "unknown opcode")
            if not first & _FIN or length > MAX_CONTROL_BYTES:
                return End(WSCloseCode.PROTOCOL_ERROR, "a control frame is short, and in one piece")
            return None
        if opcode > BINARY:
            return End(WSCloseCode.PROTOCOL_ERROR, "unknown opcode")
        if (opcode == CONTINUATION) == (self._begun is None):
            return End(WSCloseCode.PROTOCOL_ERROR, "frames of one message follow each other")
        if length + len(self._begun or b"") > self._max_bytes:
            return End(WSCloseCode.MESSAGE_TOO_BIG, f"a message has at most {self._max_bytes} bytes")
        return None

    def _is_last(self, first: int, payload: bytes, messages: list[bytes]) -> bool:
        """Take a control frame or a part of a message; whether it is the last frame there is."""
        opcode = first & 0xF
        if opcode == CLOSE:
            self.end = _closing(payload)
            return True
        if opcode == PING:
            self.pings.append(payload)
        elif opcode != PONG:
            if self._begun is None:
                self._begun = bytearray()
            self._begun += payload
            if first & _FIN:
                messages.append(bytes(self._begun))
                self._begun = None
        return False


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A whole message as a server sends it."""
    length = len(payload)
    if length < _TWO_BYTES:
        return bytes((_FIN | opcode, length)) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", _FIN | opcode, _TWO_BYTES, length) + payload
    return struct.pack("!BBQ", _FIN | opcode, _EIGHT_BYTES, length) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """The frame that ends a conversation."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode()[: MAX_CONTROL_BYTES - 2])


def _closing(payload: bytes) -> End:
    """What the payload of a close frame says (section 5.5.1); a good code is sent back."""
    if not payload:
        return End(WSCloseCode.OK)
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not 1000 <= code < 5000 or code in _FORBIDDEN_CODES:
        return End(WSCloseCode.PROTOCOL_ERROR, "no close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return End(WSCloseCode.INVALID_TEXT, "the reason is not UTF-8")
    return End(code)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """``payload`` without its mask (section 5.3): as two long numbers, Python's quickest way to so few bytes."""
    length = len(payload)
    masks = (mask * (length + 3 >> 2))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(masks, "little")).to_bytes(length, "little")
