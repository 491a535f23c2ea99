"""The whole way from a host on PostgreSQL or MariaDB to a station on SQLite, against that from SQLite to SQLite.

The same changes as in `flow`: half inserts, half updates of two columns. CPU of our own processes, both runs, less that
of idle runs: what the server does meanwhile is its own.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import data
from bench.data import Work
from bench.measuring import Figure, Size, cpu, figure_of
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, NewSite, missing, started

LIMITS = {POSTGRESQL: 1.5, MARIADB: 2}
STATION = "koeln"


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figure of a server that is missing: then it says so."""
    work = data.customer_work(size.changes // 2)
    times: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        servers: dict[str, NewSite] = {}
        for kind in LIMITS:
            if (reason := missing(kind)) is not None:
                tell(f"mixed: left out, {reason}")
                continue
            servers[kind] = stack.enter_context(started(kind))
            times[kind] = []
        for repetition in range(size.repetitions if servers else 0):
            tell(f"mixed: repetition {repetition + 1} of {size.repetitions}")
            bare = _from_sqlite(folder / "mixed", work)
            for kind, new_site in servers.items():
                times[kind].append((_from_server(folder / "mixed", work, new_site), bare))
    return [
        figure_of(f"mixed, {kind} → SQLite: CPU a change", pairs, LIMITS[kind], "µs", 1e6 / size.changes)
        for kind, pairs in times.items()
    ]


def _from_sqlite(folder: Path, work: Work) -> float:
    places = Places(folder, data.CUSTOMERS, [work.table], [STATION])

    def write(raw: sqlite3.Connection) -> None:
        raw.executemany(data.INSERT_CUSTOMER, work.rows)
        raw.executemany(data.UPDATE_CUSTOMER, work.updates)

    return _travel(places, work, lambda: places.write(HOST, write))


def _from_server(folder: Path, work: Work, new_site: NewSite) -> float:
    site = new_site()
    site.make(data.CUSTOMERS)
    site.ready(work)
    places = Places(folder, data.CUSTOMERS, [work.table], [STATION], {HOST: site})
    spent = _travel(places, work, lambda: site.write(work))
    site.close()
    return spent


def _travel(places: Places, work: Work, write: Callable[[], None]) -> float:
    """CPU seconds of both runs, less idle ones."""
    places.enrol(STATION)
    places.rest(HOST, STATION)
    idle = cpu(lambda: places.exchange(HOST, STATION))
    write()
    spent = cpu(lambda: places.exchange(HOST, STATION))
    if places.content(HOST, work.table) != places.content(STATION, work.table):
        raise RuntimeError("the databases differ")
    shutil.rmtree(places.folder)
    return spent - idle
