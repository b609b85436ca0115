"""The ping path where workers meet: who loses a race steps again, and what was claimed is neither lost nor repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.presence import PresenceChange
from geofences.model import Ping
from geofences.presence import Motion, Presence
from tests.gateway.conftest import Http
from tests.journeys.conftest import AWAKE, INSIDE, OUTSIDE, SQUARE, offer

ANN = {"locale": "en", "consent": {"location": True, "push": True, "profiling": True}}


@pytest.fixture
def http(http: Http, monkeypatch: pytest.MonkeyPatch) -> Http:
    """With timers that wake nobody: by the clock, what these tests step through is long over."""

    async def nobody(*_: int) -> list[str]:
        return []

    monkeypatch.setattr(http.gateway.context.store.presence, "due", nobody)
    return http


async def test_a_claimed_push_is_told_of_although_its_presence_lost_the_race(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker saves the shopper between the claim and the save: one push, one trace, and he is inside."""
    for path, document in {
        "/v1/policy": AWAKE,
        "/v1/geofences/cafe": SQUARE,
        "/v1/offers/coffee": offer(),
        "/v1/users/ann": ANN,
        "/v1/users/ann/devices/phone": {"platform": "apns", "token": "ab" * 32},
    }.items():
        status, answer = await http.call("PUT", path, document)
        assert status < 300, answer
    store = http.gateway.context.store
    saved, races = store.presence.save, 0

    async def save_after_another_worker(changes: Sequence[PresenceChange]) -> set[str]:
        nonlocal races
        races += 1
        if races == 1:
            at_ms = now_ms() - 60_000
            elsewhere = Presence(at_ms, (), (), Motion(*OUTSIDE, at_ms))
            assert await saved([PresenceChange("ann", 0, elsewhere, None)]) == set()
        return await saved(changes)

    monkeypatch.setattr(store.presence, "save", save_after_another_worker)
    lat, lon = INSIDE
    ping = {"user_id": "ann", "ts": now_ms(), "lat": lat, "lon": lon, "accuracy": 5}
    status, answer = await http.call("POST", "/v1/pings", ping)
    assert status == 202, answer
    assert races == 2
    assert (await store.presence.load(["ann"]))["ann"].presence.inside == ("cafe",)
    assert await _outbox(store) == 1
    status, page = await http.call("GET", "/v1/users/ann/decisions")
    claimed = [d for d in page["items"] if d["push_ids"]]
    assert len(claimed) == 1, page
    async with http.request("GET", "/metrics") as response:
        metrics = await response.text()
    assert "geopush_presence_conflicts_total 1.0" in metrics
    assert 'geopush_claims_total{result="claimed"} 1.0' in metrics


@pytest.mark.parametrize("offers", [{}, {"/v1/offers/coffee": offer()}])
async def test_visits_are_noted_of_all_who_consented_whether_an_offer_waits_or_not(
    http: Http, offers: dict[str, object]
) -> None:
    """One batch: who consented to profiling, who did not, and who is not known; and the same batch again."""
    for path, document in {"/v1/policy": AWAKE, "/v1/geofences/cafe": SQUARE, **offers}.items():
        assert (await http.call("PUT", path, document))[0] < 300
    store = http.gateway.context.store
    users = [f"user-{number}" for number in range(30)]
    for number, user in enumerate(users[:20]):
        consent = {"location": True, "push": True, "profiling": number % 2 == 0}
        assert (await http.call("PUT", f"/v1/users/{user}", {"locale": "en", "consent": consent}))[0] < 300
    lat, lon = INSIDE
    batch = [{"user_id": user, "ts": now_ms(), "lat": lat, "lon": lon, "accuracy": 5} for user in users]
    for _ in range(2):
        assert (await http.call("POST", "/v1/pings", batch))[0] == 202
    shoppers = await store.profiles.load_shoppers(users)
    visits = {user: {place: one.count for place, one in shopper.visits.items()} for user, shopper in shoppers.items()}
    assert visits == {user: {"cafe": 1} if number % 2 == 0 else {} for number, user in enumerate(users[:20])}
    assert await _outbox(store) == (20 if offers else 0)


