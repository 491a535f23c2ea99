"""When a lasting run (--every) begins because the application has written.

What it writes is to be with the others within seconds, but a busy application must not cause a run, and a mail, for
every transaction. So the first run comes soon, and while the writing goes on each further one comes later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

LOOK_SECONDS = 1.0
"""How often is looked whether the application has written."""


class Pace:
    """How far apart runs are that the application's writing causes. Times are seconds of one `clock`.

    `settle` seconds after it wrote the first run comes. While it goes on, the distance doubles from run to run, up to
    `busy` seconds; after `busy` seconds in which it wrote nothing it begins anew. So in the long run there is at most
    one such run in `busy` seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._ended = -float("inf")
        self._distance = 0.0

    def ran(self) -> None:
        """A run, whatever caused it, has ended just now."""
        self._ended = self.clock()

    def due(self, settle: float, busy: float) -> float:
        """The application was just now noticed to have written, for the first time since the last run: when the next
        one is due."""
        noticed = self.clock()
        quiet = noticed - self._ended
        self._distance = settle if quiet >= busy else min(max(2 * self._distance, settle), max(busy, settle))
        return max(noticed + settle, self._ended + self._distance)


class Written(Event):
    """Set when `stop` is, or when a run is due since the application has written.

    It is a waiting mailbox that asks, again and again, as it asks whether it is to stop; there is no further thread.
    """

    def __init__(self, stop: Event, captured: Callable[[], bool], pace: Pace, settle: float, busy: float) -> None:
        super().__init__()
        self._stop = stop
        self._captured = captured
        self._pace = pace
        self._limits = (settle, busy)
        self._due: float | None = None

    def is_set(self) -> bool:
        return super().is_set() or self._stop.is_set() or self._is_due()

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else self._pace.clock() + timeout
        while not self.is_set():
            left = LOOK_SECONDS if end is None else min(LOOK_SECONDS, end - self._pace.clock())
            if left <= 0:
                return False
            self._stop.wait(left)
        return True

    def _is_due(self) -> bool:
        if self._due is None and self._captured():
            self._due = self._pace.due(*self._limits)
        return self._due is not None and self._pace.clock() >= self._due
