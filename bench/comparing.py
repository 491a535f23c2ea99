"""What it costs to compare equal tables: the CPU of both ends beside a bare read of both, and the bytes of all mails.

The baseline is the driver alone, which reads all rows into Python tuples. Ours is everything: runs of both with opening
and closing, sums, mails, acknowledgements.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

from bench import data
from bench.measuring import Figure, Size, cpu, figure_of, middle
from bench.places import HOST, Places

STATION = "koeln"
LIMIT = 3
MOST_BYTES = 20_000
BLOCK = 10_000
AT_A_TIME = 2000


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    where = folder / "comparing"
    tell(f"comparing: {size.memory_rows:,} rows at both ends")
    places = Places(where, data.CUSTOMERS, ["customers"], [STATION])
    places.write(HOST, lambda raw: _insert(raw, size.memory_rows))
    places.enrol(STATION)
    places.rest(HOST, STATION)
    pairs, mailed = [], []
    for repetition in range(size.repetitions):
        tell(f"comparing: repetition {repetition + 1} of {size.repetitions}")
        bare = cpu(lambda: [_read(places.database(node)) for node in (HOST, STATION)])
        places.compare(STATION)
        sent: list[int] = []
        pairs.append((cpu(lambda sent=sent: _exchange(places, sent)), bare))
        mailed.append(sum(sent))
        _require_equal(places)
    shutil.rmtree(where)
    rows = f"{size.memory_rows:,} equal rows"
    return [
        figure_of(f"comparing {rows}: CPU of both ends", pairs, LIMIT, "s"),
        Figure(f"comparing {rows}: all mails", middle([float(count) for count in mailed]), None, MOST_BYTES, "bytes"),
    ]


def _insert(raw: sqlite3.Connection, count: int) -> None:
    rows = data.customers(1)
    insert = data.insert("customers", data.CUSTOMER_COLUMNS)
    for start in range(0, count, BLOCK):
        raw.executemany(insert, islice(rows, min(BLOCK, count - start)))


def _read(database: Path) -> int:
    count = 0
    with closing(sqlite3.connect(database)) as raw:
        cursor = raw.execute("SELECT * FROM customers")
        while rows := cursor.fetchmany(AT_A_TIME):
            count += len(rows)
    return count


def _exchange(places: Places, sent: list[int]) -> None:
    """Sums down, answer up, and the acknowledgements."""
    for node, other in ((HOST, STATION), (STATION, HOST), (HOST, STATION), (STATION, HOST)):
        places.run(node)
        sent += places.mail_sizes(other)


def _require_equal(places: Places) -> None:
    with closing(sqlite3.connect(places.database(HOST))) as raw:
        (state,) = raw.execute("SELECT state FROM replicator_comparison ORDER BY id DESC LIMIT 1").fetchone()
        (found,) = raw.execute("SELECT count(*) FROM replicator_comparison_row").fetchone()
    if (state, found) != ("done", 0):
        raise AssertionError(f"the comparison is {state} and has {found} rows")
