"""All metrics, declared once, a sentence each. Labels come from closed sets only."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus-client is told that several processes count together."""

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Buckets around the aims (20 ms intake p99, 30 ms ping to accepted p99)."""


class Metrics:
    """One process's metrics, in a registry of their own, so that two gateways in one test do not mix."""

    def __init__(self) -> None:
        """Declare them all."""
        self.registry = CollectorRegistry()
        r = self.registry
        self.pings = Counter("geopush_pings", "Pings accepted for handling.", registry=r)
        self.pings_rejected = Counter(
            "geopush_pings_rejected",
            "Pings refused for what they say, by code; those of streams and phones too.",
            ["code"],
            registry=r,
        )
        self.pings_ignored = Counter(
            "geopush_pings_ignored", "Pings that may not act, by reason.", ["reason"], registry=r
        )
        self.transitions = Counter("geopush_transitions", "Transitions, by kind.", ["kind"], registry=r)
        self.decisions = Counter("geopush_decisions", "Decisions that had a candidate.", registry=r)
        self.refusals = Counter("geopush_refusals", "Candidates refused, by gate.", ["gate"], registry=r)
        self.claims = Counter("geopush_claims", "Claims, by result.", ["result"], registry=r)
        self.presence_conflicts = Counter(
            "geopush_presence_conflicts", "Presence saves that lost a race and were stepped again.", registry=r
        )
        self.deliveries = Counter(
            "geopush_deliveries", "Delivery attempts, by channel and status.", ["channel", "status"], registry=r
        )
        self.tokens_refused = Counter(
            "geopush_tokens_refused",
            "Device tokens that a provider called gone or wrong.",
            ["channel", "state"],
            registry=r,
        )
        self.dead_letters = Counter(
            "geopush_dead_letters", "Pushes given up, by channel and status.", ["channel", "status"], registry=r
        )
        self.lane_held = Gauge("geopush_lane_held", "Pushes that a lane holds in memory.", ["channel"], registry=r)
        self.breaker_open = Gauge(
            "geopush_breaker_open", "1 while a provider is held to be down.", ["channel"], registry=r
        )
        self.outbox_depth = Gauge(
            "geopush_outbox_depth", "Outbox entries not yet acknowledged.", registry=r, multiprocess_mode="livemax"
        )
        self.outbox_age_s = Gauge(
            "geopush_outbox_age_seconds", "Age of the oldest outbox entry.", registry=r, multiprocess_mode="livemax"
        )
        self.users_present = Gauge(
            "geopush_users_present", "Users inside some geofence.", registry=r, multiprocess_mode="livemax"
        )
        self.catalog_version = Gauge(
            "geopush_catalog_version", "Version of the catalog in use.", registry=r, multiprocess_mode="livemax"
        )
        self.geofences = Gauge(
            "geopush_geofences", "Geofences in the catalog in use.", registry=r, multiprocess_mode="livemax"
        )
        self.offers = Gauge("geopush_offers", "Offers in the catalog in use.", registry=r, multiprocess_mode="livemax")
        self.handle_s = Histogram(
            "geopush_handle_seconds", "Time to handle one batch of pings.", buckets=_LATENCY_S, registry=r
        )
        self.ping_to_accepted_s = Histogram(
            "geopush_ping_to_accepted_seconds",
            "From ping received to push accepted by a provider.",
            buckets=_LATENCY_S,
            registry=r,
        )
        self.http = Counter(
            "geopush_http_requests", "HTTP requests, by route and status.", ["route", "status"], registry=r
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format: this process's, or those of all workers of a supervisor."""
        folder = os.environ.get(SHARED_FOLDER)
        if folder is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, path=folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def forget_process(pid: int, folder: str) -> None:
    """Drop the gauges of a worker that has ended; what it counted stays counted."""
    multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
