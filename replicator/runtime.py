"""The outside that the simulation must own: clock, dice and the moments at which a process may die.

Production code never asks `time`, `os.urandom` or `random` itself; it is handed a `Runtime`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


def _now() -> int:
    return time.time_ns() // 1000


def _nothing(_place: str) -> None:
    """A crash point, outside the simulation."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """`now` gives microseconds since 1970 UTC; `random(n)` n random bytes; `reached(place)` marks a crash point;
    `pause(seconds)` sleeps.

    Crash points are named 'commit:before', 'commit:after', 'mail:before', 'mail:after', 'delete:before',
    'delete:after', 'move:before', 'move:after', 'side:before', 'side:after', 'spool:before', 'spool:after'.
    """

    now: Callable[[], int] = _now
    random: Callable[[int], bytes] = os.urandom
    reached: Callable[[str], None] = _nothing
    pause: Callable[[float], None] = time.sleep
