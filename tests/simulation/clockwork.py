"""One clock and one set of dice for everything that happens in a run, and the crash that a process can't catch."""

from __future__ import annotations

from random import Random

MINUTE = 60_000_000
HOUR = 60 * MINUTE
START = 1_750_000_000_000_000
"""Microseconds since 1970 UTC."""


class Crash(BaseException):
    """The process is gone, as after kill -9; no `except Exception` sees it."""

    def __init__(self, place: str, *, power: bool = False) -> None:
        super().__init__(place)
        self.place = place
        self.power = power
        """The whole machine went: what was not durable is gone too."""


class Clockwork:
    """Simulated time and the dice. `dice` decides what happens; `random` are the bytes that the nodes ask for."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self._bytes = Random(seed ^ 0x5EED)
        self.time = START

    def now(self) -> int:
        return self.time

    def random(self, count: int) -> bytes:
        return self._bytes.randbytes(count)

    def pass_time(self, microseconds: int) -> None:
        self.time += microseconds

    def julian_day(self, skew: int = 0) -> float:
        """For the triggers, which ask SQLite for the time. `skew`: microseconds by which a clock is wrong."""
        return (self.time + skew) / 86_400_000_000 + 2_440_587.5

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability
