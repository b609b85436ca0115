"""The head of a request that is too plain to be misread: what an express connection answers itself.

Anything that could make two readers disagree on where a body ends, or that asks for more than a plain answer, is not
plain: repeated or folded fields, transfer and content encodings, ``Expect``, ``Upgrade``, ``Connection: close``, a byte
outside printable ASCII. Such a request is aiohttp's, whose parser knows them all.
"""

from __future__ import annotations

import re

import msgspec

MAX_HEADS = 4096
"""Heads remembered: a client sends the same bytes with every ping, but for a digit of Content-Length."""

_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~](?:[\t -~]*[!-~])?)?)[ \t]*")
"""A field line (RFC 9112, section 5) in printable ASCII."""
_LENGTH = re.compile(rb"[0-9]{1,7}")
_NOT_PLAIN = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"trailer", b"te"})


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a plain head says."""

    body_bytes: int
    authorization: str
    content_type: str
    request_id: str = ""


class Heads:
    """Reads heads, each once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head | None] = {}

    def read(self, head: bytes) -> Head | None:
        """The meaning of ``head``, from the request line to before the empty line; None if it is not plain."""
        try:
            return self._known[head]
        except KeyError:
            if len(self._known) >= MAX_HEADS:
                self._known.clear()
            meaning = self._known[head] = _read(head)
            return meaning


def _read(head: bytes) -> Head | None:
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name = field[1].lower()
        if name in fields or name in _NOT_PLAIN:
            return None
        fields[name] = field[2]
    length = fields.get(b"content-length", b"")
    is_kept = fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    if b"host" not in fields or not is_kept or not _LENGTH.fullmatch(length):
        return None
    return Head(
        int(length),
        fields.get(b"authorization", b"").decode("ascii"),
        fields.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("ascii"),
        fields.get(b"x-request-id", b"").decode("ascii"),
    )
