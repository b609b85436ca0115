"""Visits: one store at a time, named causally, with a probability that means what it says."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.attribution import AttributionSettings, probabilities
from geofences.model import Ping, Reason, Transition, TransitionKind
from geofences.storefield import StoreField
from geofences.visits import VisitSettings, VisitState, observe
from tests.geofences.strolls import PHONE, Leg, Phone, Town, stroll, visit_legs

SETTINGS = VisitSettings()
TOWN = Town()
STREET = StoreField.build(TOWN.street(10))

Seen = tuple[VisitState | None, list[Transition]]


def _observed(pings: Iterable[Ping], stores: StoreField = STREET, settings: VisitSettings = SETTINGS) -> Seen:
    state: VisitState | None = None
    events: list[Transition] = []
    for ping in pings:
        state, told = observe(state, ping, stores, settings)
        events += told
    return state, events


def _visit(
    x: float, seed: int = 1, phone: Phone = PHONE, seconds: float = 300.0, speed_noise: float = 0.0
) -> list[Ping]:
    return stroll(TOWN, random.Random(seed), visit_legs(x, seconds), phone, speed_noise=speed_noise)


def _errand(rng: random.Random) -> list[Leg]:
    """Three shops of the street one after the other, with walks between."""
    legs: list[Leg] = []
    at = -100.0
    for _ in range(3):
        x = rng.uniform(0, 240)
        legs += [(max(30.0, abs(x - at) / 1.3), at, x, 0.0, False), (rng.uniform(60, 400), x, x, 12.0, True)]
        at = x
    return [*legs, (90, at, at + 120, 0.0, False)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("phone", "speed_noise"),
    [
        (Phone(sigma_m=3.0), 0.0),
        (Phone(sigma_m=3.0), 0.6),
        (Phone(sigma_m=3.0, has_speed=False), 0.0),
        (Phone(sigma_m=3.0, is_worse_indoors=False), 0.0),
    ],
    ids=["good phone", "noisy speed", "no speed", "accuracy the same indoors"],
)
def test_a_visit_to_one_of_many_adjoining_shops_is_named(phone: Phone, speed_noise: float, seed: int) -> None:
    """No field that phones often get wrong is needed."""
    stores = StoreField.build(TOWN.street(6, width=50.0, depth=24.0))
    pings = _visit(125.0, seed, phone, speed_noise=speed_noise)
    _, events = _observed(pings, stores)
    begins = [event for event in events if event.kind is TransitionKind.VISIT]
    assert begins[-1].geofence_id == "shop-2"
    assert events[-1].kind is TransitionKind.VISIT_END
    assert begins[0].at_ms - pings[0].at_ms <= 90_000 + 180_000


def test_walking_past_shops_is_no_visit() -> None:
    for seed in range(10):
        assert _observed(stroll(TOWN, random.Random(seed), [(250, -50, 300, 4.0, False)]))[1] == []


def test_a_rest_far_from_every_shop_is_no_visit() -> None:
    assert _observed(_visit(3_000.0))[1] == []


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_user_is_on_at_most_one_visit_and_every_end_names_the_begin_before_it(seed: int) -> None:
    rng = random.Random(seed)
    state, events = _observed(stroll(TOWN, rng, _errand(rng), Phone(sigma_m=rng.uniform(3, 10))))
    current: Transition | None = None
    for event in events:
        assert event.entered_at_ms is not None
        assert event.duration_ms == event.at_ms - event.entered_at_ms
        assert event.probability is not None
        assert SETTINGS.min_probability <= event.probability <= 1.0
        if event.kind is TransitionKind.VISIT:
            assert current is None
            current = event
        else:
            assert current is not None
            assert (event.geofence_id, event.visit_id) == (current.geofence_id, current.visit_id)
            current = None
    assert isinstance(state, VisitState)
    assert (state.current is None) == (current is None)
    assert len({e.visit_id for e in events}) == sum(e.kind is TransitionKind.VISIT for e in events)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_pings_seen_again_or_late_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    pings = stroll(TOWN, rng, _errand(rng))
    doubled = [p for i, ping in enumerate(pings) for p in (ping, ping, pings[rng.randrange(i + 1)])]
    assert _observed(doubled) == _observed(pings)


def test_a_state_kept_between_pings_as_bytes_is_the_same_state() -> None:
    """Two workers, one after the other, see what one would have seen; the record does not grow."""
    pings = _visit(60.0)
    state: VisitState | None = None
    events: list[Transition] = []
    sizes = []
    for ping in pings:
        state, told = observe(state, ping, STREET, SETTINGS)
        events += told
        kept = msgspec.msgpack.encode(state)
        sizes.append(len(kept))
        state = msgspec.msgpack.decode(kept, type=VisitState)
    assert (state, events) == _observed(pings)
    assert max(sizes) < 320


def test_a_correction_ends_the_old_visit_and_begins_the_new_one_at_one_instant() -> None:
    corrected = 0
    for seed in range(40):
        rng = random.Random(seed)
        _, events = _observed(stroll(TOWN, rng, _errand(rng), Phone(sigma_m=9.0)))
        for before, after in pairwise(events):
            if before.kind is TransitionKind.VISIT_END and before.reason is Reason.CORRECTED:
                corrected += 1
                assert (after.kind, after.reason, after.at_ms) == (TransitionKind.VISIT, Reason.CORRECTED, before.at_ms)
                assert after.geofence_id != before.geofence_id
                assert after.visit_id != before.visit_id
    assert corrected > 3


def test_a_visit_is_confirmed_once_when_it_reaches_the_probability_an_offer_asks_for() -> None:
    asked = dataclasses.replace(SETTINGS, confirm_at=(0.6, 0.9))
    confirmed = 0
    for seed in range(30):
        pings = _visit(60.0, seed, Phone(sigma_m=6.0), seconds=600.0)
        plain = _observed(pings)[1]
        events = _observed(pings, settings=asked)[1]
        confirmations = [event for event in events if event.reason is Reason.CONFIRMED]
        told: dict[str, float] = {}
        for event in events:
            if event in confirmations:
                assert any(told[event.visit_id] < level <= (event.probability or 0) for level in (0.6, 0.9))
            told[event.visit_id] = event.probability or 0
        assert [(e.kind, e.visit_id) for e in events if e not in confirmations] == [(e.kind, e.visit_id) for e in plain]
        confirmed += len(confirmations)
    assert confirmed > 3


def test_a_deleted_store_ends_its_visit() -> None:
    pings = _visit(60.0, phone=Phone(sigma_m=3.0), seconds=400.0)
    state: VisitState | None = None
    seen = 0
    while state is None or state.current is None:
        state, _ = observe(state, pings[seen], STREET, SETTINGS)
        seen += 1
    without = STREET.updated([], [state.current.geofence_id])
    told: list[Transition] = []
    for ping in pings[seen : seen + 8]:
        state, events = observe(state, ping, without, SETTINGS)
        told += events
    assert [(e.kind, e.reason) for e in told[:1]] == [(TransitionKind.VISIT_END, Reason.FENCE_DELETED)]


def test_probabilities_leave_room_for_the_street_and_prefer_the_shop_one_stands_in() -> None:
    state, _ = _observed(_visit(60.0, phone=Phone(sigma_m=3.0))[:110])
    assert state is not None
    likely = probabilities(state.stay, 0.0, STREET, AttributionSettings())
    assert 0.0 < sum(likely.values()) < 1.0
    assert max(likely, key=likely.__getitem__) == "shop-2"


def test_of_a_store_in_a_store_the_more_visited_is_the_likelier() -> None:
    """Two shops of one shape are told apart only by how much each is visited."""
    fences = [TOWN.shop("quiet", 50, 4, 24, 16), TOWN.shop("busy", 50, 4, 24, 16, popularity=3)]
    state, _ = _observed(_visit(60.0, phone=Phone(sigma_m=3.0))[:110])
    assert state is not None
    likely = probabilities(state.stay, 0.0, StoreField.build(fences), AttributionSettings())
    assert likely["busy"] == pytest.approx(3 * likely["quiet"])


def test_a_phone_that_never_tells_indoors_is_learned_and_no_longer_doubted() -> None:
    """The accuracy is evidence about this phone first, and only then about the room it is in."""
    start = math.log(SETTINGS.attribution.indoor_share / (1 - SETTINGS.attribution.indoor_share))
    for tells in (True, False):
        state, _ = _observed(_visit(60.0, phone=Phone(is_worse_indoors=tells), seconds=600.0))
        assert state is not None
        assert (state.indoor_log_odds > start) == tells


def test_first_fixes_that_are_useless_leave_no_state() -> None:
    ping = msgspec.structs.replace(_visit(0.0)[0], accuracy_m=1_500.0)
    assert observe(None, ping, STREET, SETTINGS) == (None, ())


def test_announced_probabilities_are_true_about_as_often_as_they_say() -> None:
    """400 visits on a street of 12 m shops: in each band the share that was right is within what chance allows."""
    names = [fence.id for fence in TOWN.street(20, width=12.0)]
    stores = StoreField.build(TOWN.street(20, width=12.0))
    bands: dict[bool, list[tuple[float, bool]]] = {False: [], True: []}
    for seed in range(400):
        rng = random.Random(seed)
        shop = rng.randrange(3, 17)
        pings = _visit(shop * 12 + rng.uniform(1, 11), seed, Phone(sigma_m=rng.uniform(2, 8), period_s=5), 200.0)
        begin = next((event for event in _observed(pings, stores)[1]), None)
        if begin is not None and begin.probability is not None:
            bands[begin.probability >= 0.7].append((begin.probability, begin.geofence_id == names[shop]))
    for members in bands.values():
        assert len(members) > 30
        said = sum(p for p, _ in members) / len(members)
        was = sum(is_right for _, is_right in members) / len(members)
        assert abs(said - was) < 0.15
