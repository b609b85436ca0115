"""What processes cost, read from Linux's /proc: CPU time and resident memory of a process and its children."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One reading of one process."""

    pid: int
    parent: int
    name: str
    cpu_s: float
    rss_bytes: int


def read(pid: int) -> Process | None:
    """The process now; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    cpu_s = _scheduled_s(pid) or (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return Process(pid, int(fields[1]), name, cpu_s, int(fields[21]) * _PAGE_BYTES)


def _scheduled_s(pid: int) -> float:
    """CPU time to the nanosecond, where the kernel keeps it; ``stat`` counts in hundredths of a second."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total_ns += int(task.read_text().split()[0])
    return total_ns / 1e9


def family(pid: int) -> list[Process]:
    """The process and everything below it."""
    all_ = [found for entry in Path("/proc").iterdir() if entry.name.isdigit() and (found := read(int(entry.name)))]
    chosen = {pid}
    while more := {p.pid for p in all_ if p.parent in chosen} - chosen:
        chosen |= more
    return [p for p in all_ if p.pid in chosen]


def gateways(above: int) -> list[Process]:
    """Gateway processes below ``above``, without the Redis servers that they started."""
    return [p for p in family(above) if p.pid != above and "redis" not in p.name]


def redis_servers(above: int) -> list[Process]:
    """Redis servers below ``above``."""
    return [p for p in family(above) if "redis" in p.name]
