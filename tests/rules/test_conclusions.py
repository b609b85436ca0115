"""What figures allow to say: rates, lift, alarms, and a winner only when one may be named."""

from __future__ import annotations

import pytest

from rules.conclusions import conclude
from rules.document import Experiment, Variant

ARMS = Experiment(variants=(Variant("a", 1), Variant("b", 1)), planned_sample=1000)


def arm(delivered: int, converted: int) -> dict[str, int]:
    """Counters of one variant; as many claimed as delivered."""
    return {"claimed": delivered, "delivered": delivered, "converted": converted}


def test_a_rate_is_of_deliveries() -> None:
    """Opened, converted and opted out of 40 delivered, with their intervals."""
    rates = conclude({"delivered": 40, "opened": 20, "converted": 4, "opted_out": 1}, {}, None).rates
    assert rates.opened is not None
    assert rates.converted is not None
    assert rates.opted_out is not None
    assert (rates.opened.estimate, rates.converted.estimate, rates.opted_out.estimate) == (0.5, 0.1, 0.025)
    assert rates.opened.low < 0.5 < rates.opened.high


def test_small_groups_are_suppressed() -> None:
    """Fewer than ten deliveries show no rate, fewer than ten ghosts no lift."""
    found = conclude({**arm(9, 3), "held_out": 100}, {}, None)
    assert found.rates.converted is None
    assert found.lift is None
    few = conclude({**arm(100, 3), "held_out": 9}, {}, None)
    assert (few.lift, few.added_revenue) == (None, None)


def test_visits_have_a_lift_of_their_own() -> None:
    counts = {"claimed": 1000, "held_out": 1000, "visited": 120, "held_out_visited": 90, "purchased": 10}
    found = conclude(counts, {}, None)
    assert found.visit_lift is not None
    assert found.lift is not None
    assert (found.visit_lift.estimate, found.lift.estimate) == (pytest.approx(0.03), pytest.approx(0.01))


def test_lift_is_over_ghosts() -> None:
    """Who bought of those claimed minus who bought of those who would have been, and what that came to."""
    treated = {"claimed": 1000, "purchased": 100, "spent_cents": 500_000}
    ghosts = {"held_out": 500, "held_out_purchased": 25, "held_out_spent_cents": 100_000}
    found = conclude(treated | ghosts, {}, None)
    assert found.lift is not None
    assert found.lift.estimate == pytest.approx(0.05)
    assert 0 < found.lift.low < 0.05 < found.lift.high
    assert found.added_revenue == 3000.0


@pytest.mark.parametrize(
    ("a", "b", "winner", "alarms"),
    [
        ((1000, 150), (1000, 100), "a", ()),
        ((1000, 100), (1000, 150), "b", ()),
        ((999, 150), (1000, 100), None, ()),
        ((1000, 110), (1000, 100), None, ()),
        ((1500, 300), (1000, 100), None, ("sample_ratio_mismatch",)),
    ],
)
def test_a_winner_is_named_past_the_planned_sample_only(
    a: tuple[int, int], b: tuple[int, int], winner: str | None, alarms: tuple[str, ...]
) -> None:
    """Too few, too close, or a split that chance does not explain: nobody has won."""
    found = conclude({}, {"a": arm(*a), "b": arm(*b), "": {"claimed": 7}}, ARMS)
    assert (found.winner, found.alarms) == (winner, alarms)
    assert set(found.variants) == {"a", "b"}


def test_without_an_experiment_nobody_wins() -> None:
    """Nothing was compared, and nothing is divided by nothing."""
    found = conclude({}, {}, None)
    assert (found.winner, found.sample_ratio_p, found.variants) == (None, None, {})
    assert conclude({}, {}, ARMS).winner is None
