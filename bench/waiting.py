"""How long an application waits that writes every 50 ms while runs go on.

The application is a process of its own, so that what is measured is the database's lock and nothing of this process.
What counts is the longest wait of all repetitions. A computer that is busy with other things makes it longer.
Announced reloads (a rule is widened, a station's first load) are one transaction and not meant.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import data
from bench.measuring import Figure, Size
from bench.places import HOST, Places

LIMIT = 500
"""Milliseconds."""
STATION = "koeln"
CLICKS = "CREATE TABLE clicks (id INTEGER PRIMARY KEY, at REAL);"

APPLICATION = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
# Its own waiting for the disk is not what is measured.
connection.execute("PRAGMA synchronous = OFF")
print("0", flush=True)
while True:
    start = time.monotonic()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO clicks VALUES (?, ?)", (time.time_ns(), start))
    connection.execute("COMMIT")
    print(time.monotonic() - start, flush=True)
    time.sleep(0.05)
"""


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
    with application(places.database(node)) as waits:
        places.run(node)
    return max(waits)


@contextlib.contextmanager
def application(database: Path) -> Iterator[list[float]]:
    """The application at work; what its writes took is there when it has been stopped."""
    waits: list[float] = []
    out = database.with_suffix(".waits")
    with out.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", APPLICATION, str(database)], stdout=file)
    try:
        _more_writes(out)
        yield waits
        # One more has to come to its end: the longest wait might be going on.
        _more_writes(out)
    finally:
        process.kill()
        process.wait()
    waits += map(float, out.read_text().split("\n")[1:-1])


def _more_writes(out: Path) -> None:
    written = out.read_text().count("\n")
    while out.read_text().count("\n") < written + 3:
        time.sleep(0.02)
