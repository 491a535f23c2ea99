"""Runs that the application's writing causes: soon after it has written, and rarely while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from threading import Event

import pytest

from replicator.operations.noticing import LOOK_SECONDS, Pace, Written

SETTLE, BUSY = 2.0, 60.0


@dataclass
class Clock:
    """Stands still unless somebody waits."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stop(Event):
    """What `Written` waits by: the clock goes on instead."""

    clock: Clock
    at: float = float("inf")

    def __post_init__(self) -> None:
        super().__init__()

    def is_set(self) -> bool:
        return self.clock.now >= self.at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert timeout > 0
        self.clock.now += timeout
        return self.is_set()


@dataclass
class Office:
    """Runs one after the other, each taking a tenth of a second, and an application that writes at some times."""

    writes: list[float]
    clock: Clock = field(default_factory=Clock)
    runs: list[float] = field(default_factory=list)

    def go_on(self, seconds: float, every: float) -> list[float]:
        """Begins of the runs, from the first on."""
        pace, begin = Pace(self.clock), self.clock.now
        stop = Stop(self.clock, begin + seconds)
        collected = begin
        while not stop.is_set():
            self.runs.append(round(self.clock.now - begin, 6))
            collected = self.clock.now
            self.clock.now += 0.1
            pace.ran()
            Written(stop, lambda: self._captured(collected - begin), pace, SETTLE, BUSY).wait(every)  # noqa: B023
        return self.runs

    def _captured(self, since: float) -> bool:
        return any(since <= write < self.clock.now - 1000 for write in self.writes)


def test_one_write_causes_one_run_soon_after() -> None:
    first, second, *others = Office([100.0]).go_on(1000, every=3600)
    assert (first, others) == (0, [])
    assert 100 + SETTLE <= second <= 100 + SETTLE + 2 * LOOK_SECONDS


def test_nothing_written_no_run() -> None:
    assert Office([]).go_on(1000, every=300) == pytest.approx([0, 300.1, 600.2, 900.3])


def test_a_busy_application_causes_few_runs_and_a_quiet_one_quick_ones_again() -> None:
    writes = [100 + number / 2 for number in range(2000)]
    runs = Office([*writes, 2000.0]).go_on(3000, every=3600)
    apart = [second - first for first, second in pairwise(runs[1:])]
    assert all(SETTLE <= distance <= BUSY + 2 * LOOK_SECONDS for distance in apart[:-1])
    assert apart[:4] == sorted(apart[:4])
    assert len(runs) < 30, "2,000 writes in 1,000 seconds"
    # All that was written is with the others at the latest after the longest distance.
    assert 1100 <= runs[-2] <= 1100 + BUSY + 2 * LOOK_SECONDS
    assert 2000 + SETTLE <= runs[-1] <= 2000 + SETTLE + 2 * LOOK_SECONDS


def test_the_interval_stays_what_it_is() -> None:
    runs = Office([5.0 + number for number in range(300)]).go_on(300, every=10)
    assert all(second - first <= 10.1 + LOOK_SECONDS for first, second in pairwise(runs))


def test_stop_ends_the_waiting() -> None:
    clock = Clock()
    written = Written(Stop(clock, at=1005), lambda: False, Pace(clock), SETTLE, BUSY)
    assert written.wait(3600)
    assert clock.now <= 1005 + LOOK_SECONDS
    assert written.is_set()


def test_it_is_not_asked_any_more_once_it_has_noticed() -> None:
    clock, asked = Clock(), []

    def captured() -> bool:
        asked.append(clock.now)
        return True

    written = Written(Stop(clock), captured, Pace(clock), SETTLE, BUSY)
    assert written.wait(3600)
    assert len(asked) == 1
    assert clock.now == 1000 + SETTLE
