"""Findings as pointer, code and advice."""

from typing import Annotated, Any, Literal

import msgspec
import pytest

from gateway.errors import BadRequest, InvalidDocument
from gateway.web.faults import decode_document, decode_object, fault_of


class Part(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Thing(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: Annotated[str, msgspec.Meta(max_length=5)]
    colour_name: Literal["red", "green"] = "red"
    parts: list[Part] = []
    by_key: dict[str, Part] = {}


@pytest.mark.parametrize(
    ("body", "pointer", "code", "said"),
    [
        ("{}", "/name", "missing_field", "name is required"),
        ('{"name": 1}', "/name", "wrong_type", "expected str, got int"),
        ('{"name": "toolong"}', "/name", "wrong_length", "length <= 5"),
        ('{"name": "a", "colourName": "blue"}', "/colourName", "unknown_value", "blue"),
        ('{"name": "a", "colorName": "red"}', "/colorName", "unknown_field", "did you mean colourName?"),
        ('{"name": "a", "parts": [{}, {"size": 0}]}', "/parts/1/size", "out_of_range", ">= 1"),
        ('{"name": "a", "parts": [{"~/": 1}]}', "/parts/0/~0~1", "unknown_field", "not a field"),
        ('{"name": "a", "byKey": {"k": {"size": "1"}}}', "/byKey/*/size", "wrong_type", "expected int"),
        ("[]", "", "wrong_type", "expected object, got array"),
    ],
)
def test_the_first_fault_is_placed_and_named(body: str, pointer: str, code: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as finding:
        msgspec.json.decode(body, type=Thing)
    fault = fault_of(finding.value, Thing.__struct_encode_fields__)
    assert (fault.pointer, fault.code) == (pointer, code)
    assert said in fault.detail


def test_a_document_is_answered_with_all_its_faults() -> None:
    with pytest.raises(InvalidDocument) as refusal:
        decode_document(b'{"name": 5, "colorName": "red", "byKey": {"k": {"size": 0}}}', Thing)
    faults = {fault["pointer"]: fault["code"] for fault in refusal.value.extra["errors"]}
    assert faults == {"/name": "invalid_value", "/colorName": "unknown_field", "/byKey/k/size": "invalid_value"}
    assert refusal.value.detail.startswith("3 faults; the first: /name: ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body is empty"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7"),
        (b'{"a":' * 100_000, "not JSON"),
    ],
)
def test_what_is_not_json_is_told_where_it_breaks(body: bytes, said: str) -> None:
    with pytest.raises((BadRequest, InvalidDocument), match=said):
        decode_object(body)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_an_integer_that_no_store_can_hold_is_refused_where_it_stands(number: int) -> None:
    body = b'{"attributes": {"a/b": [1, {"n": %d}]}}' % number
    with pytest.raises(InvalidDocument) as refused:
        decode_document(body, dict[str, Any])
    assert refused.value.pointer == "/attributes/a~1b/1/n"
    assert refused.value.extra["errors"][0]["code"] == "out_of_range"


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 1e300])
def test_a_large_number_that_fits_and_digits_in_text_are_taken(number: float) -> None:
    body = b'{"n": %b, "text": "12345678901234567890123"}' % str(number).encode()
    assert decode_document(body, dict[str, Any])["n"] == number
