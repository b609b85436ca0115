"""KML (OGC 12-007r2), and KMZ, its zip: Placemarks to GeoJSON Features, with the line each begins at.

Read as a stream by expat, one Placemark in memory at a time. A document type is refused, so there are no entities to
expand or to fetch, and links to other files are not followed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from xml.parsers import expat

from gateway.importing.archives import unpack
from gateway.importing.unreadable import Unreadable
from geofences.importing import FeatureError, Row
from geofences.model import LatLng

MAX_DEPTH: Final = 100
"""Folders within folders; more is an attack on whoever walks them."""
_CHUNK: Final = 1 << 20
_TEXTS: Final = ("name", "description", "address", "phoneNumber")


@dataclass(slots=True)
class _Node:
    tag: str
    attributes: dict[str, str]
    children: list[_Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts).strip()

    def child(self, tag: str) -> _Node | None:
        return next((child for child in self.children if child.tag == tag), None)

    def below(self, tag: str) -> Iterator[_Node]:
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.below(tag)


def kml_of_kmz(raw: bytes, limit_bytes: int) -> bytes:
    """The main document of a KMZ: doc.kml, else the first. Raises Unreadable."""
    found = unpack(raw, lambda name: name.lower().endswith(".kml"), limit_bytes)
    if not found:
        raise Unreadable("empty_file", "the archive holds no .kml")
    return found.get("doc.kml") or next(iter(found.values()))


def rows_of_kml(raw: bytes) -> Iterator[Row]:
    """Every Placemark as a Feature whose id may be missing. Raises Unreadable for what is no XML, or unsafe."""
    reader = _Reader()
    for start in range(0, len(raw), _CHUNK):
        yield from reader.read(raw[start : start + _CHUNK], is_last=start + _CHUNK >= len(raw))


class _Reader:
    """Expat's handlers; finished Placemarks are handed out after each chunk."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.buffer_text = True
        self._path: list[str] = []
        self._open: list[_Node] = []
        self._folders: list[tuple[int, str]] = []
        self._line = 0
        self._done: list[Row] = []

    def read(self, chunk: bytes, *, is_last: bool) -> list[Row]:
        try:
            self._parser.Parse(chunk, is_last)
        except expat.ExpatError as error:
            raise Unreadable("invalid_xml", f"not XML: {error}") from None
        except (LookupError, ValueError) as error:
            raise Unreadable("invalid_xml", f"the encoding cannot be read: {error}; save it as UTF-8") from None
        done, self._done = self._done, []
        return done

    @staticmethod
    def _refuse(*_: Any) -> NoReturn:
        raise Unreadable("unsafe_xml", "a document type (DOCTYPE) is not read, for what it may pull in")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        self._path.append(tag)
        if len(self._path) > MAX_DEPTH:
            raise Unreadable("unsafe_xml", f"elements are nested deeper than {MAX_DEPTH}")
        if self._open or tag == "Placemark":
            node = _Node(tag, attributes)
            if self._open:
                self._open[-1].children.append(node)
            else:
                self._line = self._parser.CurrentLineNumber
            self._open.append(node)
        elif tag == "Folder":
            self._folders.append((len(self._path), ""))

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)
        elif self._folders and self._path[-1] == "name" and len(self._path) == self._folders[-1][0] + 1:
            depth, known = self._folders[-1]
            self._folders[-1] = depth, known + text

    def _end(self, _: str) -> None:
        if self._open:
            node = self._open.pop()
            if not self._open:
                folder = " / ".join(name.strip() for _, name in self._folders if name.strip())
                self._done.append(_row(node, self._line, folder))
        elif self._path[-1] == "Folder":
            self._folders.pop()
        self._path.pop()


def _row(placemark: _Node, line: int, folder: str) -> Row:
    properties: dict[str, Any] = {}
    for name in _TEXTS:
        if (child := placemark.child(name)) is not None and child.text:
            properties[name] = child.text
    if folder:
        properties["folder"] = folder
    for data in placemark.below("Data"):
        value = data.child("value")
        properties[data.attributes.get("name", "")] = "" if value is None else value.text
    for data in placemark.below("SimpleData"):
        properties[data.attributes.get("name", "")] = data.text
    properties = {name: value for name, value in properties.items() if name and value}
    try:
        geometry, point = _geometry(placemark)
    except ValueError as error:
        return Row(FeatureError("invalid_position", str(error), "/geometry/coordinates"), line)
    doc = {"type": "Feature", "geometry": geometry, "properties": properties}
    if placemark.attributes.get("id"):
        doc["id"] = placemark.attributes["id"]
    return Row(doc, line, point)


def _geometry(placemark: _Node) -> tuple[dict[str, Any] | None, LatLng | None]:
    """The polygons, else the point; where there are both, the point stands beside. Raises ValueError."""
    polygons = [_polygon(node) for node in placemark.below("Polygon")]
    points = [_positions(node)[0] for node in placemark.below("Point")]
    if polygons:
        beside = LatLng(points[0][1], points[0][0]) if points else None
        if len(polygons) == 1:
            return {"type": "Polygon", "coordinates": polygons[0]}, beside
        return {"type": "MultiPolygon", "coordinates": polygons}, beside
    if points:
        return {"type": "Point", "coordinates": points[0]}, None
    other = next((child.tag for child in placemark.children if child.tag in {"LineString", "Model", "Track"}), None)
    return ({"type": other, "coordinates": []} if other else None), None


def _polygon(node: _Node) -> list[list[list[float]]]:
    outer = [_positions(ring) for side in node.below("outerBoundaryIs") for ring in side.below("LinearRing")]
    inner = [_positions(ring) for side in node.below("innerBoundaryIs") for ring in side.below("LinearRing")]
    if len(outer) != 1:
        raise ValueError("a Polygon has one outerBoundaryIs with a LinearRing")
    return [*outer, *inner]


def _positions(node: _Node) -> list[list[float]]:
    text = " ".join(child.text for child in node.below("coordinates"))
    positions = []
    for word in text.split():
        try:
            numbers = [float(part) for part in word.split(",")[:2]]
        except ValueError:
            numbers = []
        if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{word[:40]!r} is not longitude,latitude")
        positions.append(numbers)
    if not positions:
        raise ValueError("needs coordinates: the element coordinates is empty")
    return positions
