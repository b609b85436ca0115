"""Tiles made by hand: a PNG of one colour, and a PMTiles archive (version 3) with such a PNG as its only tile."""

from __future__ import annotations

import struct
import zlib

SIDE_PX = 256
_RASTER_PNG = 2
_NOT_COMPRESSED = 1
_HEADER_BYTES = 127


def png(red: int, green: int, blue: int) -> bytes:
    """A square of one colour."""
    rows = (b"\x00" + bytes((red, green, blue)) * SIDE_PX) * SIDE_PX
    header = struct.pack(">IIBBBBB", SIDE_PX, SIDE_PX, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def color_of(picture: bytes) -> tuple[int, int, int]:
    """Red, green and blue of a PNG's first pixel, before which there is nothing to filter by."""
    place, pixels = 8, b""
    while place < len(picture):
        (length,) = struct.unpack(">I", picture[place : place + 4])
        if picture[place + 4 : place + 8] == b"IDAT":
            pixels += picture[place + 8 : place + 8 + length]
        place += 12 + length
    red, green, blue = zlib.decompress(pixels)[1:4]
    return red, green, blue


def archive(tile: bytes) -> bytes:
    """An archive of the world at zoom 0."""
    directory = b"\x01\x00\x01" + _varint(len(tile)) + b"\x01"  # one entry: tile 0, run of 1, its length, at offset 0
    metadata = b"{}"
    sections = (directory, metadata, b"", tile)
    offsets = [_HEADER_BYTES + sum(map(len, sections[:place])) for place in range(len(sections))]
    places = [number for offset, section in zip(offsets, sections, strict=True) for number in (offset, len(section))]
    header = b"PMTiles\x03" + struct.pack(
        "<11QBBBBBBiiiiBii",
        *places,
        *(1, 1, 1),  # tiles addressed, entries, contents
        *(1, _NOT_COMPRESSED, _NOT_COMPRESSED, _RASTER_PNG),  # clustered; directory; tiles; kind
        *(0, 0),  # zooms
        *(-1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000),
        *(0, 0, 0),
    )
    return header + b"".join(sections)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
