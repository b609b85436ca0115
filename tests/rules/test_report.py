"""What an offer achieved: funnel, rates, lift, alarms, and a winner only when one may be named."""

from __future__ import annotations

import pytest

from rules.document import Experiment, Variant
from rules.report import report

ARMS = Experiment(variants=(Variant("a", 1), Variant("b", 1)), planned_sample=1000)


def counts(**arms: tuple[int, int]) -> dict[tuple[str, str, str], int]:
    """Per variant (delivered, converted); as many claimed and matched as delivered."""
    found: dict[tuple[str, str, str], int] = {}
    for name, (delivered, converted) in arms.items():
        for what in ("matched", "claimed", "delivered"):
            found[what, "shop", name] = delivered
        found["converted", "shop", name] = converted
    return found


def test_a_funnel_adds_up_over_stores_and_variants() -> None:
    """Every step is counted once, refusals by gate."""
    found = report(
        {
            ("matched", "s1", ""): 60, ("matched", "s2", ""): 40, ("refused:audience", "s1", ""): 20,
            ("refused:claim", "s2", ""): 5, ("held_out", "s1", ""): 5, ("claimed", "s1", "a"): 40,
            ("claimed", "s2", "b"): 30, ("delivered", "s1", "a"): 38, ("undelivered:terminal", "s1", "a"): 2,
            ("opened", "s1", "a"): 19, ("converted", "s1", "a"): 4, ("revenue_cents", "s1", "a"): 9900,
            ("opted_out", "s1", "a"): 1,
        },
        None,
    )  # fmt: skip
    funnel = found.funnel
    assert (funnel.matched, funnel.claimed, funnel.delivered, funnel.undelivered) == (100, 70, 38, 2)
    assert funnel.refused == {"audience": 20, "claim": 5}
    assert (funnel.held_out, funnel.opened, funnel.converted, funnel.revenue_cents) == (5, 19, 4, 9900)
    assert found.rates.opened is not None
    assert found.rates.opened.estimate == 0.5
    assert [(part.name, part.funnel.matched) for part in found.stores] == [("s1", 60), ("s2", 40)]


def test_small_groups_are_suppressed() -> None:
    """Fewer than ten deliveries show no rate, fewer than ten matches no store, fewer than ten ghosts no lift."""
    found = report(counts(a=(9, 3)) | {("held_out", "shop", ""): 9}, None)
    assert found.rates.converted is None
    assert found.stores == ()
    assert found.lift is None


def test_lift_is_over_ghosts() -> None:
    """Conversion of those claimed minus conversion of those who would have been."""
    found = report(
        counts(a=(1000, 100)) | {("held_out", "shop", ""): 500, ("held_out_converted", "shop", ""): 25}, None
    )
    assert found.lift is not None
    assert found.lift.estimate == pytest.approx(0.05)
    assert 0 < found.lift.low < 0.05 < found.lift.high


@pytest.mark.parametrize(
    ("arms", "winner", "alarms"),
    [
        ({"a": (1000, 150), "b": (1000, 100)}, "a", ()),
        ({"a": (999, 150), "b": (1000, 100)}, None, ()),
        ({"a": (1000, 110), "b": (1000, 100)}, None, ()),
        ({"a": (1500, 300), "b": (1000, 100)}, None, ("sample_ratio_mismatch",)),
    ],
)
def test_a_winner_is_named_past_the_planned_sample_only(
    arms: dict[str, tuple[int, int]], winner: str | None, alarms: tuple[str, ...]
) -> None:
    """Too few, too close, or a split that chance does not explain: nobody has won."""
    found = report(counts(**arms), ARMS)
    assert (found.winner, found.alarms) == (winner, alarms)


def test_an_offer_without_experiment_names_no_winner() -> None:
    """Nothing was compared."""
    found = report(counts(), None)
    assert (found.winner, found.sample_ratio_p, found.variants) == (None, None, ())
