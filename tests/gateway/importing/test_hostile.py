"""Files that mean harm, or are not what they claim: refused by name, within bounds, and nothing else is touched."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile

import pytest

from gateway.errors import Unavailable
from gateway.importing.archives import MAX_ENTRIES, unpack
from gateway.importing.process import frames_of
from gateway.importing.unreadable import Unreadable
from gateway.importing.worker import Task
from geofences.importing import Limits
from tests.gateway.importing.test_reading import FILES, Outcome


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return packed.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


KML = (FILES / "stores.kml").read_bytes()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (zipped(("../../etc/cron.d/x.kml", KML)), "unsafe_archive"),
        (zipped(("/doc.kml", KML)), "unsafe_archive"),
        (zipped(("..\\doc.kml", KML)), "unsafe_archive"),
        (zipped(("c:/doc.kml", KML)), "unsafe_archive"),
        (zipped(("doc.kml", KML), (link("other.kml"), b"/etc/passwd")), "unsafe_archive"),
        (zipped(("doc.kml", b"<kml>" + b" " * 50_000_000)), "too_large"),
        (zipped(("doc.kml", KML), *((f"{i}.png", b"") for i in range(MAX_ENTRIES))), "too_large"),
        (zipped(("doc.kml", KML))[:-30], "broken_archive"),
        (zipped(("a.shp", b""), ("b.shp", b"")), "ambiguous_file"),
        (zipped(("a.shp", b"nonsense")), "unreadable_file"),
        (zipped(("notes.txt", b"hello")), "unknown_format"),
        (zipped(("xl/workbook.xml", b"")), "unknown_format"),
        (zipped(("inner.zip", zipped(("doc.kml", KML)))), "unknown_format"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_archives_with_tricks_are_refused(raw: bytes, code: str) -> None:
    outcome = Outcome(raw)
    assert outcome.refusal == code
    assert outcome.detail
    assert outcome.features == {}


def test_an_entry_that_lies_about_its_size_is_stopped_while_it_unpacks() -> None:
    raw = bytearray(zipped(("doc.kml", b"\0" * 30_000_000)))
    for at in (raw.rindex(b"PK\x01\x02") + 24, 22):
        raw[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(Unreadable):
        unpack(bytes(raw), lambda name: name == "doc.kml", 1 << 30)


def test_what_macs_add_to_archives_is_passed_over() -> None:
    raw = zipped(("__MACOSX/._doc.kml", b"\0\1"), ("._doc.kml", b"\0"), ("doc.kml", KML))
    assert sorted(Outcome(raw).features) == ["kallio", "kamppi"]


ENTITIES = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(10))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"<!DOCTYPE kml [{ENTITIES}]><kml><Placemark><name>&l9;</name></Placemark></kml>", "unsafe_xml"),
        ('<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml>&x;</kml>', "unsafe_xml"),
        ('<!DOCTYPE kml SYSTEM "http://localhost/x.dtd"><kml/>', "unsafe_xml"),
        ("<kml>" + "<Folder>" * 200, "unsafe_xml"),
        ("<kml><Placemark>", "invalid_xml"),
        ("<kml>&undefined;</kml>", "invalid_xml"),
        ('<?xml version="1.0" encoding="klingon"?><kml/>', "invalid_xml"),
        ("<gpx/>", "unknown_format"),
    ],
)
def test_xml_with_tricks_is_refused(text: str, code: str) -> None:
    assert Outcome(text.encode()).refusal == code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_file"),
        (b" \n", "empty_file"),
        (b"hello", "unknown_format"),
        (b"\x1f\x8b\x08", "unknown_format"),
        (b"\x00\x00\x27\x0a", "unknown_format"),
        (b"a,b\0c", "unknown_format"),
        (b"%PDF-1.7", "unknown_format"),
        (b"SQLite format 3\0" + bytes(84), "unreadable_file"),
        (b"fgb\x03fgb\x01" + bytes(100), "unreadable_file"),
        (b"id,name\xff,lat\n", "not_unicode"),
        (b"id,id,lat\n", "invalid_csv"),
        (b"[]", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"type": "Topology"}', "not_a_feature_collection"),
        ((FILES / "stores.gpkg").read_bytes()[:50_000], "unreadable_file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_named_for_what_it_is(raw: bytes, code: str) -> None:
    assert Outcome(raw).refusal == code


def test_gdal_has_three_drivers_and_no_other() -> None:
    """A file may name another file, or an address; no driver is left that would follow it."""
    script = (
        "import gateway.importing.layers, pyogrio; print(sorted(pyogrio.list_drivers()));"
        "pyogrio.read_info(b'<OGRVRTDataSource/>')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['ESRI Shapefile', 'FlatGeobuf', 'GPKG']"
    assert "DataSourceError" in done.stderr


def test_a_file_with_more_features_than_allowed_is_refused_before_they_are_read() -> None:
    for name in ("stores.geojson", "stores.gpkg", "circles.csv", "stores.kml"):
        outcome = Outcome((FILES / name).read_bytes(), task=Task(limits=Limits(max_features=1)))
        assert outcome.refusal == "too_many_features"


async def test_a_file_that_takes_too_much_memory_is_told_so() -> None:
    raw = json.dumps({"type": "FeatureCollection", "features": [[1.5] * 20_000_000]}).encode()
    frames = [frame async for frame in frames_of(Task(memory_bytes=700 << 20), raw)]
    assert frames[0][:2] == ["unreadable", "too_large"]


async def test_a_file_that_takes_too_long_ends_the_process_and_nothing_else() -> None:
    row = '{"type":"Feature","id":%d,"properties":{},"geometry":{"type":"Point","coordinates":[1,%f]}}'
    raw = "\n".join(row % (i, i / 1e6) for i in range(200_000)).encode()
    with pytest.raises(Unavailable, match="1 s of computing"):
        async for _ in frames_of(Task(cpu_s=1), raw):
            pass


async def test_the_process_is_given_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOPUSH_FIX_KEY", "secret")
    from gateway.importing.process import _environment

    assert "secret" not in _environment("here").values()
