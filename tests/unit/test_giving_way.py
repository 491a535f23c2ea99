"""Others get their turn between our transactions, and nobody waits for nothing."""

from __future__ import annotations

from replicator.databases.sqlite.giving_way import ASKED_AFTER, STRETCH, GivingWay, next_question
from replicator.runtime import Runtime

MILLISECOND = 1000


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000
        self.pauses: list[float] = []
        self.giving_way = GivingWay(Runtime(now=lambda: self.now, pause=self._pause))

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += round(seconds * 1_000_000)

    def transaction(self, held: int, gap: int = 0) -> None:
        self.now += gap * MILLISECOND
        self.giving_way.before()
        self.now += held * MILLISECOND
        self.giving_way.after()


def test_short_work_is_never_held_up() -> None:
    clock = Clock()
    for _ in range(10):
        clock.transaction(held=10)
    assert clock.pauses == []


def test_after_a_stretch_all_who_wait_have_asked_once_more() -> None:
    clock = Clock()
    for _ in range(4):
        clock.transaction(held=60)
    # He who came first has asked after 178 ms, and does so again after 228.
    assert clock.pauses == [0.053]
    clock.transaction(held=60)
    assert len(clock.pauses) == 1, "a new stretch has begun"


def test_a_pause_that_was_there_anyway_counts() -> None:
    clock = Clock()
    for _ in range(5):
        clock.transaction(held=400, gap=104)
    assert clock.pauses == []
    clock.transaction(held=400, gap=40)
    assert [round(pause * 1000) for pause in clock.pauses] == [63], "only what is missing of it"


def test_a_clock_that_is_set_does_no_harm() -> None:
    clock = Clock()
    clock.transaction(held=400)
    clock.transaction(held=400, gap=-10_000)
    clock.transaction(held=-5_000)
    clock.transaction(held=10)
    assert sum(clock.pauses) < 1


def test_who_waits_asks_within_the_next_question() -> None:
    """SQLite's handler, played through: whenever he began to wait, he asks once in the pause."""
    asked, moments = 0, []
    for wait in (*ASKED_AFTER, *[100] * 20):
        asked += wait
        moments.append(asked * MILLISECOND)
    for held in range(STRETCH, 1_500_000, 7_000):
        for late in range(0, held, 11_000):  # he came so long after the stretch began
            waited = held - late
            assert any(waited <= moment < waited + next_question(held) for moment in moments), (held, late)
