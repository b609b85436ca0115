"""Request bodies, read within bounds: nothing over the limit is ever held, neither as sent nor unpacked.

The server runs with ``auto_decompress`` off (``gateway.web.server``), so that unpacking happens here and stops at
its limit: a gzip bomb costs the memory of one limit, not of what it claims to hold.
"""

from __future__ import annotations

import asyncio
import io
import zlib

import zstandard
from aiohttp import web

from gateway.errors import BadRequest, TooLarge, Unavailable, UnsupportedMediaType

READ_TIMEOUT_S = 30.0
"""Longest that a whole body may take to arrive: generous for a phone on 2G, final for a slow loris."""
INLINE_BYTES = 65_536
"""Packed bodies over this are unpacked in a thread: 64 kB unpack in about a millisecond, 5 MB would hold the loop."""
MAX_WINDOW_BYTES = 8_388_608
"""Largest zstd window (RFC 8878 recommends decoders to support 8 MB): it bounds the memory of unpacking."""
_GZIP_WBITS = 31


async def read_body(request: web.Request, limit_bytes: int, inflated_limit_bytes: int | None = None) -> bytes:
    """The body, unpacked (gzip, deflate, zstd).

    Raises TooLarge past ``limit_bytes`` as sent or ``inflated_limit_bytes`` unpacked (default: the same),
    BadRequest for a broken packing, UnsupportedMediaType for an unknown one, Unavailable where it does not arrive.
    """
    declared = request.content_length
    if declared is not None and declared > limit_bytes:
        raise _too_large(limit_bytes)
    content = request.content
    body = content.read_nowait(-1) if content.is_eof() else await _received(request, limit_bytes)
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    encoding = request.headers.get("Content-Encoding")
    if encoding is None:
        return body
    inflated_limit_bytes = inflated_limit_bytes or limit_bytes
    if len(body) <= INLINE_BYTES:
        return unpack(body, encoding, inflated_limit_bytes)
    return await asyncio.to_thread(unpack, body, encoding, inflated_limit_bytes)


async def _received(request: web.Request, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                chunks.append(chunk)
    except TimeoutError:
        raise Unavailable(f"the body did not arrive within {READ_TIMEOUT_S:g} s; send it again") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def unpack(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """``body`` without its content encoding, at most ``limit_bytes`` long. Raises as read_body."""
    match encoding.strip().lower():
        case "identity" | "":
            return body
        case "gzip" | "x-gzip":
            return _inflate(body, _GZIP_WBITS, limit_bytes)
        case "deflate":
            return _inflate(body, zlib.MAX_WBITS, limit_bytes)
        case "zstd":
            return _unpack_zstd(body, limit_bytes)
    raise UnsupportedMediaType(f"content encoding {encoding[:40]!r} is not read; send gzip, deflate, zstd or none")


def _inflate(body: bytes, wbits: int, limit_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        inflated = inflater.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise BadRequest(f"the body cannot be unpacked: {error}") from None
    if len(inflated) > limit_bytes:
        raise _too_large(limit_bytes, "unpacked ")
    if not inflater.eof:
        raise BadRequest("the body cannot be unpacked: it ends too early")
    return inflated


def _unpack_zstd(body: bytes, limit_bytes: int) -> bytes:
    """Twice: the reader proves the size within bounds but passes over a cut frame, the object sees where it ends."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    try:
        if len(unpacker.stream_reader(io.BytesIO(body)).read(limit_bytes + 1)) > limit_bytes:
            raise _too_large(limit_bytes, "unpacked ")
        frame = unpacker.decompressobj()
        inflated = frame.decompress(body)
    except zstandard.ZstdError as error:
        raise BadRequest(f"the body cannot be unpacked: {error}") from None
    if not frame.eof:
        raise BadRequest("the body cannot be unpacked: it ends too early")
    return inflated


def _too_large(limit_bytes: int, what: str = "") -> TooLarge:
    detail = f"the {what}body is over its limit of {limit_bytes} bytes; send it in parts"
    return TooLarge(detail, limit_bytes=limit_bytes)
