"""Zip files (KMZ, zipped Shapefiles) unpacked in memory, within bounds, and never by the names they bring.

An archive is hostile until read: its entries may claim any size, unpack to a thousand times theirs, be named to climb
out of a folder or be links. Only wanted entries are unpacked, counted byte by byte while they are; their names are
compared and never opened.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

from gateway.importing.unreadable import Unreadable

MAX_ENTRIES: Final = 1_000
"""A KMZ with its icons has dozens."""
MAX_RATIO: Final = 200
"""Unpacked by packed: outlines as text pack twenty to one, a bomb a thousand to one."""
SMALL_BYTES: Final = 1 << 20
"""Below this the ratio says nothing: a megabyte harms nobody."""
_CHUNK: Final = 1 << 18


def unpack(raw: bytes, is_wanted: Callable[[str], bool], limit_bytes: int) -> dict[str, bytes]:
    """The wanted entries by name. Raises Unreadable for what is broken, too large, encrypted or a trick."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise Unreadable("too_large", f"the archive has {len(entries)} entries; at most {MAX_ENTRIES} are read")
            for entry in entries:
                _refuse_tricks(entry)
            left, found = limit_bytes, dict[str, bytes]()
            for entry in entries:
                if not entry.is_dir() and not _is_clutter(entry.filename) and is_wanted(entry.filename):
                    if entry.filename in found:
                        raise Unreadable("unsafe_archive", f"the archive holds {entry.filename[:80]!r} twice")
                    found[entry.filename] = _content(archive, entry, left)
                    left -= len(found[entry.filename])
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        # a RuntimeError is how zipfile says that it does not know the compression, or that there is a password
        raise Unreadable("broken_archive", f"the archive cannot be unpacked: {error}") from None


def names_of(raw: bytes) -> list[str]:
    """The names of an archive's entries. Raises Unreadable where it is broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return [name for name in archive.namelist()[:MAX_ENTRIES] if not _is_clutter(name)]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable("broken_archive", f"the archive cannot be unpacked: {error}") from None


def _is_clutter(name: str) -> bool:
    """What macOS adds to every archive."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith("._")


def _refuse_tricks(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in entry.filename or "\0" in entry.filename:
        raise Unreadable("unsafe_archive", f"the archive has an entry outside of it: {entry.filename[:80]!r}")
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Unreadable("unsafe_archive", f"the archive's entry {entry.filename[:80]!r} is a link, not a file")
    if entry.flag_bits & 1:
        raise Unreadable("encrypted_archive", "the archive is encrypted; send it without a password")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit_bytes: int) -> bytes:
    """One entry, stopped as soon as it passes its bounds, whatever its header claims."""
    allowed = min(limit_bytes, max(SMALL_BYTES, entry.compress_size * MAX_RATIO))
    parts: list[bytes] = []
    size = 0
    with archive.open(entry) as source:
        while part := source.read(_CHUNK):
            size += len(part)
            if size > allowed:
                raise Unreadable("too_large", f"the archive's entry {entry.filename[:80]!r} unpacks to far too much")
            parts.append(part)
    return b"".join(parts)
