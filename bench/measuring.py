"""CPU and wall time, medians of interleaved repetitions, and figures with their limits."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

REPETITIONS = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. Limits hold for the full sizes; smaller ones only show that the benchmark works."""

    repetitions: int = REPETITIONS
    capture_rows: int = 100_000
    capture_transactions: int = 5_000
    changes: int = 200_000
    fanout_changes: int = 20_000
    fanout_stations: tuple[int, ...] = (1, 11, 51)
    memory_rows: int = 1_000_000
    waiting_changes: int = 60_000
    mail_bytes: int = 10_000_000
    fetched_mails: int = 10_000
    server_transactions: int = 3_000
    logical_changes: int = 1_000_000
    pgbench_scale: int = 4
    pgbench_seconds: int = 10
    purged_groups: int = 500_000
    conflicts: int = 50_000
    audited_numbers: int = 1_000_000
    journal_entries: int = 10_000_000


QUICK = Size(
    2, 10_000, 500, 20_000, 5_000, (1, 5), 50_000, 5_000, 100_000, 200, 300, 20_000, 1, 3, 20_000, 5_000, 20_000,
    100_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. With a baseline the limit is one of the ratio, else one of `ours`; None: only to know."""

    name: str
    ours: float
    baseline: float | None
    limit: float | None
    unit: str
    is_least: bool = False
    """The limit is the least that is wanted: more is better."""

    @property
    def ratio(self) -> float | None:
        return None if self.baseline is None else self.ours / self.baseline

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        held = self.ours if self.ratio is None else self.ratio
        return held >= self.limit if self.is_least else held <= self.limit


class Watch:
    """CPU seconds of this process, system time included, within `measured`."""

    seconds = 0.0


@contextmanager
def measured() -> Iterator[Watch]:
    """Measure the CPU time of the block. Garbage of what came before is not counted."""
    gc.collect()
    watch = Watch()
    began = time.process_time()
    yield watch
    watch.seconds = time.process_time() - began


def cpu(work: Callable[[], object]) -> float:
    with measured() as watch:
        work()
    return watch.seconds


def wall(work: Callable[[], object]) -> float:
    """Seconds by the clock: where a server does the work."""
    gc.collect()
    began = time.monotonic()
    work()
    return time.monotonic() - began


class Spent(NamedTuple):
    """Seconds of this process, and by the clock."""

    cpu: float
    wall: float


def both(work: Callable[[], object]) -> Spent:
    times: list[float] = []
    elapsed = wall(lambda: times.append(cpu(work)))
    return Spent(times[0], elapsed)


@contextmanager
def awake() -> Iterator[None]:
    """Within, no processor goes to sleep: on each spins a process that gives way to whatever else there is to do.

    A processor that sleeps while a disk is waited for wakes up slow and cold, on a virtual computer most of all.
    """
    spin = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    spinning = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(0.5)  # until they have begun
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def figure_of(
    name: str,
    pairs: list[tuple[float, float]],
    limit: float | None,
    unit: str,
    scale: float = 1.0,
    *,
    is_least: bool = False,
) -> Figure:
    """A figure from (ours, baseline) of each repetition: the repetition whose ratio is the median stands for all."""
    ordered = sorted(pairs, key=lambda pair: pair[0] / pair[1])
    ours, baseline = ordered[len(ordered) // 2]
    return Figure(name, ours * scale, baseline * scale, limit, unit, is_least)


def middle(values: list[float]) -> float:
    return median(values)


def megabytes(size: float) -> float:
    """MiB."""
    return size / 2**20
