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
from bench.measuring import Figure, Size, Spent, both, figure_of, middle
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, Site, fill, missing, started

STATION = "koeln"
LIMIT = 3
MOST_BYTES = 20_000
BLOCK = 10_000
AT_A_TIME = 2000


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figures of a server that is missing: then it says so."""
    figures = _on_sqlite(folder / "comparing", size, tell)
    for kind in (POSTGRESQL, MARIADB):
        if (reason := missing(kind)) is not None:
            tell(f"comparing: left out, {reason}")
            continue
        figures += _on_server(folder / "comparing", kind, size, tell)
    return figures


def _on_sqlite(where: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    places = Places(where, data.CUSTOMERS, ["customers"], [STATION])
    places.write(HOST, lambda raw: _insert(raw, size.memory_rows))
    return _compared(places, "SQLite", size, tell, lambda: [_read(places.database(node)) for node in (HOST, STATION)])


def _on_server(where: Path, kind: str, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """Both ends have a database of their own on one server."""
    rows = size.memory_rows
    with started(kind) as new_site:
        sites = {HOST: new_site(), STATION: new_site()}
        sites[HOST].make(data.CUSTOMERS)
        fill(sites[HOST], rows)
        places = Places(where, "", ["customers"], [STATION], sites)
        found = _compared(places, kind, size, tell, lambda: [_fetch(site, rows) for site in sites.values()])
        for site in sites.values():
            site.close()
    return found


def _compared(
    places: Places, kind: str, size: Size, tell: Callable[[str], None], read: Callable[[], object]
) -> list[Figure]:
    """CPU of our processes and the drivers', and the time by the clock, in which a server works as well."""
    tell(f"comparing: {size.memory_rows:,} rows at both ends, on {kind}")
    places.enrol(STATION)
    places.rest(HOST, STATION)
    ours: list[Spent] = []
    bare: list[Spent] = []
    mailed = []
    for repetition in range(size.repetitions):
        tell(f"comparing: on {kind}, repetition {repetition + 1} of {size.repetitions}")
        bare.append(both(read))
        places.compare(STATION)
        sent: list[int] = []
        ours.append(both(lambda sent=sent: _exchange(places, sent)))
        mailed.append(sum(sent))
        if (outcome := places.compared()) != ("done", 0):
            raise RuntimeError(f"the comparison is {outcome}")
    shutil.rmtree(places.folder)
    rows = f"{size.memory_rows:,} equal rows on {kind}"
    return [
        figure_of(f"comparing {rows}: CPU of both ends", _pairs(ours, bare, "cpu"), LIMIT, "s"),
        figure_of(f"comparing {rows}: time", _pairs(ours, bare, "wall"), LIMIT, "s"),
        Figure(f"comparing {rows}: all mails", middle([float(count) for count in mailed]), None, MOST_BYTES, "bytes"),
    ]


def _pairs(ours: list[Spent], bare: list[Spent], which: str) -> list[tuple[float, float]]:
    return [(getattr(one, which), getattr(other, which)) for one, other in zip(ours, bare, strict=True)]


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


def _fetch(site: Site, rows: int) -> int:
    count = 0
    for start in range(0, rows, BLOCK):
        count += len(site.fetch(f"SELECT * FROM customers WHERE id > {start} AND id <= {start + BLOCK}"))
    return count
