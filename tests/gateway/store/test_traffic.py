"""Traffic: different users by geofence and day, with nobody remembered."""

from __future__ import annotations

import pytest

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.traffic import ERROR_RATIO
from geofences.model import Transition, TransitionKind
from rules.model import Candidate, Decision, Gate, Verdict

AT_MS = 1_760_000_000_000
DAY_MS = 86_400_000
DAYS = ["20251009", "20251010"]


def entered(user_id: str, geofence_id: str, at_ms: int = AT_MS) -> tuple[str, Transition]:
    transition = Transition(user_id=user_id, geofence_id=geofence_id, kind=TransitionKind.ENTER, at_ms=at_ms)
    return user_id, transition


def decided(user_id: str, *, consented: bool) -> Decision:
    _, transition = entered(user_id, "s1")
    verdict = Verdict(Gate.CONSENT, consented)
    candidate = Candidate(offer_id="o1", offer_version=1, geofence_id="s1", transition=transition, verdicts=(verdict,))
    return Decision(user_id, AT_MS, (candidate,))


async def test_somebody_who_comes_often_counts_once(store: Store) -> None:
    """Entering twice, in several geofences, or on several days is one user of the union."""
    store.traffic.note([entered("ann", "s1"), entered("ann", "s1"), entered("ann", "s2"), entered("bob", "s2")], [])
    store.traffic.note([entered("ann", "s1", AT_MS + DAY_MS)], [])
    await store.traffic.flush()
    footfall = await store.traffic.footfall(["s1", "s2"], DAYS, [DAYS])
    assert (footfall.by_day, footfall.by_span) == ((2, 1), (2,))
    assert (await store.traffic.footfall(["s1"], DAYS, [DAYS])).by_span == (1,)
    assert (await store.traffic.footfall(None, DAYS, [DAYS])).by_span == (2,)
    assert (await store.traffic.footfall(["nowhere", "else"], DAYS, [DAYS])).by_span == (0,)


async def test_only_entering_counts(store: Store) -> None:
    user_id, transition = entered("ann", "s1")
    leaving = Transition(user_id=user_id, geofence_id="s1", kind=TransitionKind.EXIT, at_ms=transition.at_ms)
    store.traffic.note([(user_id, leaving)], [])
    await store.traffic.flush()
    assert await store.connection.call("KEYS", "gp:{traffic}*") == []


async def test_a_crowd_is_counted_within_the_error_that_is_told(store: Store) -> None:
    """Thousands of users over more stores than one command merges: right to three standard errors."""
    store.traffic.note([entered(f"user-{number}", f"s{number % 1200}") for number in range(6_000)], [])
    await store.traffic.flush()
    footfall = await store.traffic.footfall([f"s{number}" for number in range(1_200)], DAYS[:1], [DAYS[:1]])
    assert footfall.by_span[0] == pytest.approx(6_000, rel=3 * ERROR_RATIO)


async def test_workers_count_together(store: Store, settings: Settings) -> None:
    """All workers hash a user alike, so that it does not matter which of them saw him."""
    other = await Store.open(settings)
    for one in (store, other):
        one.traffic.note([entered("ann", "s1")], [])
        await one.traffic.flush()
    await other.close()
    assert (await store.traffic.footfall(["s1"], DAYS, [DAYS])).by_span == (1,)


async def test_hours_are_those_of_utc(store: Store) -> None:
    store.traffic.note([entered("ann", "s1"), entered("bob", "s1"), entered("ann", "s2", AT_MS + 3_600_000)], [])
    await store.traffic.flush()
    first, second = await store.traffic.hours(DAYS)
    assert {hour: count for hour, count in enumerate(first) if count} == {8: 2, 9: 1}
    assert not any(second)


async def test_consent_is_counted_of_those_who_were_asked(store: Store) -> None:
    """A user whom no offer waited for says nothing about consent."""
    store.traffic.note(
        [], [decided("ann", consented=True), decided("bob", consented=False), Decision("cat", AT_MS, ())]
    )
    await store.traffic.flush()
    assert await store.traffic.consenting(DAYS) == (2, 1)


async def test_no_user_is_kept_and_nothing_is_kept_for_good(store: Store) -> None:
    """No key and no value holds a user id, and each key ends by itself."""
    store.traffic.note([entered("ann-of-helsinki", f"s{number}") for number in range(3)], [])
    await store.traffic.flush()
    await store.traffic.footfall(["s0", "s1"], DAYS, [DAYS])
    held = await store.connection.call("KEYS", "gp:{traffic}*")
    assert len(held) == 7
    for key in held:
        assert b"ann" not in key
        assert 0 < await store.connection.call("TTL", key) <= 35 * 86_400
    assert b"ann" not in await store.connection.call("GET", "gp:{traffic}:20251009:at:s0")


async def test_the_first_day_is_the_earliest_with_anybody(store: Store) -> None:
    assert await store.traffic.first_day(DAYS) is None
    store.traffic.note([entered("ann", "s1", AT_MS + DAY_MS)], [])
    await store.traffic.flush()
    assert await store.traffic.first_day(DAYS) == DAYS[1]
