"""A simulated walk is answered as the ping path would answer it: the same rules, and a claim that plays the script."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.catalog.snapshot import Snapshot
from gateway.deciding import Moved, claim, decide, waking
from gateway.offline.backtest import read_snapshot
from gateway.offline.folder import Folder, write_folder
from gateway.simulation import simulate
from gateway.store import Store
from gateway.store.claims import past_pushes
from gateway.store.keys import partition_of, pushes
from geofences.model import Ping
from geofences.transitions import Presence
from rules.model import Consent, PushKind, Shopper
from tests.journeys.conftest import AWAKE, INSIDE, OUTSIDE, SQUARE, offer

START_MS = 1_767_603_600_000
KITCHEN: dict[str, Any] = SQUARE | {"properties": {"name": "Kitchen", "tags": ["cafe"]}}
"""In the very place of the café: one step enters both."""
EVERYWHERE = {"geofences": ["cafe", "kitchen"]}
GAP = {"user_offer_s": 1800, "user_store_s": 0, "min_gap_s": 3600}
OFFERS = (
    offer(id="ready", targets=EVERYWHERE, transactional=True, cooldowns={"user_offer_s": 2400}),
    offer(id="service", transactional=True, cooldowns={"user_offer_s": 0}),
    offer(id="coffee", targets=EVERYWHERE, cooldowns=GAP, priority=1),
    offer(id="cake", cooldowns=GAP | {"min_gap_s": 0}, caps=[{"scope": "user", "max": 3, "window_s": 86_400}]),
    offer(id="tested", cooldowns=GAP, experiment={"holdout_ratio": 0.5}, priority=2),
)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    geofences = {"cafe": SQUARE | {"id": "cafe"}, "kitchen": KITCHEN | {"id": "kitchen"}}
    write_folder(tmp_path, Folder(geofences, {one["id"]: one for one in OFFERS}, AWAKE))
    return read_snapshot(tmp_path)


def walk(user_id: str, rng: random.Random, visits: int = 30) -> list[Ping]:
    """In and out, with minutes, an hour or most of a day between."""
    at_ms, pings = START_MS, []
    for _ in range(visits):
        for lat, lng in (INSIDE, INSIDE, OUTSIDE, OUTSIDE):
            at_ms += 10_000
            pings.append(Ping(user_id, at_ms, lat, lng, accuracy_m=5))
        at_ms += rng.choice([1, 5, 20, 61, 900]) * 60_000
    return pings


def someone(user_id: str, **facts: Any) -> Shopper:
    return Shopper(user_id=user_id, consent=Consent(True, True, True), **facts)


async def test_a_random_walk_is_claimed_as_the_script_claims_it(store: Store, snapshot: Snapshot) -> None:
    """Each moment asked of both: the same pushes, transactional ones and ghosts remembered alike."""
    rng = random.Random(20261122)
    kinds: Counter[PushKind] = Counter()
    for number in range(8):
        user_id = f"user-{number}"
        key = pushes(partition_of(user_id, 4), user_id)
        for moment in simulate(snapshot, someone(user_id), walk(user_id, rng)):
            moved = {user_id: Moved(Presence.EMPTY, moment.transitions, moment.ping)}
            shopper = someone(user_id, history=past_pushes(await store.connection.call("GET", key)))
            decisions = decide(snapshot, waking(snapshot, moved), {user_id: shopper}, moved, {}, moment.at_ms)
            claimed = (await claim(store, decisions, moment.at_ms)).get(user_id, [])
            winners = [contest.winner for contest in claimed if contest.winner]
            kinds.update(winner.kind for winner in winners)
            assert moment.pushes == tuple(w.offer_id for w in winners if w.kind is not PushKind.GHOST)
            ghosts = {w.offer_id for w in winners if w.kind is PushKind.GHOST}
            assert {c.offer_id for c in moment.candidates if c.held_out and c.refused_by is None} == ghosts
    assert len(kinds) == 3
    assert min(kinds.values()) > 20
