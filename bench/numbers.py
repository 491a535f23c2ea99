"""What it costs to have a number filled in: inserts that leave it empty against inserts that give it, both captured.

What is given goes into a table with a range as well, where it is looked at and taken out of its block (the limit), and
into one without, which knows nothing of numbers. CPU on SQLite, where the application does the work, else time by the
clock at the client. All commits are durable.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from itertools import count
from pathlib import Path

from bench.capture import Pairs
from bench.data import Row, Work
from bench.measuring import Figure, Size, cpu, figure_of, wall
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, NewSite, Site, missing, started
from replicator.operations.numbers_admin import Wish, set_numbers
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home

SQLITE = "SQLite"
SINGLE, BULK = "one-row transactions", "many rows in one transaction"
WITH_RANGE, WITHOUT_RANGE = "given to a range", "given without a range"
AGAINST = {WITH_RANGE: 2, WITHOUT_RANGE: None}
"""The baselines, and their limits."""
TURN = 50
"""Transactions in a turn: a disk has its moods."""

TABLE = "invoices"
COLUMNS = ("id", "number", "customer", "issued", "net", "note")
SCHEMA = """
CREATE TABLE invoices (id INTEGER PRIMARY KEY, number INTEGER UNIQUE, customer INTEGER NOT NULL, issued DATE NOT NULL,
  net NUMERIC(12, 2) NOT NULL, note TEXT);
"""


class _Till(ABC):
    """An application at one database. It gives the number, or leaves it empty."""

    @abstractmethod
    def each(self, rows: Sequence[Row]) -> None:
        """A transaction for each row."""

    @abstractmethod
    def together(self, rows: list[Row]) -> Callable[[], object]:
        """What then inserts all rows in one transaction."""

    @abstractmethod
    def empty(self) -> None: ...


class _FileTill(_Till):
    def __init__(self, path: Path) -> None:
        self._raw = sqlite3.connect(path, isolation_level=None)
        self._insert = f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(COLUMNS))})"

    def each(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._raw.execute(self._insert, row)

    def together(self, rows: list[Row]) -> Callable[[], object]:
        def insert() -> None:
            self._raw.execute("BEGIN")
            self._raw.executemany(self._insert, rows)
            self._raw.execute("COMMIT")

        return insert

    def empty(self) -> None:
        for table in (TABLE, "replicator_outbox"):
            self._raw.execute(f"DELETE FROM {table}")
        self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._raw.close()


class _ServerTill(_Till):
    def __init__(self, site: Site) -> None:
        self._site = site

    def each(self, rows: Sequence[Row]) -> None:
        self._site.insert_each(_work(rows), rows)

    def together(self, rows: list[Row]) -> Callable[[], object]:
        statements = self._site.statements(_work(rows))
        return lambda: self._site.send(statements)

    def empty(self) -> None:
        self._site.empty(TABLE)
        self._site.rest()

    def close(self) -> None:
        self._site.close()


def _work(rows: Sequence[Row]) -> Work:
    return Work(TABLE, COLUMNS, (), list(rows), [])


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figures of a server that is missing: then it says so."""
    found = []
    for kind in (SQLITE, POSTGRESQL, MARIADB):
        if kind != SQLITE and (reason := missing(kind)) is not None:
            tell(f"numbers: left out, {reason}")
            continue
        with nullcontext() if kind == SQLITE else started(kind) as new_site:
            found += _measure(folder / "numbers", kind, new_site, size, tell)
    return found


def _measure(
    folder: Path, kind: str, new_site: NewSite | None, size: Size, tell: Callable[[str], None]
) -> list[Figure]:
    times: dict[tuple[str, str], Pairs] = {(what, against): [] for against in AGAINST for what in (SINGLE, BULK)}
    with ExitStack() as stack:
        filled, *given = (stack.enter_context(closing(_open(folder / name, new_site))) for name in ("filled", *AGAINST))
        for name in ("filled", WITH_RANGE):
            _number(folder / name)
        counter = count(1)
        for repetition in range(size.repetitions):
            tell(f"numbers: {kind}, repetition {repetition + 1} of {size.repetitions}")
            for against, till in zip(AGAINST, given, strict=True):
                numbers = counter if against == WITH_RANGE else count(1)
                single = _one_by_one(filled, till, size.server_transactions, kind == SQLITE, numbers)
                times[SINGLE, against].append(single)
                bulk = _together(filled, till, size.capture_rows, kind == SQLITE, repetition, numbers)
                times[BULK, against].append(bulk)
    shutil.rmtree(folder)
    writes = {SINGLE: size.server_transactions, BULK: size.capture_rows}
    return [
        figure_of(f"numbers on {kind}, {what}, {against}", pairs, AGAINST[against], "µs", 1e6 / writes[what])
        for (what, against), pairs in times.items()
    ]


def _open(folder: Path, new_site: NewSite | None) -> _FileTill | _ServerTill:
    """A host with capture, and an application at its database."""
    if new_site is None:
        return _FileTill(Places(folder, SCHEMA, [TABLE]).database(HOST))
    site = new_site()
    site.make(SCHEMA)
    Places(folder, SCHEMA, [TABLE], sites={HOST: site})
    return _ServerTill(site)


def _number(folder: Path) -> None:
    """From now on this host fills the number in."""
    runtime = Runtime()
    with open_node(Home(folder / HOST, Files(runtime)), runtime) as node, node.unit() as unit:
        name = unit.state.name
    with open_node(Home(folder / HOST, Files(runtime)), runtime) as node:
        set_numbers(node, name, TABLE, "number", Wish(block=10**9))


def _rows(first: int, last: int, numbers: Iterator[int] | None) -> list[Row]:
    """With these numbers, or without any."""
    return [
        (
            key,
            None if numbers is None else next(numbers),
            1 + key % 500,
            f"2026-11-{1 + key % 28:02}",
            key % 90_000 / 100,
            None,
        )
        for key in range(first, last + 1)
    ]


def _one_by_one(filled: _Till, given: _Till, many: int, is_ours: bool, numbers: Iterator[int]) -> tuple[float, float]:
    spent = {filled: 0.0, given: 0.0}
    clock = time.process_time if is_ours else time.monotonic
    for till in spent:
        till.empty()
    for start in range(0, many, TURN):
        for till in (filled, given) if start // TURN % 2 else (given, filled):
            rows = _rows(start + 1, start + TURN, None if till is filled else numbers)
            began = clock()
            till.each(rows)
            spent[till] += clock() - began
    return spent[filled], spent[given]


def _together(
    filled: _Till, given: _Till, many: int, is_ours: bool, repetition: int, numbers: Iterator[int]
) -> tuple[float, float]:
    spent = {}
    # Whoever comes second finds some things warm.
    for till in (filled, given) if repetition % 2 else (given, filled):
        till.empty()
        insert = till.together(_rows(1, many, None if till is filled else numbers))
        spent[till] = (cpu if is_ours else wall)(insert)
    return spent[filled], spent[given]
