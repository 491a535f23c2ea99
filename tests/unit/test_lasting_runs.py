"""How long a lasting run (--every) waits after runs that failed."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from replicator.config import Run
from replicator.engine.session import Summary
from replicator.errors import DatabaseBusy, ReplicatorError, TryLater, Unreachable
from replicator.operations.running import LONGEST_WAIT, Outcome, run_every
from replicator.types import Role


class Noting(Event):
    """Notes how long is waited, and waits not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return self.is_set()


class Failing:
    """Runs that end as told, one after the other; then all is stopped. Also hears of them."""

    configuration = SimpleNamespace(run=Run())

    def __init__(self, stop: Event, *ends: ReplicatorError | None) -> None:
        self.stop = stop
        self.ends = list(ends)
        self.told: list[str] = []

    def once(self, **_: Any) -> Outcome:
        end = self.ends.pop(0)
        if not self.ends:
            self.stop.set()
        if end is not None:
            raise end
        return Outcome("office", Role.HOST, summary=Summary())

    def wait(self, seconds: float, stop: Event) -> None:
        stop.wait(seconds)

    def ran(self, outcome: Outcome) -> None:
        """Nothing to note."""

    def failed(self, error: ReplicatorError, wait: float) -> None:
        self.told.append(f"{error}, {wait:.0f}")

    def recovered(self) -> None:
        self.told.append("well again")


def waits(every: float, *ends: ReplicatorError | None) -> tuple[list[float], list[str]]:
    stop = Noting()
    runs = Failing(stop, *ends)
    run_every(cast(Any, runs), every, stop, runs)
    return stop.waits, runs.told


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (1, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST_WAIT, LONGEST_WAIT]),
        (300, [30, 60, 120, 240, 480, LONGEST_WAIT, LONGEST_WAIT]),
        (86400, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 30720, 61440, 86400, 86400]),
    ],
)
def test_trouble_with_the_mailbox_is_tried_again_soon_and_then_more_and_more_rarely(
    every: float, expected: list[float]
) -> None:
    """Also a dropped connection within a long load does not wait for the next regular run."""
    waited, told = waits(every, *[Unreachable("No answer.")] * len(expected))
    assert waited == expected
    assert told == [f"No answer., {expected[0]:.0f}"]


def test_each_kind_of_trouble_is_told_once_and_that_it_is_over() -> None:
    away, wait = Unreachable("No answer."), TryLater("Come again.")
    waited, told = waits(60, away, wait, away, None, away, None)
    assert waited == [30, 60, 120, 60, 30, 60]
    assert told == ["No answer., 30", "Come again., 60", "well again", "No answer., 30", "well again"]


def test_a_database_that_is_held_is_tried_again_within_a_minute() -> None:
    waited, _ = waits(3600, *[DatabaseBusy("Locked.")] * 9)
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
