"""Explain tells what a walk would do, gate by gate, and does none of it."""

from typing import Any

import pytest

from gateway.store.claims import ClaimCandidate, ClaimRequest
from rules.model import PushKind
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle

NOON_MS = 1_767_603_600_000  # Monday 2026-01-05, 11:00 in Helsinki
CONSENT = {"consent": {"location": True, "push": True, "profiling": True}}


def walk(**facts: Any) -> dict[str, Any]:
    pings = [{"ts": NOON_MS + i * 10_000, "lat": 60.17, "lon": 24.94, "accuracy": 5} for i in range(3)]
    return {"user_id": "u1", "pings": pings, "user": CONSENT, **facts}


@pytest.fixture(autouse=True)
async def offer(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    await http.call("PUT", "/v1/offers/o1", OFFER)


def candidates(explanation: dict[str, Any]) -> list[dict[str, Any]]:
    return [candidate for moment in explanation["moments"] for candidate in moment.get("candidates", ())]


async def test_a_walk_into_a_store_shows_its_transition_and_the_push_it_would_get(http: Http) -> None:
    status, told = await http.call("POST", "/v1/explain", walk())
    assert (status, told["is_known"]) == (200, True)
    (entered,) = [t for m in told["moments"] for t in m.get("transitions", ())]
    assert (entered["kind"], entered["geofence_id"]) == ("enter", "g1")
    (candidate,) = candidates(told)
    assert (candidate["offer_id"], candidate["refused_by"]) == ("o1", None)
    assert candidate["message"]["body"] == "Have soup today."
    assert [m["pushes"] for m in told["moments"] if m.get("pushes")] == [["o1"]]


async def test_a_refusal_names_the_gate_the_actual_and_the_required(http: Http) -> None:
    (candidate,) = candidates((await http.call("POST", "/v1/explain", walk(user={})))[1])
    assert candidate["refused_by"] == "consent"
    (refusal,) = [v for v in candidate["verdicts"] if not v["passed"] and v["gate"] == "consent"]
    assert "required" in refusal


async def test_a_text_that_tells_what_is_left_is_filled_in(http: Http) -> None:
    """Of a stored offer and of a draft alike; a draft has given nothing out."""
    counted = OFFER | {"stock": 7, "messages": {"en": {"title": "{{ offer.left }} left", "body": "Come in."}}}
    await http.call("PUT", "/v1/offers/o1", counted)
    for facts in ({}, {"offers": [counted | {"id": "o2", "priority": 1, "stock": 9}]}):
        told = candidates((await http.call("POST", "/v1/explain", walk(**facts)))[1])
        titles = {c["offer_id"]: c["message"]["title"] for c in told}
        assert titles == {"o1": "7 left"} | ({"o2": "9 left"} if facts else {})


async def test_the_clock_moves_the_walk(http: Http) -> None:
    """The same walk at three in the morning meets quiet hours."""
    night_ms = NOON_MS - 8 * 3_600_000
    (candidate,) = candidates((await http.call("POST", "/v1/explain", walk(at_ms=night_ms)))[1])
    assert candidate["refused_by"] == "quiet_hours"


async def test_explaining_changes_and_sends_nothing(http: Http) -> None:
    store = http.gateway.context.store
    before = await store.connection.call("DBSIZE")
    for _ in range(3):
        _, told = await http.call("POST", "/v1/explain", walk())
        assert len(candidates(told)) == 1
        assert candidates(told)[0]["refused_by"] is None
    assert await store.connection.call("DBSIZE") == before


async def test_an_unknown_user_has_given_no_consent(http: Http) -> None:
    question = walk()
    del question["user"]
    _, told = await http.call("POST", "/v1/explain", question)
    assert told["is_known"] is False
    assert candidates(told)[0]["refused_by"] == "consent"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"pings": []}, "/pings"),
        ({"pings": [{"ts": 5, "lat": 60, "lon": 24}]}, "/pings/0/ts"),
        ({"pings": [{"ts": NOON_MS, "lat": 91, "lon": 24}]}, "/pings/0/lat"),
        ({"user": {"time_zone": "Nowhere"}}, "/time_zone"),
        ({"when": 5}, "/when"),
    ],
)
async def test_a_bad_question_is_refused_with_its_pointer(http: Http, change: dict[str, Any], pointer: str) -> None:
    status, problem = await http.call("POST", "/v1/explain", walk(**change))
    assert (status, problem["pointer"]) == (422, pointer)


