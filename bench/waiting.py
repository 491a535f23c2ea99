"""How long an application waits that writes every 20 ms while runs go on.

What counts is the longest wait of all repetitions. A computer that is busy with other things makes it longer.
Announced reloads (a rule is widened, a station's first load) are one transaction and not meant.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from bench import data
from bench.application import at_work
from bench.measuring import Figure, Size
from bench.places import HOST, Places

LIMIT = 500
"""Milliseconds."""
STATION = "koeln"
CLICKS = "CREATE TABLE clicks (id INTEGER PRIMARY KEY, at REAL);"


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    where = folder / "waiting"
    longest: dict[str, float] = {}
    for repetition in range(min(size.repetitions, 3)):
        for name, wait in _waits(where, size.waiting_changes, tell):
            longest[name] = max(longest.get(name, 0.0), wait)
        tell(f"waiting: repetition {repetition + 1} is done")
    return [Figure(f"waiting, {name}", wait * 1e3, None, LIMIT, "ms") for name, wait in longest.items()]


def _waits(where: Path, changes: int, tell: Callable[[str], None]) -> Iterator[tuple[str, float]]:
    """(what goes on, seconds that the longest write took)."""
    places = Places(where, data.CUSTOMERS + CLICKS, ["customers", "clicks"], [STATION])
    rows = data.customers(0, 1)
    # These stood there before any station came.
    places.write(HOST, lambda raw: raw.executemany(data.INSERT_CUSTOMER, data.take(rows, changes)))
    tell("waiting: an initial load at the host")
    yield "the host prepares an initial load", _longest(places, HOST)
    places.enrol(STATION)
    places.rest(STATION, HOST)
    for source, target, what in ((HOST, STATION, "a station applies"), (STATION, HOST, "the host judges")):
        tell(f"waiting: {what}")
        for part in range(10):
            # A day's runs, whose mails the other side takes in one run of its own.
            taken = data.take(rows, changes // 10)
            places.write(source, lambda raw, taken=taken: raw.executemany(data.INSERT_CUSTOMER, taken))
            if part < 9:
                places.run(source)
        yield f"{'the host' if source == HOST else 'a station'} collects", _longest(places, source)
        yield what, _longest(places, target)
        places.rest(source, target)
    shutil.rmtree(where)


def _longest(places: Places, node: str) -> float:
    """Seconds that the longest write of the application took during one run."""
    with clicking(places.database(node)) as waits:
        places.run(node)
    return max(waits)


def clicking(database: Path) -> AbstractContextManager[list[float]]:
    """An application at work on this SQLite database, which has the table of CLICKS."""
    return at_work(lambda: _connect(database), _click, database.with_suffix(".waits"))


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    # Its own waiting for the disk is not what is measured.
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _click(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO clicks VALUES (?, ?)", (time.time_ns(), number))
    connection.execute("COMMIT")
