"""Bytes of our own ping formats to pings: one JSON object, a JSON array, or newline-delimited JSON.

Pure. A good batch is one typed msgspec call, a quarter of a microsecond a ping. Only if that call finds a fault is
the batch taken apart, so that one bad ping never loses the good ones and each bad one is told what is wrong with it.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from gateway.clock import EARLIEST_MS, LATEST_MS
from gateway.errors import TooLarge, UnsupportedMediaType
from gateway.web.faults import Fault, fault_of, malformed
from geofences.model import Ping

JSON_TYPE = "application/json"
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})

MAX_USER_ID_LENGTH = 128
MAX_INTEGER_DIGITS = 19
"""Digits of today in nanoseconds; longer integers are read as floats, far out of every range here."""
MAX_NODES_PER_PING = 4
"""Objects and arrays in a faulty body, per ping allowed: bounds what taking it apart may build (a ping has one)."""
UNKNOWN = -1
"""What phones send for a speed, heading or accuracy they do not know (iOS CLLocation); read as null."""


class WirePing(
    Ping, frozen=True, gc=False, forbid_unknown_fields=True,
    rename={"at_ms": "ts", "lng": "lon", "accuracy_m": "accuracy", "speed_mps": "speed", "heading_deg": "heading"},
):  # fmt: skip
    """A Ping as it is written on the wire: other names, bounded values, and nothing to convert once it is decoded."""

    user_id: Annotated[str, Meta(min_length=1, max_length=MAX_USER_ID_LENGTH)]
    at_ms: Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=20_100_000)] | None = None
    speed_mps: Annotated[float, Meta(ge=0, le=20_000)] | None = None
    heading_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    mock: bool = False
    source: Annotated[str, Meta(min_length=1, max_length=32)] = "api"


class Rejected(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ping that was refused: its place in the batch, the field's JSON pointer, what is wrong and what to do."""

    index: int
    code: str
    detail: str
    pointer: str = ""


class Decoded(msgspec.Struct, frozen=True):
    """What a body held."""

    pings: list[Ping]
    rejected: list[Rejected]


FIELDS = WirePing.__struct_encode_fields__
_one = msgspec.json.Decoder(WirePing)
_many = msgspec.json.Decoder(list[WirePing])


def decode_ping(body: bytes, bound_to: str | None = None) -> Ping | None:
    """The ping that ``body`` is, if it is one and a good one; what else it may be, ``decode_pings`` tells."""
    try:
        ping = _one.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return ping if bound_to is None or ping.user_id == bound_to else None


def decode_pings(body: bytes, content_type: str, max_pings: int, bound_to: str | None = None) -> Decoded:
    """The pings of ``body`` and the refused ones with their index; with ``bound_to`` only that user's are taken.

    Raises UnsupportedMediaType for another ``content_type``, BadRequest where no ping can be told apart, TooLarge
    for more than ``max_pings``.
    """
    if content_type in NDJSON_TYPES:
        is_lines = True
    elif content_type == JSON_TYPE:
        is_lines = False
    else:
        raise UnsupportedMediaType(
            f"pings are read as {JSON_TYPE} or application/x-ndjson, not {content_type[:60]!r}; set Content-Type"
        )
    pings: list[WirePing]
    try:
        if is_lines:
            pings = _one.decode_lines(body)
        elif body[:1] == b"{":
            pings = [_one.decode(body)]
        else:
            pings = _many.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _apart(body, max_pings, bound_to, is_lines=is_lines)
    if len(pings) > max_pings:
        raise _too_many(max_pings)
    if bound_to is not None and any(ping.user_id != bound_to for ping in pings):
        return _apart(body, max_pings, bound_to, is_lines=is_lines)
    return Decoded(cast("list[Ping]", pings), [])


class _NotFinite(str):
    """A NaN or Infinity literal, kept by name; no number, so that it fails where a number belongs."""

    __slots__ = ()


class _Broken(str):
    """Why a line is no JSON."""

    __slots__ = ()


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else float(digits)


