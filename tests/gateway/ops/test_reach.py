"""Estimated reach: from traffic that was really seen, narrowed by what is known, with what is not known said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gateway.clock import now_ms
from gateway.ops import reach
from gateway.ops.reach import Reach, estimate
from gateway.store import store
from geofences.model import Transition, TransitionKind
from rules.model import Candidate, Decision, Gate, Verdict
from rules.offers import parse_offer
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import circle

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NOON_MS = 1_760_011_200_000
"""Thursday, 9 October 2025, 12:00 UTC: 15:00 in Helsinki."""
OFFER: dict[str, Any] = {
    "id": "soup",
    "name": "Soup",
    "status": "active",
    "targets": {"tags": ["cafe"]},
    "trigger": {"type": "enter"},
    "quiet_hours": {"enabled": False},
    "messages": {"en": {"title": "Soup", "body": "Have soup today."}},
}


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the users' hashes, else drawn by chance: sketches count the same in every run."""
    monkeypatch.setattr(store, "secrets", SimpleNamespace(token_bytes=lambda count: bytes([7]) * count))


async def stores(http: Http) -> None:
    """Two cafés and a kiosk in Helsinki."""
    for name, tag in (("cafe-1", "cafe"), ("cafe-2", "cafe"), ("kiosk", "kiosk")):
        place = circle(name, 24.94 + 0.01 * len(name), 60.17, tags=[tag])
        assert (await http.call("PUT", f"/v1/geofences/{name}", place))[0] == 200


async def enter(http: Http, geofence_id: str, users: range, days_ago: int, at_ms: int = NOON_MS) -> None:
    """Those users enter the geofence on that day."""
    transitions = [
        (
            f"user-{number}",
            Transition(
                user_id=f"user-{number}",
                geofence_id=geofence_id,
                kind=TransitionKind.ENTER,
                at_ms=at_ms - days_ago * DAY_MS,
            ),
        )
        for number in users
    ]
    http.gateway.context.store.traffic.note(transitions, [])
    await http.gateway.context.store.traffic.flush()


async def reach_of(http: Http, **changes: Any) -> Reach:
    return await estimate(http.gateway.context, parse_offer(OFFER | changes), at_ms=NOON_MS)


async def test_users_are_counted_once_in_a_week_whatever_they_enter(http: Http) -> None:
    """The union over geofences and days, week by week: the mean, between the weakest and the strongest."""
    await stores(http)
    for days_ago in range(1, 15):
        await enter(http, "cafe-1", range(40 if days_ago <= 7 else 60), days_ago)
        await enter(http, "cafe-2", range(20), days_ago)
        await enter(http, "kiosk", range(500, 900), days_ago)
    found = await reach_of(http)
    assert (found.geofences, found.basis_days, found.users_per_week) == (2, 14, 50)
    assert 38 <= found.low <= 40
    assert 60 <= found.high <= 62
    assert found.notes == (
        "Too few users have been asked for consent by a live offer yet: all are counted as willing.",
    )
    assert (await reach_of(http, targets={"all": True})).entering_per_week == pytest.approx(450, rel=0.05)


async def test_a_young_gateway_says_how_little_it_has_seen(http: Http) -> None:
    """With less than a week seen, what was seen is the lower bound, and the upper one is as if every day were new."""
    await stores(http)
    await enter(http, "cafe-1", range(100), 0)
    found = await reach_of(http)
    assert (found.basis_days, found.users_per_week) == (1, 700)
    assert 98 <= found.low <= 100
    assert any("1 of a week's days" in note for note in found.notes)


async def test_holdouts_and_the_roll_out_make_it_smaller(http: Http) -> None:
    """The brand's holdout, the offer's own, and the share of the roll-out multiply."""
    await stores(http)
    await http.call("PUT", "/v1/policy", {"holdout_ratio": 0.5})
    for days_ago in range(1, 8):
        await enter(http, "cafe-1", range(1000), days_ago)
    found = await reach_of(http, rollout_percent=50, experiment={"holdout_ratio": 0.2})
    assert found.treated_share == 0.2
    assert found.users_per_week == pytest.approx(200, rel=0.05)
    assert (await reach_of(http, transactional=True)).treated_share == 1.0


async def test_only_hours_in_which_it_runs_count(http: Http) -> None:
    """Three quarters enter at 15:00 in Helsinki, a quarter at 20:00: an evening offer reaches the quarter."""
    await stores(http)
    for days_ago in range(1, 8):
        await enter(http, "cafe-1", range(days_ago * 1000, days_ago * 1000 + 300), days_ago)
        await enter(
            http, "cafe-1", range(days_ago * 1000 + 300, days_ago * 1000 + 400), days_ago, NOON_MS + 5 * HOUR_MS
        )
    evening = await reach_of(http, weekly=[{"start": "19:00", "end": "23:00"}])
    assert evening.running_share == 0.25
    assert evening.users_per_week == pytest.approx(700, rel=0.05)
    never = await reach_of(http, weekly=[{"start": "03:00", "end": "04:00"}])
    assert (never.users_per_week, never.pushes_per_week) == (0, 0)
    quiet = await reach_of(http, quiet_hours={"start": "19:00", "end": "09:00"})
    assert quiet.running_share == 0.75


