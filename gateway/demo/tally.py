"""What the demo counts: live from the activity stream, and in the end from the gateway's own metrics. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CHANNELS = ("apns", "fcm")

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([^ ]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class Tally:
    """Running totals of the activity stream."""

    pings_per_s: float = 0.0
    users_present: int = 0
    decisions: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)

    def add(self, event: Mapping[str, Any]) -> bool:
        """Count one event; whether it is a push that a provider accepted."""
        match event:
            case {"type": "presence"}:
                self.users_present = event["users_present"]
                self.pings_per_s = event["pings_per_s"]
            case {"type": "decision"}:
                self.decisions += 1
                if event["outcome"] == "refused":
                    self.refused[event["gate"]] += 1
            case {"type": "delivery", "status": "accepted"}:
                self.accepted[event["provider"]] += 1
                self.latencies_ms.append(event["ping_to_accepted_ms"])
                return True
        return False


def summary(metrics: str, latencies_ms: Sequence[float]) -> dict[str, Any]:
    """The demo's result from the gateway's /metrics page and the measured times of its deliveries."""
    accepted = {
        labels["channel"]: value
        for labels, value in samples(metrics, "geopush_deliveries_total")
        if labels["status"] == "accepted"
    }
    return {
        "pings": total(metrics, "geopush_pings_total"),
        "transitions": total(metrics, "geopush_transitions_total"),
        "decisions": total(metrics, "geopush_decisions_total"),
        "pushes_accepted": {channel: accepted.get(channel, 0) for channel in CHANNELS},
        "refused_by_gate": {
            labels["gate"]: value for labels, value in samples(metrics, "geopush_refusals_total") if value
        },
        "ping_to_accepted_ms": {"p50": quantile(latencies_ms, 0.50), "p99": quantile(latencies_ms, 0.99)},
    }


def samples(metrics: str, name: str) -> list[tuple[dict[str, str], int]]:
    """Labels and whole value of each sample of ``name`` in Prometheus' text format."""
    return [
        (dict(_LABEL.findall(labels)), int(float(value)))
        for found, labels, value in _SAMPLE.findall(metrics)
        if found == name
    ]


def total(metrics: str, name: str) -> int:
    """The sum over all labels."""
    return sum(value for _, value in samples(metrics, name))


def quantile(values: Sequence[float], ratio: float) -> float | None:
    """The smallest value that at least ``ratio`` of all do not exceed, to a tenth; None of none."""
    if not values:
        return None
    return round(sorted(values)[math.ceil(ratio * len(values)) - 1], 1)
