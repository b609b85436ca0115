"""What the demo counts: the gateway's own metrics, read every second, and the times of its deliveries. Pure."""

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
    """Totals since the start as /metrics gives them, and the rate between its last two readings."""

    pings: int = 0
    pings_per_s: float = 0.0
    users_present: int = 0
    transitions: int = 0
    decisions: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    _read_s: float | None = None

    def read(self, metrics: str, at_s: float) -> None:
        """Take in the /metrics page as it was ``at_s`` seconds into the demo."""
        pings = total(metrics, "geopush_pings_total")
        if self._read_s is not None and at_s > self._read_s:
            self.pings_per_s = (pings - self.pings) / (at_s - self._read_s)
        self._read_s, self.pings = at_s, pings
        self.users_present = total(metrics, "geopush_users_present")
        self.transitions = total(metrics, "geopush_transitions_total")
        self.decisions = total(metrics, "geopush_decisions_total")
        self.accepted = _counted(metrics, "geopush_deliveries_total", "channel", status="accepted")
        self.refused = _counted(metrics, "geopush_refusals_total", "gate")

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take in an event of the activity stream; whether it is a push that a provider accepted."""
        if event["type"] != "delivery" or event["status"] != "accepted":
            return False
        self.latencies_ms.append(event["ping_to_accepted_ms"])
        return True

    def summary(self) -> dict[str, Any]:
        """The demo's result."""
        return {
            "pings": self.pings,
            "transitions": self.transitions,
            "decisions": self.decisions,
            "pushes_accepted": {channel: self.accepted[channel] for channel in CHANNELS},
            "refused_by_gate": dict(self.refused.most_common()),
            "ping_to_accepted_ms": {
                "p50": quantile(self.latencies_ms, 0.50),
                "p99": quantile(self.latencies_ms, 0.99),
            },
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


def _counted(metrics: str, name: str, by: str, **wanted: str) -> Counter[str]:
    """Values above zero by the label ``by``, of the samples that have the wanted labels."""
    counts: Counter[str] = Counter()
    for labels, value in samples(metrics, name):
        if value and wanted.items() <= labels.items():
            counts[labels[by]] += value
    return counts
