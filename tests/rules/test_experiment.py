"""Assignment that never moves for no reason, and intervals that a textbook agrees with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.experiment import BUCKETS, bucket, choose, is_within, lift, sample_ratio_p, wilson
from rules.model import Gate, PastPush, PushKind
from rules.policy import parse_policy
from tests.rules.shop import NOON, decide, offer, only, shopper, transition

USERS = [f"user-{n}" for n in range(4000)]
MESSAGE = {"title": "Sale", "body": "Come in today."}
users = st.text(min_size=1, max_size=20)
weights = st.lists(st.integers(0, 50), min_size=2, max_size=5).filter(any)


@given(users, st.text(max_size=10), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_everyone_it_had(user: str, salt: str, one: float, other: float) -> None:
    """Rolling out from 5 % to all moves nobody out."""
    small, large = sorted((one, other))
    assert 0 <= bucket(user, salt) < BUCKETS
    assert not is_within(user, salt, small) or is_within(user, salt, large)


@given(users, weights, st.integers(2, 9))
def test_scaling_all_weights_moves_nobody(user: str, given_weights: list[int], factor: int) -> None:
    """Only the proportions of weights matter."""
    arms = [(f"v{i}", weight) for i, weight in enumerate(given_weights)]
    scaled = [(name, weight * factor) for name, weight in arms]
    assert choose(user, "s", arms) == choose(user, "s", scaled)


@given(users, weights, st.integers(1, 50), st.integers(2, 9))
def test_an_assignment_never_moves_when_weights_of_others_change_proportionally(
    user: str, others: list[int], own: int, factor: int
) -> None:
    """Raising all the others alike can take a user from a variant, but never swaps two of the others."""
    arms = [(f"v{i}", weight) for i, weight in enumerate(others)]
    before = choose(user, "s", [*arms, ("own", own)])
    after = choose(user, "s", [*((name, weight * factor) for name, weight in arms), ("own", own)])
    assert after == before or before == "own"


@given(users, weights)
def test_a_variant_of_weight_nothing_gets_nobody(user: str, given_weights: list[int]) -> None:
    """Weight 0 switches a variant off."""
    arms = [(f"v{i}", weight) for i, weight in enumerate(given_weights)]
    assert dict(arms)[choose(user, "s", arms)] > 0


def test_shares_come_out_as_asked() -> None:
    """Four thousand users fall 3 to 1, and a tenth is held out, within four standard deviations."""
    big = sum(choose(user, "salt", [("a", 3), ("b", 1)]) == "a" for user in USERS)
    held = sum(is_within(user, "salt/holdout", 0.1) for user in USERS)
    assert abs(big - 3000) < 4 * (4000 * 0.75 * 0.25) ** 0.5
    assert abs(held - 400) < 4 * (4000 * 0.1 * 0.9) ** 0.5
    assert sample_ratio_p([big, len(USERS) - big], [3, 1]) > 0.0001


def test_purposes_are_independent_of_each_other() -> None:
    """Among the held out of one offer, another's holdout takes its usual share."""
    first = [user for user in USERS if is_within(user, "a/holdout", 0.5)]
    both = sum(is_within(user, "b/holdout", 0.5) for user in first)
    assert abs(both - len(first) / 2) < 4 * (len(first) * 0.25) ** 0.5


def test_wilson_and_newcombe_agree_with_the_published_examples() -> None:
    """Newcombe 1998: 81/263 gives .2553 to .3662; 56/70 less 48/80 gives .0524 to .3339."""
    single = wilson(81, 263)
    assert (round(single.low, 4), round(single.high, 4)) == (0.2553, 0.3662)
    difference = lift((56, 70), (48, 80))
    assert (round(difference.low, 4), round(difference.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(("trials", "successes"), [(1, 0), (1, 1), (10, 0), (10, 10)])
def test_intervals_stay_within_the_possible(trials: int, successes: int) -> None:
    """No rate below nothing or above all."""
    interval = wilson(successes, trials)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


@pytest.mark.parametrize(
    ("observed", "expected", "alarm"),
    [([500, 500], [1, 1], False), ([600, 400], [1, 1], True), ([300, 310, 290], [1, 1, 1], False),
     ([400, 310, 190], [1, 1, 1], True), ([10, 0], [1, 0], False), ([0, 0], [1, 1], False)],
)  # fmt: skip
def test_an_uneven_split_is_an_alarm(observed: list[int], expected: list[float], alarm: bool) -> None:
    """A sample-ratio mismatch below one in a thousand means that assignment or logging is broken."""
    assert (sample_ratio_p(observed, expected) < 0.001) is alarm


def test_a_user_is_told_his_variants_text() -> None:
    """Each arm may bring messages of its own; one without sends the offer's."""
    arms = [{"name": "loud", "messages": {"en": {**MESSAGE, "title": "Loud"}}}, {"name": "plain"}]
    tested = offer(experiment={"variants": arms})
    titles = set()
    for user in USERS[:40]:
        who = shopper(user_id=user)
        candidate = only(decide(tested, who=who))
        assert candidate.message is not None
        titles.add((candidate.variant, candidate.message.title))
        assert only(decide(tested, who=who)).variant == candidate.variant
    assert titles == {("loud", "Loud"), ("plain", "Sale")}


@settings(max_examples=50)
@given(st.sampled_from(USERS), st.sampled_from(["offer", "global"]))
def test_a_held_out_user_never_reaches_a_provider(user: str, scope: str) -> None:
    """He passes all gates, is judged in arbitration, and ends as a ghost: no rank, so nothing to claim."""
    policy = parse_policy({"holdout_ratio": 0.5} if scope == "global" else {})
    tested = offer(policy, experiment={"holdout_ratio": 0.5} if scope == "offer" else {})
    decision = decide(tested, who=shopper(user_id=user), policy=policy)
    (candidate,) = decision.candidates
    is_held = is_within(user, "sale/holdout" if scope == "offer" else "global", 0.5)
    assert candidate.held_out is is_held
    assert bool(decision.ranked) is not is_held
    assert decision.ghosts == ((candidate,) if is_held else ())
    assert candidate.message is not None


def test_a_ghost_hinders_nobody_and_is_hindered_by_its_own_shadow() -> None:
    """The next offer is sent as if the held-out one were not there; earlier ghosts count against later ones."""
    held = offer(id="a", priority=9, experiment={"holdout_ratio": 0.9})
    other = offer(id="b")
    user = next(u for u in USERS if is_within(u, "a/holdout", 0.9))
    decision = decide(held, other, who=shopper(user_id=user), what=transition(user_id=user))
    assert [c.offer_id for c in decision.ranked] == ["b"]
    assert [c.offer_id for c in decision.ghosts] == ["a"]
    shadow = (PastPush(NOON - 86_400_000 * 2, "g", "a", "elsewhere", kind=PushKind.GHOST),)
    decision = decide(held, other, who=shopper(user_id=user, history=shadow))
    assert [c.refused_by for c in decision.candidates] == [Gate.CLAIM, None]
    weaker = offer(id="a", priority=-9, experiment={"holdout_ratio": 0.9})
    decision = decide(weaker, other, who=shopper(user_id=user))
    assert decision.ghosts == ()


def test_a_roll_out_asks_a_few_first() -> None:
    """5 % of users take part; who does not is told so by the gate."""
    few = offer(rollout_percent=5)
    took = [u for u in USERS[:1000] if decide(few, who=shopper(user_id=u)).ranked]
    assert 20 <= len(took) <= 85
    assert all(decide(offer(rollout_percent=20), who=shopper(user_id=u)).ranked for u in took)