async def test_who_stays_in_the_store_after_a_push_or_a_withheld_one_has_visited_it(http: Http) -> None:
    """Half are held out; half of all stay five minutes, the others ten seconds, and all come twice."""
    split = offer() | {"experiment": {"holdout_ratio": 0.5, "salt": "x"}}
    for path, document in {"/v1/policy": AWAKE, "/v1/geofences/cafe": SQUARE, "/v1/offers/coffee": split}.items():
        assert (await http.call("PUT", path, document))[0] < 300
    users = [f"user-{number}" for number in range(80)]
    for user in users:
        assert (await http.call("PUT", f"/v1/users/{user}", ANN))[0] < 300
    start_ms = now_ms() - 3_600_000
    for round_ms in (start_ms, start_ms + 1_200_000):
        for after_s in (0, 15, 30, 45, 330, 345, 360, 375):
            at_ms = round_ms + after_s * 1000
            stays_s = [300 if number % 2 else 10 for number in range(len(users))]
            fixes = [(user, INSIDE if after_s <= s else OUTSIDE) for user, s in zip(users, stays_s, strict=True)]
            pings = [Ping(user_id=user, at_ms=at_ms, lat=lat, lng=lng, accuracy_m=5) for user, (lat, lng) in fixes]
            await http.gateway.context.pipeline.handle(pings, at_ms)
    await http.gateway.context.store.statistics.flush()
    _, report = await http.call("GET", "/v1/reports/offers/coffee")
    told = report["total"]
    assert told["claimed"] + told["held_out"] == 80
    assert told["visited"] + told["held_out_visited"] == 40
    assert told["claimed"] > told["visited"] > 10
    assert told["held_out"] > told["held_out_visited"] > 10
    assert report["conclusions"]["visit_lift"] is not None


async def test_what_another_host_told_already_is_not_told_again(http: Http, settings: Settings) -> None:
    """The gateway remembers a shopper as he was before another host told his dwell: no second push of it."""
    dwelling = offer() | {"trigger": {"type": "dwell", "dwell_s": 60}}
    for path, document in {
        "/v1/policy": AWAKE,
        "/v1/geofences/cafe": SQUARE,
        "/v1/offers/coffee": dwelling,
        "/v1/users/ann": ANN,
        "/v1/users/ann/devices/phone": {"platform": "apns", "token": "ab" * 32},
    }.items():
        status, answer = await http.call("PUT", path, document)
        assert status < 300, answer
    store, (lat, lon), at_ms = http.gateway.context.store, INSIDE, now_ms()
    ping = {"user_id": "ann", "ts": at_ms - 100_000, "lat": lat, "lon": lon, "accuracy": 5}
    assert (await http.call("POST", "/v1/pings", ping))[0] == 202
    assert len(store.present.remembered) == 1
    elsewhere = await Store.open(settings)
    held = (await elsewhere.presence.load(["ann"]))["ann"]
    [stay] = held.presence.stays
    told = replace(held.presence, stays=(replace(stay, dwelled_s=60),))
    assert not await elsewhere.presence.save([PresenceChange("ann", held.version, told, None)])
    await elsewhere.close()
    assert (await http.call("POST", "/v1/pings", ping | {"ts": at_ms}))[0] == 202
    assert await _outbox(store) == 0
    presence = (await store.presence.load(["ann"]))["ann"].presence
    assert (presence.last_at_ms, presence.stays[0].dwelled_s) == (at_ms, 60)


async def _outbox(store: Store) -> Any:
    names = await store.connection.call("KEYS", "*:outbox")
    return sum([await store.connection.call("XLEN", name) for name in names])
