"""What an import may contain, and how a fault is told."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on one import; every one has its error code."""

    max_vertices: int = 10_000
    """Vertices of one feature: country borders have fewer, and the exact test walks them all."""

    max_area_km2: float = 1_000_000.0
    """A region of 1,000 km squared; larger is a coordinate mistake."""

    max_radius_m: float = 500_000.0
    """Circles up to a region's size."""

    max_features: int = 1_000_000
    """Features of one file."""

    max_bytes: int = 1 << 30
    """Size of the file, unpacked."""

    max_id_chars: int = 200
    """Length of an id: it becomes part of keys and addresses."""

    region: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees, if all features must lie there: tells swapped axes anywhere on Earth."""


DEFAULT_LIMITS = Limits()


class FeatureError(msgspec.Struct, frozen=True):
    """Why one feature is refused.

    ``pointer`` is the JSON pointer within the feature, ``line`` its line in a newline-delimited file, from 1.
    """

    code: str
    detail: str
    pointer: str = ""
    line: int | None = None


class Refused(Exception):
    """Carries a ``FeatureError`` up to the parser's edge; never leaves the package."""

    def __init__(self, code: str, detail: str, pointer: str = "") -> None:
        """The fields of the error."""
        super().__init__(detail)
        self.error = FeatureError(code, detail, pointer)
