"""Events are taken one by one: a bad one is named and never loses the good ones."""

from __future__ import annotations

from tests.gateway.conftest import Http

CONSENT = {"consent": {"location": True, "push": True, "profiling": True}}


async def test_a_line_that_is_no_json_is_refused_alone(http: Http) -> None:
    """In NDJSON the broken line, the unknown field and the outcome without its push each get their own answer."""
    await http.call("PUT", "/v1/users/u1", CONSENT)
    lines = [
        '{"user_id": "u1", "name": "viewed"}',
        "not json",
        '{"user_id": "u1", "name": "viewed", "colour": "red"}',
        '{"user_id": "u1", "name": "opened"}',
        '{"user_id": "stranger", "name": "viewed"}',
    ]
    headers = {"Content-Type": "application/x-ndjson"}
    status, told = await http.call("POST", "/v1/events", data="\n".join(lines).encode(), headers=headers)
    assert (status, told["accepted"]) == (202, 1)
    assert [(r["index"], r["code"]) for r in told["rejected"]] == [
        (1, "malformed"),
        (2, "unknown_field"),
        (3, "missing_field"),
        (4, "no_consent"),
    ]


async def test_a_body_that_is_no_json_is_refused_whole(http: Http) -> None:
    """There is no event to tell apart."""
    status, told = await http.call("POST", "/v1/events", data=b"[{", headers={"Content-Type": "application/json"})
    assert (status, told["code"]) == (400, "bad_request")


async def test_an_integer_that_no_store_can_hold_is_refused_with_its_place_and_the_others_are_kept(http: Http) -> None:
    await http.call("PUT", "/v1/users/u1", {"consent": {"profiling": True}})
    events = [{"user_id": "u1", "name": "viewed", "properties": {"n": n}} for n in (2**64, 7)]
    status, told = await http.call("POST", "/v1/events", events)
    assert (status, told["accepted"]) == (202, 1)
    (refused,) = told["rejected"]
    assert (refused["index"], refused["code"], refused["detail"][:14]) == (0, "out_of_range", "/properties/n:")
