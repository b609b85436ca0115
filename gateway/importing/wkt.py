"""Well-known text to GeoJSON, with the slips that shapely would not take: open rings, and Traccar's circles.

Traccar writes latitude first, and ``CIRCLE (lat lon, radius)``, which no standard knows; its radius is in metres.
"""

from __future__ import annotations

import math
import re
from typing import Any

_TEXT = re.compile(r"\s*(?:SRID=\d+;)?\s*([A-Z]+?)\s*(?:ZM|Z|M)?\s*(\(.*\))\s*", re.DOTALL | re.IGNORECASE)
_GROUP = re.compile(r"[()]|[^()]+")
_KINDS = {"POINT": "Point", "POLYGON": "Polygon", "MULTIPOLYGON": "MultiPolygon", "CIRCLE": "Point"}
_DEPTHS = {"POINT": 1, "POLYGON": 2, "MULTIPOLYGON": 3, "CIRCLE": 1}


def geometry_of_wkt(text: str, *, lat_first: bool = False) -> tuple[dict[str, Any], float | None]:
    """The geometry, and a circle's radius in metres. Raises ValueError that says what cannot be read."""
    found = _TEXT.fullmatch(text)
    kind = found[1].upper() if found else ""
    if found is None or kind not in _KINDS:
        raise ValueError("wkt cannot be read; give POINT, POLYGON or MULTIPOLYGON with longitude before latitude")
    if kind == "CIRCLE":
        return _circle(found[2])
    nested = _nested(found[2], lat_first=lat_first)
    if _depth(nested) != _DEPTHS[kind]:
        raise ValueError(f"wkt cannot be read: the parentheses are not those of a {kind}")
    coordinates = nested[0] if kind == "POINT" else nested
    return {"type": _KINDS[kind], "coordinates": coordinates}, None


def _circle(text: str) -> tuple[dict[str, Any], float]:
    words = text.strip("() \t\n").replace(",", " ").split()
    try:
        lat, lng, radius_m = map(float, words)
    except ValueError:
        raise ValueError("wkt cannot be read: a circle is CIRCLE (latitude longitude, radius in metres)") from None
    return {"type": "Point", "coordinates": [lng, lat]}, radius_m


def _nested(text: str, *, lat_first: bool) -> Any:
    """Parentheses as nested lists; positions as [longitude, latitude]."""
    stack: list[list[Any]] = [[]]
    for part in _GROUP.findall(text):
        if part == "(":
            stack.append([])
        elif part == ")":
            if len(stack) < 2:
                raise ValueError("wkt cannot be read: a parenthesis too many")
            inner = stack.pop()
            stack[-1].append(inner)
        elif part.strip(" ,\t\r\n"):
            stack[-1] += [_position(word, lat_first=lat_first) for word in part.split(",") if word.strip()]
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ValueError("wkt cannot be read: a parenthesis is missing")
    return stack[0][0]


def _position(text: str, *, lat_first: bool) -> list[float]:
    try:
        x, y = (float(word) for word in text.split()[:2])
    except ValueError:
        raise ValueError(f"wkt cannot be read: {text.strip()[:40]!r} is no position") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"wkt cannot be read: {text.strip()[:40]!r} is no position")
    return [y, x] if lat_first else [x, y]


def _depth(nested: Any) -> int:
    depth = 0
    while isinstance(nested, list) and nested and isinstance(nested[0], list):
        nested, depth = nested[0], depth + 1
    return depth
