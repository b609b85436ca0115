"""The demo's numbers: the gateway's metrics, and the times of its deliveries."""

from gateway.demo.tally import Tally, quantile

METRICS = """# HELP geopush_pings_total Pings accepted for handling.
geopush_pings_total 1200.0
geopush_pings_created 1.7e+09
geopush_users_present 42.0
geopush_transitions_total{kind="enter"} 40.0
geopush_transitions_total{kind="exit"} 30.0
geopush_decisions_total 25.0
geopush_refusals_total{gate="consent"} 5.0
geopush_refusals_total{gate="claim"} 8.0
geopush_refusals_total{gate="render"} 0.0
geopush_deliveries_total{channel="apns",status="accepted"} 9.0
geopush_deliveries_total{channel="fcm",status="accepted"} 7.0
geopush_deliveries_total{channel="fcm",status="terminal"} 1.0
"""


def test_the_summary_has_the_promised_keys_and_sums_over_labels() -> None:
    tally = Tally(latencies_ms=[4.0, 5.0, 30.04])
    tally.read(METRICS, 10)
    assert tally.summary() == {
        "pings": 1200,
        "transitions": 70,
        "decisions": 25,
        "pushes_accepted": {"apns": 9, "fcm": 7},
        "refused_by_gate": {"claim": 8, "consent": 5},
        "ping_to_accepted_ms": {"p50": 5.0, "p99": 30.0},
    }
    assert tally.users_present == 42


def test_a_channel_without_a_push_counts_zero() -> None:
    assert Tally().summary()["pushes_accepted"] == {"apns": 0, "fcm": 0}


def test_the_rate_is_that_between_two_readings() -> None:
    tally = Tally()
    tally.read("geopush_pings_total 1000.0\n", 2.0)
    assert tally.pings_per_s == 0
    tally.read("geopush_pings_total 1300.0\n", 3.5)
    assert tally.pings_per_s == 200


def test_only_an_accepted_delivery_is_a_push() -> None:
    tally = Tally()
    assert tally.add({"type": "delivery", "status": "accepted", "provider": "apns", "ping_to_accepted_ms": 8.0})
    assert not tally.add({"type": "delivery", "status": "terminal", "provider": "fcm", "ping_to_accepted_ms": 8.0})
    assert not tally.add({"type": "decision", "outcome": "refused", "gate": "consent"})
    assert tally.latencies_ms == [8.0]


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile(list(range(1, 101)), 0.5) == 50
    assert quantile(list(range(1, 101)), 0.99) == 99
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([], 0.5) is None
