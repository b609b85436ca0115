"""Who is held out and who gets which variant: a stable hash, so that nobody ever moves for no reason.

A user's place for a salt is a number from 0 to 9999, the first eight bytes of SHA-256(salt, user) modulo 10,000.
Each purpose hashes with its own salt, so that a holdout, a roll-out and the variants are independent.
Variants are chosen by weighted rendezvous hashing: scaling all weights moves nobody, and raising one weight only
moves users to that variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import log, sqrt
from statistics import NormalDist

import msgspec

BUCKETS = 10_000


def bucket(user_id: str, salt: str) -> int:
    """The user's place for a salt, 0 to 9999."""
    return _hash(user_id, salt) % BUCKETS


def is_within(user_id: str, salt: str, ratio: float) -> bool:
    """Whether the user is among the first ``ratio`` of places; a larger ratio keeps everyone it had."""
    return ratio > 0 and bucket(user_id, salt) < ratio * BUCKETS


def choose(user_id: str, salt: str, weights: Sequence[tuple[str, int]]) -> str:
    """The user's variant among (name, weight); weights of 0 get nobody, and "" is chosen from none."""
    best, chosen = float("inf"), ""
    for name, weight in weights:
        if weight > 0:
            uniform = (_hash(user_id, f"{salt}/{name}") + 1) / (2**64 + 1)
            score = -log(uniform) / weight
            if score < best:
                best, chosen = score, name
    return chosen


def _hash(user_id: str, salt: str) -> int:
    return int.from_bytes(sha256(f"{salt}\x00{user_id}".encode()).digest()[:8], "big")


class Interval(msgspec.Struct, frozen=True):
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The rate of ``successes`` in ``trials`` (> 0) with Wilson's score interval (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return Interval(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def lift(treated: tuple[int, int], control: tuple[int, int], confidence: float = 0.95) -> Interval:
    """Rate of ``treated`` minus rate of ``control``, each (successes, trials > 0), by Newcombe's method 10 (1998)."""
    t, c = wilson(*treated, confidence), wilson(*control, confidence)
    difference = t.estimate - c.estimate
    low = difference - sqrt((t.estimate - t.low) ** 2 + (c.high - c.estimate) ** 2)
    high = difference + sqrt((t.high - t.estimate) ** 2 + (c.estimate - c.low) ** 2)
    return Interval(difference, max(-1.0, low), min(1.0, high))


def sample_ratio_p(observed: Sequence[int], expected: Sequence[float]) -> float:
    """How likely a split as uneven as ``observed`` is under the ``expected`` shares (chi-squared, Wilson-Hilferty).

    Below 0.001 is an alarm: assignment or logging is broken, and no result may be read off.
    """
    total, shares = sum(observed), sum(expected)
    cells = [(o, total * e / shares) for o, e in zip(observed, expected, strict=True) if e > 0]
    freedom = len(cells) - 1
    if freedom < 1 or total == 0:
        return 1.0
    statistic = sum((o - e) ** 2 / e for o, e in cells)
    if freedom == 1:
        return 2 * (1 - NormalDist().cdf(sqrt(statistic)))
    scaled = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom))
    return 1 - NormalDist().cdf(scaled)
