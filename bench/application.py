"""An application at work while something goes on: a process of its own that writes a row every 20 ms.

What is measured is the database's lock and nothing of this process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAUSE = 0.02
_WRITES = 3


@contextmanager
def at_work(connect: Callable[[], Any], write: Callable[[Any, int], object], out: Path) -> Iterator[list[float]]:
    """Within, the application writes; what its writes took, in seconds, is in the list when it has been stopped.

    `connect` gives its connection, `write` does the n-th write with it, committed. `out`: a file for what it notes.
    """
    waits: list[float] = []
    out.write_text("")
    child = os.fork()
    if child == 0:
        _work(connect, write, out)
    try:
        _more_writes(out)
        yield waits
        # One more has to come to its end: the longest wait might be going on.
        _more_writes(out)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    waits += map(float, out.read_text().split("\n")[:-1])


def _work(connect: Callable[[], Any], write: Callable[[Any, int], object], out: Path) -> None:
    """Never returns: what the other process has open is not to be closed from here."""
    try:
        connection, number = connect(), 0
        with out.open("a", buffering=1) as file:
            while True:
                began = time.monotonic()
                write(connection, number)
                file.write(f"{time.monotonic() - began}\n")
                number += 1
                time.sleep(PAUSE)
    except BaseException as error:  # noqa: BLE001 - told, and the process ends
        print(f"the application: {error!r}", flush=True)
    finally:
        os._exit(1)


def _more_writes(out: Path) -> None:
    written = out.read_text().count("\n")
    while out.read_text().count("\n") < written + _WRITES:
        time.sleep(0.02)