async def test_a_draft_can_be_tried_without_being_saved(http: Http) -> None:
    """``offers`` of the question count as active, and win or lose against the live ones; a fault is pointed at."""
    draft = OFFER | {"id": "draft", "status": "draft", "priority": 9}
    _, told = await http.call("POST", "/v1/explain", walk(offers=[draft]))
    assert [m["pushes"] for m in told["moments"] if m.get("pushes")] == [["draft"]]
    assert (await http.call("GET", "/v1/offers/draft"))[0] == 404
    status, told = await http.call("POST", "/v1/explain", walk(offers=[draft, draft | {"colour": "red"}]))
    assert (status, told["errors"][0]["pointer"]) == (422, "/offers/1/colour")


async def test_a_drawn_walk_is_walked_at_its_pace(http: Http) -> None:
    """A LineString through the store becomes pings five seconds apart, begins at ``at_ms`` and rests at its end."""
    line = {"type": "LineString", "coordinates": [[24.9385, 60.17], [24.94, 60.17]]}
    question = {"user_id": "u1", "user": CONSENT, "at_ms": NOON_MS, "walk": {"line": line, "rest_s": 20}}
    status, told = await http.call("POST", "/v1/explain", question)
    assert status == 200, told
    pings = [moment for moment in told["moments"] if moment["ping"] is not None]
    assert [p["at_ms"] - NOON_MS for p in pings][:3] == [0, 5_000, 10_000]
    assert pings[-1]["at_ms"] - pings[-5]["at_ms"] == 20_000
    assert [m["pushes"] for m in told["moments"] if m.get("pushes")] == [["o1"]]


@pytest.mark.parametrize(
    ("facts", "pointer"),
    [
        ({}, "/pings"),
        ({"walk": {"line": {"type": "LineString", "coordinates": [[24.9, 95.0]]}}}, "/walk/line/coordinates/0"),
        ({"walk": {"line": {"type": "LineString", "coordinates": [[0, 0], [0, 80]]}}}, "/walk"),
        ({"walk": {"line": {"type": "Polygon", "coordinates": []}}}, "/walk/line/type"),
    ],
)
async def test_a_walk_that_cannot_be_walked_is_pointed_at(http: Http, facts: dict[str, Any], pointer: str) -> None:
    """No pings, a place off the Earth, a walk across a continent, another geometry."""
    status, told = await http.call("POST", "/v1/explain", {"user_id": "u1", **facts})
    assert status == 422, told
    assert pointer in str(told)


async def test_a_stored_transactional_push_is_foreseen_to_hold_its_own_offer_back(http: Http) -> None:
    """The cooldown that the claim would keep is told of, and offers that compete go out all the same."""
    ready = OFFER | {"id": "ready", "transactional": True, "cooldowns": {"user_offer_s": 3600}}
    await http.call("PUT", "/v1/offers/ready", ready)
    await http.call("PUT", "/v1/users/u1", CONSENT)
    sent = ClaimCandidate(
        push_id="p1", offer_id="ready", geofence_id="elsewhere", brand="", limits=(), entry=b"",
        kind=PushKind.TRANSACTIONAL,
    )  # fmt: skip
    request = ClaimRequest(user_id="u1", at_ms=NOON_MS - 60_000, candidates=(sent,))
    assert (await http.gateway.context.store.claims.claim(request)).winner == 0
    question = walk()
    del question["user"]
    _, told = await http.call("POST", "/v1/explain", question)
    assert [m["pushes"] for m in told["moments"] if m.get("pushes")] == [["o1"]]
    (held,) = [c for c in candidates(told) if c["offer_id"] == "ready"]
    (refusal,) = [v for v in held["verdicts"] if not v["passed"]]
    assert (refusal["gate"], refusal["rule"], refusal["actual"]) == ("claim", "user_offer", 1)
