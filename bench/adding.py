"""How long an application waits that writes to a large table while `table add` takes it in.

A base of the table is kept then, which reads all its rows. What counts is the longest wait of all repetitions.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from bench import data
from bench.application import at_work
from bench.measuring import Figure, Size, wall
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, fill, missing, started

LIMIT = 500
"""Milliseconds."""
BLOCK = 10_000
SMALL = "CREATE TABLE small (id INTEGER PRIMARY KEY);"


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figure of a server that is missing: then it says so."""
    rows, times = size.memory_rows, min(size.repetitions, 3)
    figures = _figures("SQLite", rows, [_on_sqlite(folder / "adding", rows, tell) for _ in range(times)])
    for kind in (POSTGRESQL, MARIADB):
        if (reason := missing(kind)) is not None:
            tell(f"adding: left out, {reason}")
            continue
        figures += _figures(kind, rows, [_on_server(folder / "adding", kind, rows, tell) for _ in range(times)])
    return figures


def _figures(kind: str, rows: int, found: list[tuple[float, float]]) -> list[Figure]:
    """Of (seconds that the longest write took, seconds that all took)."""
    name = f"a table of {rows:,} rows is added on {kind}"
    longest, whole = (max(times) for times in zip(*found, strict=True))
    return [
        Figure(f"{name}: the longest write", longest * 1e3, None, LIMIT, "ms"),
        Figure(f"{name}: time", whole, None, None, "s"),
    ]


def _on_sqlite(where: Path, rows: int, tell: Callable[[str], None]) -> tuple[float, float]:
    tell(f"adding: {rows:,} rows on SQLite")
    places = Places(where, data.CUSTOMERS + SMALL, ["small"], [])
    database = places.database(HOST)
    customers = data.customers(1)
    with closing(sqlite3.connect(database)) as raw:
        for start in range(0, rows, BLOCK):
            raw.executemany(data.INSERT_CUSTOMER, islice(customers, min(BLOCK, rows - start)))
        raw.commit()
    return _added(places, lambda: sqlite3.connect(database, timeout=60, isolation_level=None))


def _on_server(where: Path, kind: str, rows: int, tell: Callable[[str], None]) -> tuple[float, float]:
    tell(f"adding: {rows:,} rows on {kind}")
    with started(kind) as new_site:
        site = new_site()
        site.make(data.CUSTOMERS + SMALL)
        places = Places(where, "", ["small"], [], {HOST: site})
        fill(site, rows)
        site.rest()
        site.flush()
        return _added(places, site.connect)


def _added(places: Places, connect: Callable[[], Any]) -> tuple[float, float]:
    with at_work(connect, _write, places.folder / "waits") as waits:
        whole = wall(lambda: places.add("customers"))
    shutil.rmtree(places.folder)
    return max(waits), whole


def _write(connection: Any, number: int) -> None:
    connection.cursor().execute(f"UPDATE customers SET city = 'Ulm' WHERE id = {1 + number % 40}")
