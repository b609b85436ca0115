"""What a file is, by its content: names and content types are often wrong, first bytes are not."""

from __future__ import annotations

import msgspec

from gateway.importing.archives import names_of
from gateway.importing.unreadable import Unreadable

_LINE_TYPES = ("ndjson", "geojsonl", "json-seq", "jsonlines", "jsonl")
_HEAD_BYTES = 4_096

_OTHERS = (
    (b"\x1f\x8b", "gzip data; send it with Content-Encoding: gzip, or unpack it"),
    (b"\x00\x00\x27\x0a", "a .shp file alone; zip it together with its .dbf, .shx and .prj"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file; save the sheet as CSV (UTF-8)"),
    (b"Rar!", "a RAR archive; send a zip"),
    (b"7z\xbc\xaf", "a 7z archive; send a zip"),
)


def format_of(raw: bytes, content_type: str = "") -> str:
    """The format's name, as ``docs/import.md`` lists them. Raises Unreadable that says what it looks like."""
    if raw.startswith(b"PK\x03\x04"):
        return _format_of_zip(raw)
    if raw.startswith(b"SQLite format 3\0"):
        return "geopackage"
    if raw.startswith(b"fgb\x03fgb"):
        return "flatgeobuf"
    for magic, detail in _OTHERS:
        if raw.startswith(magic):
            raise Unreadable("unknown_format", f"this is {detail}")
    head = raw[:_HEAD_BYTES].lstrip(b"\xef\xbb\xbf\x1e \t\r\n")
    if not head:
        raise Unreadable("empty_file", "the file is empty")
    if head[:1] in {b"{", b"["}:
        return _format_of_json(raw, content_type)
    if head[:1] == b"<":
        return _format_of_xml(head)
    return _format_of_text(raw, head)


def _format_of_zip(raw: bytes) -> str:
    names = names_of(raw)
    endings = {name.rpartition(".")[2].lower() for name in names}
    if "kml" in endings:
        return "kmz"
    if "shp" in endings:
        return "shapefile"
    if "xl/workbook.xml" in names:
        raise Unreadable("unknown_format", "this is an Excel workbook; save the sheet as CSV (UTF-8)")
    shown = ", ".join(names[:5])[:200]
    raise Unreadable("unknown_format", f"a zip with neither a .shp nor a .kml in it, but: {shown or 'nothing'}")


def _format_of_json(raw: bytes, content_type: str) -> str:
    if any(word in content_type.lower() for word in _LINE_TYPES) or raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"\x1e":
        return "geojson_lines"
    first, _, rest = raw.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")
    if rest.strip():
        try:
            msgspec.json.decode(first)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return "geojson_lines"
    members = _members(raw)
    if "waypoints" in members or members.get("_type") in {b'"waypoint"', b'"waypoints"'}:
        return "owntracks"
    if "area" in members:
        return "traccar"
    if "p" in members and "t" in members:
        return "wialon"
    return "geojson"


def _members(raw: bytes) -> dict[str, bytes]:
    """The members of the object, or of the first object of the array; the outermost only."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        if raw.lstrip()[:1] == b"[":
            items = msgspec.json.decode(raw, type=list[msgspec.Raw])
            raw = bytes(items[0]) if items else b"{}"
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {name: bytes(value) if len(bytes(value)) < 100 else b"" for name, value in members.items()}


def _format_of_xml(head: bytes) -> str:
    text = head.decode("utf-8", "replace")
    if "<kml" in text or ":kml" in text:
        return "kml"
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable("unsafe_xml", "a document type (DOCTYPE) is not read, for what it may pull in")
    name = next((part.split()[0].strip("/>") for part in text.split("<")[1:] if part[:1].isalpha()), "?")
    raise Unreadable("unknown_format", f"XML that is not KML (its root is {name[:40]!r}); export KML or GeoJSON")


def _format_of_text(raw: bytes, head: bytes) -> str:
    is_wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in head and not is_wide:
        raise Unreadable("unknown_format", "binary data of no format that is known here")
    first_line = head.decode("utf-16" if is_wide else "utf-8", "replace").splitlines()[0]
    if is_wide or any(mark in first_line for mark in ",;\t|"):
        return "csv"
    detail = "neither JSON, XML nor a table: a CSV begins with the names of its columns, such as id,lat,lng,radius_m"
    raise Unreadable("unknown_format", detail)
