"""CPU time of jobs that are to be compared with each other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

ROUNDS = 5
SLICES = 24


def least_us(
    jobs: dict[str, Callable[[slice], object]], counts: Sequence[int], rounds: int = ROUNDS
) -> dict[str, float]:
    """CPU microseconds per item of each job; ``counts`` has the items of each batch that a slice is made of.

    The input is cut into slices; every job takes its turn at each, several times, and the least of each slice is
    summed: jobs are compared under the same weather, whatever else the machine does.
    """
    bounds = np.linspace(0, len(counts), SLICES + 1).astype(int).tolist()
    slices = [slice(a, b) for a, b in pairwise(bounds) if a < b]
    least = {name: [math.inf] * len(slices) for name in jobs}
    for _ in range(rounds):
        for at, part in enumerate(slices):
            for name, job in jobs.items():
                begin = time.thread_time()
                job(part)
                least[name][at] = min(least[name][at], time.thread_time() - begin)
    total = sum(counts)
    return {name: sum(spent) / total * 1e6 for name, spent in least.items()}
