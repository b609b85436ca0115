"""Bytes to pings: what is read, what is refused, and in which words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, TooLarge, UnsupportedMediaType
from gateway.ingest.decode import Decoded, decode_pings
from geofences.model import Ping

JSON = "application/json"
NDJSON = "application/x-ndjson"
GOOD = {"user_id": "u1", "ts": 1_707_057_574_000, "lat": 60.17, "lon": 24.94}


def read(document: Any, max_pings: int = 100, bound_to: str | None = None) -> Decoded:
    return decode_pings(json.dumps(document).encode(), JSON, max_pings, bound_to)


def test_one_object_is_a_batch_of_one() -> None:
    decoded = read(GOOD | {"accuracy": 12, "speed": None, "heading": 270.5, "mock": True, "source": "ios"})
    (ping,) = decoded.pings
    assert isinstance(ping, Ping)
    assert (ping.user_id, ping.at_ms, ping.lat, ping.lng) == ("u1", 1_707_057_574_000, 60.17, 24.94)
    assert (ping.accuracy_m, ping.speed_mps, ping.heading_deg, ping.mock, ping.source) == (12, None, 270.5, True, "ios")


def test_an_array_keeps_its_order() -> None:
    decoded = read([GOOD | {"ts": GOOD["ts"] + i} for i in range(5)])
    assert [p.at_ms - GOOD["ts"] for p in decoded.pings] == [0, 1, 2, 3, 4]
    assert decoded.rejected == []


def test_ndjson_passes_over_blank_lines_and_reads_crlf() -> None:
    line = json.dumps(GOOD).encode()
    decoded = decode_pings(line + b"\r\n\r\n" + line + b"\n", NDJSON, 100)
    assert len(decoded.pings) == 2


def test_an_empty_array_is_an_empty_batch() -> None:
    assert read([]) == Decoded([], [])


@pytest.mark.parametrize(
    ("change", "code", "pointer", "said"),
    [
        ({"lat": 91}, "out_of_range", "/lat", "lat is 91"),
        ({"lat": 124.94, "lon": 60.17}, "out_of_range", "/lat", "look swapped"),
        ({"lon": -181}, "out_of_range", "/lon", "lon is -181"),
        ({"lat": float("nan")}, "not_finite", "/lat", "lat is NaN; send a number"),
        ({"accuracy": float("inf")}, "not_finite", "/accuracy", "or null"),
        ({"lat": "60.17"}, "wrong_type", "/lat", "expected float, got str"),
        ({"lat": None}, "wrong_type", "/lat", "got null"),
        ({"lat": True}, "wrong_type", "/lat", "got bool"),
        ({"ts": 1_707_057_574}, "ts_not_milliseconds", "/ts", "looks like seconds"),
        ({"ts": 1_707_057_574_000_000}, "ts_not_milliseconds", "/ts", "finer than milliseconds"),
        ({"ts": 1_707_057_574_000_000_000}, "ts_not_milliseconds", "/ts", "finer than milliseconds"),
        ({"ts": 1_707_057_574_000.5}, "wrong_type", "/ts", "expected int"),
        ({"ts": "2024-02-04T14:39:34Z"}, "wrong_type", "/ts", "expected int, got str"),
        ({"ts": -1}, "ts_not_milliseconds", "/ts", "ts -1"),
        ({"user_id": ""}, "wrong_length", "/user_id", "user_id is"),
        ({"user_id": "x" * 129}, "wrong_length", "/user_id", "length <= 128"),
        ({"user_id": 7}, "wrong_type", "/user_id", "expected str, got int"),
        ({"user_id": "\ud800"}, "not_unicode", "", "UTF-8"),
        ({"accuracy": -5}, "out_of_range", "/accuracy", "accuracy is -5"),
        ({"heading": 361}, "out_of_range", "/heading", "heading is 361"),
        ({"speed": "fast"}, "wrong_type", "/speed", "or null"),
        ({"mock": "yes"}, "wrong_type", "/mock", "expected bool"),
        ({"acuracy": 12}, "unknown_field", "/acuracy", "did you mean accuracy?"),
        ({"zzz": 1}, "unknown_field", "/zzz", "known are user_id, ts"),
    ],
)
def test_a_bad_ping_is_named_and_the_good_ones_are_kept(
    change: dict[str, Any], code: str, pointer: str, said: str
) -> None:
    decoded = read([GOOD, GOOD | change, GOOD])
    assert len(decoded.pings) == 2
    (refused,) = decoded.rejected
    assert (refused.index, refused.code, refused.pointer) == (1, code, pointer)
    assert said in refused.detail


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_missing_field_is_named(missing: str) -> None:
    decoded = read([{k: v for k, v in GOOD.items() if k != missing}])
    assert [(r.index, r.code, r.pointer) for r in decoded.rejected] == [(0, "missing_field", f"/{missing}")]


@pytest.mark.parametrize("thing", [None, 5, "ping", [], True])
def test_what_is_no_object_is_refused_alone(thing: Any) -> None:
    decoded = read([thing, GOOD])
    assert len(decoded.pings) == 1
    assert [(r.index, r.code) for r in decoded.rejected] == [(0, "wrong_type")]


def test_minus_one_is_how_phones_say_unknown() -> None:
    (ping,) = read(GOOD | {"accuracy": -1, "speed": -1.0, "heading": -1}).pings
    assert (ping.accuracy_m, ping.speed_mps, ping.heading_deg) == (None, None, None)


def test_bytes_that_are_not_utf8_cost_one_ping() -> None:
    good = json.dumps(GOOD).encode()
    decoded = decode_pings(b"[" + good + b"," + good.replace(b"u1", b"\xff\xfe") + b"]", JSON, 10)
    assert len(decoded.pings) == 1
    assert [(r.index, r.code) for r in decoded.rejected] == [(1, "not_unicode")]


def test_numbers_beyond_every_integer_cost_one_ping() -> None:
    good = json.dumps(GOOD).encode()
    decoded = decode_pings(b"[" + good + b',{"user_id":"u","ts":' + b"9" * 6000 + b',"lat":1,"lon":1}]', JSON, 10)
    assert len(decoded.pings) == 1
    assert [(r.index, r.pointer) for r in decoded.rejected] == [(1, "/ts")]


def test_a_broken_line_costs_one_ping() -> None:
    line = json.dumps(GOOD).encode()
    decoded = decode_pings(line + b'\n{"user_id":\n' + line + b"\n[1\n", NDJSON, 10)
    assert len(decoded.pings) == 2
    assert [(r.index, r.code) for r in decoded.rejected] == [(1, "malformed_json"), (3, "malformed_json")]
    assert "column" in decoded.rejected[0].detail


def test_a_byte_order_mark_is_passed_over() -> None:
    assert len(decode_pings(b"\xef\xbb\xbf" + json.dumps([GOOD]).encode(), JSON, 10).pings) == 1


@pytest.mark.parametrize("body", [b"", b"  ", b"{", b"[1,", b"nonsense", b"[" * 100_000, b'[{"a":' * 50_000])
def test_a_body_in_which_no_ping_can_be_told_apart_is_refused_whole(body: bytes) -> None:
    with pytest.raises((BadRequest, TooLarge)):
        decode_pings(body, JSON, 100_000)


def test_malformed_json_is_answered_with_line_and_column() -> None:
    with pytest.raises(BadRequest) as refusal:
        decode_pings(b'[{"user_id": "u1",\n "ts": }]', JSON, 10)
    assert (refusal.value.extra["line"], refusal.value.extra["column"]) == (2, 8)


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "multipart/form-data"])
def test_another_content_type_is_told_what_to_send(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="set Content-Type"):
        decode_pings(b"[]", content_type, 10)


@pytest.mark.parametrize("bad", [False, True])
def test_too_many_pings_are_refused_whole(bad: bool) -> None:
    document = [GOOD] * 10 + [{"x": 1} if bad else GOOD]
    with pytest.raises(TooLarge, match="at most 10 pings"):
        read(document, max_pings=10)


def test_a_faulty_body_full_of_tiny_objects_is_not_built_in_memory() -> None:
    with pytest.raises(TooLarge):
        decode_pings(b"[" + b"{}," * 1_000_000 + b"{}]", JSON, 10_000)


def test_a_bound_credential_takes_only_its_own_users_pings() -> None:
    decoded = read([GOOD, GOOD | {"user_id": "u2"}], bound_to="u1")
    assert [p.user_id for p in decoded.pings] == ["u1"]
    assert [(r.index, r.code) for r in decoded.rejected] == [(1, "wrong_user")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.sampled_from([*GOOD, "accuracy", "mock", "other"]), json_values) | json_values))
def test_every_element_of_any_array_is_either_taken_or_refused(elements: list[Any]) -> None:
    """Whatever JSON an array holds, accepted and rejected together are all its elements, each once."""
    decoded = decode_pings(json.dumps([*elements, GOOD]).encode(), JSON, 1000)
    assert len(decoded.pings) + len(decoded.rejected) == len(elements) + 1
    assert len({r.index for r in decoded.rejected}) == len(decoded.rejected)
    assert decoded.pings[-1].user_id == "u1"
