"""Letting other writers in between our transactions.

Who finds an SQLite database locked asks again and again, at the waits below, and gets no place in a queue: a run of
short transactions with nothing between them keeps him out as one long transaction would, until his patience is over.
So after a stretch of them we wait until everybody who waits has asked once more.
"""

from __future__ import annotations

from replicator.runtime import Runtime

ASKED_AFTER = (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100)
"""Milliseconds between two questions, as SQLite's busy handler waits (main.c, sqliteDefaultBusyCallback); the last one
again and again."""

STRETCH = 150_000
"""Microseconds that our transactions may follow each other; a longer one is a stretch of its own."""


class GivingWay:
    """Told of each write transaction's beginning and end; times are microseconds of the runtime's clock."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._began = 0
        """When the stretch of transactions began; 0: before any."""
        self._ended = 0

    def before(self) -> None:
        """A write transaction is about to begin: wait if others have to be let in first."""
        now = self._runtime.now()
        held = self._ended - self._began
        wanted = next_question(held)
        if not self._began or held < 0 or not 0 <= now - self._ended < wanted:
            self._began = now  # the first one, or the pause was long enough by itself
        elif held >= STRETCH:
            self._runtime.pause((wanted - (now - self._ended)) / 1_000_000)
            self._began = self._runtime.now()

    def after(self) -> None:
        """It has ended."""
        self._ended = self._runtime.now()


def next_question(held: int) -> int:
    """How long it takes at most until one who has waited for `held` microseconds asks again, in microseconds."""
    asked, longest = 0, ASKED_AFTER[0]
    for wait in ASKED_AFTER:
        longest = wait
        asked += wait
        if asked * 1000 > held:
            break
    return longest * 1000 + 3000  # and a little, to be scheduled