_read = json.JSONDecoder(parse_constant=_NotFinite, parse_int=_whole_number).decode


def _apart(body: bytes, max_pings: int, bound_to: str | None, *, is_lines: bool) -> Decoded:
    """The same answer, element by element, with a reader that gets past NaN, broken text and broken lines."""
    if body.count(b"{") + body.count(b"[") > MAX_NODES_PER_PING * max_pings:
        raise _too_many(max_pings)
    text = body.decode("utf-8-sig", "surrogateescape")
    if is_lines:
        elements = [_line(line) for line in text.split("\n") if line and not line.isspace()]
    else:
        try:
            elements = _read(text)
        except (ValueError, RecursionError) as error:
            raise malformed(body, error) from None
        if not isinstance(elements, list):
            elements = [elements]
    if len(elements) > max_pings:
        raise _too_many(max_pings)
    decoded = Decoded([], [])
    for index, element in enumerate(elements):
        ping = _ping_or_fault(element, bound_to)
        if isinstance(ping, Fault):
            decoded.rejected.append(Rejected(index, ping.code, ping.detail, ping.pointer))
        else:
            decoded.pings.append(ping)
    return decoded


def _line(line: str) -> Any:
    try:
        return _read(line)
    except json.JSONDecodeError as error:
        return _Broken(f"not JSON: {error.msg.lower()} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return _Broken(f"not JSON: {error}")


def _ping_or_fault(element: Any, bound_to: str | None) -> Ping | Fault:
    if isinstance(element, _Broken):
        return Fault("malformed_json", str(element))
    if not isinstance(element, dict):
        return Fault("wrong_type", "a ping is a JSON object")
    for name in ("accuracy", "speed", "heading"):
        if element.get(name) == UNKNOWN:
            element[name] = None
    try:
        ping = msgspec.convert(element, WirePing)
        f"{ping.user_id}{ping.source}".encode()
    except msgspec.ValidationError as error:
        return _explained(fault_of(error, FIELDS), element)
    except UnicodeEncodeError:
        return Fault("not_unicode", "user_id or source holds bytes that are not UTF-8")
    if bound_to is not None and ping.user_id != bound_to:
        return Fault("wrong_user", "this credential speaks for another user", "/user_id")
    return ping


def _explained(fault: Fault, element: dict[str, Any]) -> Fault:
    """``fault`` in the words of a ping: the value that was sent, and the mistake that it looks like."""
    name = fault.pointer[1:]
    if name not in element or fault.code == "unknown_field":
        return fault
    value = element[name]
    if isinstance(value, _NotFinite):
        return Fault("not_finite", f"{name} is {value}; send a number{_or_null(name)}", fault.pointer)
    if fault.code == "wrong_type":
        return Fault(fault.code, f"{name}: {fault.detail}{_or_null(name)}", fault.pointer)
    if name == "ts" and fault.code == "out_of_range" and isinstance(value, int | float):
        is_short = value < EARLIEST_MS
        advice = "looks like seconds" if is_short else "is finer than milliseconds"
        return Fault("ts_not_milliseconds", f"ts {value} {advice}; send epoch milliseconds", fault.pointer)
    detail = f"{name} is {str(value)[:40]}, {fault.detail}"
    if name in {"lat", "lon"} and _looks_swapped(element):
        detail += "; lat and lon look swapped"
    return Fault(fault.code, detail, fault.pointer)


def _or_null(name: str) -> str:
    return " or null" if name in {"accuracy", "speed", "heading"} else ""


def _looks_swapped(element: dict[str, Any]) -> bool:
    lat, lng = element.get("lat"), element.get("lon")
    if not isinstance(lat, int | float) or not isinstance(lng, int | float):
        return False
    return 90 < abs(lat) <= 180 and abs(lng) <= 90


def _too_many(max_pings: int) -> TooLarge:
    return TooLarge(f"a request holds at most {max_pings} pings; send them in parts", max_pings=max_pings)
