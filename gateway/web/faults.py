"""What is wrong in a JSON document, and where: pointer (RFC 6901), stable code and advice.

A document is answered with all its faults, which ``rules.strict`` lists. A ping is judged in bulk, so for it msgspec's
first finding must do; msgspec tells it as text, and this page is the only one that reads that text.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from gateway.errors import BadRequest, InvalidDocument
from rules import strict

T = TypeVar("T")

_MANY_DIGITS = re.compile(rb"\d{19}")
"""As many as the least integer of more than 64 bits has: only such a body is looked through for one."""

_PLACE = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")
_MEMBER = re.compile(r"(?P<kind>missing required|contains unknown) field `(?P<name>.*?)`")
_CODES = (
    (re.compile(r"contains unknown field"), "unknown_field"),
    (re.compile(r"missing required field"), "missing_field"),
    (re.compile(r", got `"), "wrong_type"),
    (re.compile(r"of length"), "wrong_length"),
    (re.compile(r"matching regex|Invalid (RFC3339|ISO8601|UUID|base64)"), "wrong_format"),
    (re.compile(r"^Invalid "), "unknown_value"),
    (re.compile(r"(<=|>=|<|>) |out of range|multiple of"), "out_of_range"),
)


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault of a document: ``pointer`` says where, ``code`` what (stable), ``detail`` what to do."""

    code: str
    detail: str
    pointer: str = ""


def fault_of(error: msgspec.ValidationError, known_fields: Sequence[str] = ()) -> Fault:
    """The fault behind a ValidationError. ``known_fields`` lets an unknown field be answered with the nearest one."""
    text = str(error)
    place = _PLACE.search(text)
    pointer = pointer_of(place["path"]) if place else ""
    what = text[: place.start()] if place else text
    code = next((code for pattern, code in _CODES if pattern.search(what)), "invalid_value")
    if member := _MEMBER.search(what):
        name = member["name"]
        pointer += "/" + escape(name)
        if code == "missing_field":
            return Fault(code, f"{name} is required", pointer)
        near = difflib.get_close_matches(name, known_fields, n=1)
        advice = f"; did you mean {near[0]}?" if near else known_fields and f"; known are {', '.join(known_fields)}"
        return Fault(code, f"{name} is not a field here{advice or ''}", pointer)
    return Fault(code, what[0].lower() + what[1:].replace("`", ""), pointer)


def pointer_of(path: str) -> str:
    """Turn msgspec's path (``.a[0].b``) into a JSON pointer; a member that msgspec does not name becomes ``*``."""
    steps = (step["name"] if step["name"] is not None else step["index"] for step in _STEP.finditer(path))
    return "".join("/" + ("*" if step == "..." else escape(step)) for step in steps)


def escape(name: str) -> str:
    """A member's name as one step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def decode_document(body: bytes, kind: type[T]) -> T:
    """The JSON document as a ``kind``. Raises BadRequest if it is not JSON, InvalidDocument with every fault."""
    try:
        document = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        try:
            return strict.decode(body, kind)
        except strict.DocumentErrors as found:
            raise refused(found) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from None
    if _MANY_DIGITS.search(body):
        refuse_huge_integers(msgspec.json.decode(body))
    return document


def refuse_huge_integers(document: Any, pointer: str = "") -> None:
    """Raise InvalidDocument for an integer of more than 64 bits, which free members could hold and no store can.

    ``pointer`` is where ``document`` stands.
    """
    left: list[tuple[Any, str]] = [(document, pointer)]
    while left:
        value, pointer = left.pop()
        if isinstance(value, dict):
            left += [(member, f"{pointer}/{escape(name)}") for name, member in value.items()]
        elif isinstance(value, list):
            left += [(member, f"{pointer}/{place}") for place, member in enumerate(value)]
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            fault = Fault("out_of_range", "an integer has at most 64 bits here; send it as text", pointer)
            raise InvalidDocument(fault.detail, errors=[msgspec.to_builtins(fault)], pointer=pointer)


def refused(found: strict.DocumentErrors) -> InvalidDocument:
    """The rules' findings as an answer."""
    many = f"{len(found.errors)} faults; the first: " if len(found.errors) > 1 else ""
    first = found.errors[0]
    detail = f"{many}{first['pointer'] or 'the document'}: {first['detail']}"
    return InvalidDocument(detail, errors=[dict(fault) for fault in found.errors], pointer=first["pointer"])


def decode_object(body: bytes) -> dict[str, Any]:
    """The body as a plain JSON object, for documents whose own parser finds the faults. Raises as decode_document."""
    return decode_document(body, dict[str, Any])


def malformed(body: bytes, error: Exception) -> BadRequest:
    """The BadRequest for a body that is no JSON: line and column where a stricter reader stumbles first."""
    if not body.strip():
        return BadRequest("the body is empty; send a JSON document", reason="malformed_json")
    try:
        json.loads(body, parse_constant=_refuse_constant)
    except json.JSONDecodeError as found:
        return BadRequest(
            f"not JSON: {found.msg.lower()} at line {found.lineno}, column {found.colno}",
            reason="malformed_json", line=found.lineno, column=found.colno,
        )  # fmt: skip
    except UnicodeDecodeError as found:
        return BadRequest(f"not UTF-8: byte {found.start} cannot be read", reason="malformed_json")
    except (ValueError, RecursionError) as found:
        return BadRequest(f"not JSON: {found}", reason="malformed_json")
    return BadRequest(f"not JSON: {error}", reason="malformed_json")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value; send a number or null")