async def test_who_comes_often_meets_a_short_window_more_surely(http: Http) -> None:
    """Of those who come every day at any hour, nearly all come once while the offer runs."""
    await stores(http)
    for days_ago in range(1, 8):
        await enter(http, "cafe-1", range(100), days_ago, NOON_MS + 5 * HOUR_MS if days_ago % 2 else NOON_MS)
    found = await reach_of(http, weekly=[{"start": "19:00", "end": "23:00"}])
    assert found.users_per_week >= 98
    often = await reach_of(http, cooldowns={"user_offer_s": 0})
    assert often.pushes_per_week == pytest.approx(700, rel=0.05)
    assert (await reach_of(http)).pushes_per_week == pytest.approx(100, rel=0.05)


async def test_consent_is_taken_from_those_who_were_asked(http: Http) -> None:
    """The share of willing users among those whom an offer waited for narrows the estimate."""
    await stores(http)
    await enter(http, "cafe-1", range(100), 1)
    transition = Transition(user_id="u", geofence_id="cafe-1", kind=TransitionKind.ENTER, at_ms=NOON_MS)
    for number in range(20):
        verdict = Verdict(Gate.CONSENT, number < 5)
        candidate = Candidate(
            offer_id="o", offer_version=1, geofence_id="cafe-1", transition=transition, verdicts=(verdict,)
        )
        http.gateway.context.store.traffic.note([], [Decision(f"user-{number}", NOON_MS, (candidate,))])
    await http.gateway.context.store.traffic.flush()
    found = await reach_of(http)
    assert (found.consent_share, found.low) == (0.25, 25)


async def test_what_an_offer_may_give_out_bounds_it(http: Http) -> None:
    await stores(http)
    for days_ago in range(1, 8):
        await enter(http, "cafe-1", range(1000), days_ago)
    for bound in ({"stock": 30}, {"total_cap": 30}):
        found = await reach_of(http, **bound)
        assert (found.users_per_week, found.pushes_per_week) == (30, 30)


async def test_a_handful_of_users_is_not_told(http: Http) -> None:
    """Below the size of a group that the live map shows, no number is told."""
    await stores(http)
    await enter(http, "cafe-1", range(1), 1)
    found = await reach_of(http)
    assert (found.users_per_week, found.entering_per_week, found.high) == (0, 0, 10)
    assert "Fewer than 10" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"audience": "user.attributes.tier == 'gold'"}, "audience"),
        ({"trigger": {"type": "dwell", "dwell_s": 60}}, "asks for more"),
        ({"trigger": {"type": "pass_by"}}, "pass by are more"),
        ({"targets": {"tags": ["unknown"]}}, "No geofence"),
        ({}, "Nobody has entered"),
    ],
)
async def test_what_cannot_be_estimated_is_said(http: Http, changes: dict[str, Any], word: str) -> None:
    await stores(http)
    found = await reach_of(http, **changes)
    assert any(word in note for note in found.notes), found.notes


async def test_many_geofences_are_counted_by_an_even_part(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound the rest is taken to be like those counted, in the upper bound only."""
    await stores(http)
    monkeypatch.setattr(reach, "MAX_COUNTED", 1)
    for days_ago in range(1, 8):
        await enter(http, "cafe-1", range(100), days_ago)
    found = await reach_of(http)
    assert found.users_per_week == pytest.approx(200, rel=0.05)
    assert found.low <= 100
    assert any("1 were counted" in note for note in found.notes)


async def test_a_draft_and_a_stored_offer_are_asked_for_over_http(http: Http) -> None:
    """A draft needs no name and no message yet; its faults are pointed at; a viewer may ask."""
    await stores(http)
    viewer = await http.new_key(role="viewer")
    status, found = await http.call(
        "POST", "/v1/reach", {"targets": {"all": True}, "trigger": {"type": "enter"}}, key=viewer
    )
    assert (status, found["geofences"]) == (200, 3)
    assert set(found) == set(msgspec.structs.asdict(await reach_of(http)))
    status, problem = await http.call("POST", "/v1/reach", {"targets": {"all": True}, "trigger": {"type": "fly"}})
    assert (status, problem["pointer"]) == (422, "/trigger/type")
    assert (await http.call("GET", "/v1/offers/soup/reach"))[0] == 404
    assert (await http.call("PUT", "/v1/offers/soup", OFFER))[0] == 200
    status, found = await http.call("GET", "/v1/offers/soup/reach", key=viewer)
    assert (status, found["geofences"]) == (200, 2)
    assert (await http.call("POST", "/v1/reach", OFFER, key=await http.new_key("ingest")))[0] == 403


async def test_what_the_ping_path_sees_is_what_is_estimated(http: Http) -> None:
    """Twelve phones walk in; the estimate knows of twelve, and no more when they come again."""
    await stores(http)
    place = circle("cafe-1", 24.94 + 0.01 * len("cafe-1"), 60.17)["geometry"]["coordinates"]
    for seconds_ago in (9, 5, 1):
        walked_in = [
            {
                "user_id": f"phone-{number}",
                "ts": now_ms() - 1000 * seconds_ago,
                "lat": place[1],
                "lon": place[0],
                "accuracy": 5,
            }
            for number in range(12)
        ]
        assert (await http.call("POST", "/v1/pings", walked_in))[0] == 202
    await http.gateway.context.store.traffic.flush()
    assert (await estimate(http.gateway.context, parse_offer(OFFER))).low in {11, 12}
