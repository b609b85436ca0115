"""The demo's numbers: from the activity stream and from the gateway's metrics."""

from gateway.demo.tally import Tally, quantile, summary

METRICS = """# HELP geopush_pings_total Pings accepted for handling.
geopush_pings_total 1200.0
geopush_pings_created 1.7e+09
geopush_transitions_total{kind="enter"} 40.0
geopush_transitions_total{kind="exit"} 30.0
geopush_decisions_total 25.0
geopush_refusals_total{gate="consent"} 5.0
geopush_refusals_total{gate="claim"} 3.0
geopush_refusals_total{gate="render"} 0.0
geopush_deliveries_total{channel="apns",status="accepted"} 9.0
geopush_deliveries_total{channel="fcm",status="accepted"} 7.0
geopush_deliveries_total{channel="fcm",status="terminal"} 1.0
"""


def test_the_summary_has_the_promised_keys_and_sums_over_labels() -> None:
    assert summary(METRICS, [4.0, 5.0, 30.04]) == {
        "pings": 1200,
        "transitions": 70,
        "decisions": 25,
        "pushes_accepted": {"apns": 9, "fcm": 7},
        "refused_by_gate": {"consent": 5, "claim": 3},
        "ping_to_accepted_ms": {"p50": 5.0, "p99": 30.0},
    }


def test_a_channel_without_a_push_counts_zero() -> None:
    assert summary("", [])["pushes_accepted"] == {"apns": 0, "fcm": 0}


def test_only_an_accepted_delivery_is_a_push() -> None:
    tally = Tally()
    assert tally.add({"type": "delivery", "status": "accepted", "provider": "apns", "ping_to_accepted_ms": 8.0})
    assert not tally.add({"type": "delivery", "status": "terminal", "provider": "fcm", "ping_to_accepted_ms": 8.0})
    assert not tally.add({"type": "decision", "outcome": "refused", "gate": "consent"})
    assert not tally.add({"type": "presence", "users_present": 12, "pings_per_s": 199.5})
    assert (tally.decisions, tally.refused, tally.accepted, tally.users_present) == (1, {"consent": 1}, {"apns": 1}, 12)


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile(list(range(1, 101)), 0.5) == 50
    assert quantile(list(range(1, 101)), 0.99) == 99
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([], 0.5) is None
