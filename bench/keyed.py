"""The whole way again, for tables that hang together: a unique e-mail address, order items that refer to customers.

No limit is set here; it is measured because such tables are the rule. Each changed row's unique values and parents are
looked up before it may stand, at the host and at the station. The baseline has the same indexes, and checks nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import data
from bench.flow import WAYS
from bench.measuring import Figure, Size, cpu, figure_of
from bench.places import HOST, Places

STATION = "koeln"
SCHEMA = data.CUSTOMERS.replace("email TEXT", "email TEXT UNIQUE") + data.ITEMS.replace(
    "order_id INTEGER NOT NULL", "order_id INTEGER NOT NULL REFERENCES customers"
)
ITEMS_EACH = 2
"""Order items for each customer: a third of the changed rows are customers."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Inserts of both tables, then an update of every row. Rows of one node have their keys behind `first`."""

    customers: list[data.Row]
    items: list[data.Row]
    first: int

    @classmethod
    def make(cls, first: int, changes: int) -> _Work:
        count = max(1, changes // (2 + 2 * ITEMS_EACH))
        customers = data.take(data.customers(first, first), count)
        items = data.take(data.order_items(first, first), count * ITEMS_EACH)
        return cls(customers, [(row[0], first + place % count, *row[2:]) for place, row in enumerate(items)], first)

    @property
    def changes(self) -> int:
        return 2 * (len(self.customers) + len(self.items))

    def write(self, raw: sqlite3.Connection) -> None:
        raw.executemany(data.INSERT_CUSTOMER, self.customers)
        raw.executemany(data.INSERT_ITEM, self.items)
        raw.executemany(data.UPDATE_CUSTOMER, data.customer_updates(1, self.first, len(self.customers)))
        raw.executemany(data.UPDATE_ITEM, data.item_updates(1, self.first, len(self.items)))

    def bare(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute("PRAGMA journal_mode = WAL")
            raw.executescript(SCHEMA)
            raw.execute("BEGIN")
            for _ in ("inserts", "updates"):
                self._upsert(raw, "customers", data.CUSTOMER_COLUMNS, self.customers)
                self._upsert(raw, "order_items", data.ITEM_COLUMNS, self.items)
            raw.execute("COMMIT")

    @staticmethod
    def _upsert(raw: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Iterable[data.Row]) -> None:
        raw.executemany(data.upsert(table, columns), rows)


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    pairs: dict[str, list[tuple[float, float]]] = {way.name: [] for way in WAYS}
    works = {HOST: _Work.make(1, size.changes), STATION: _Work.make(10_000_000, size.changes)}
    where = folder / "keyed"
    for repetition in range(size.repetitions):
        tell(f"keyed: repetition {repetition + 1} of {size.repetitions}")
        places = Places(where, SCHEMA, ["customers", "order_items"], [STATION])
        places.enrol(STATION)
        places.rest(HOST, STATION)
        for way in WAYS:
            work = works[way.source]
            exchange = partial(places.exchange, way.source, way.target)
            bare = cpu(partial(work.bare, where / "bare.db"))
            idle = cpu(exchange)
            places.write(way.source, work.write)
            spent = cpu(exchange)
            pairs[way.name].append((spent - idle, bare))
            if places.content(HOST, "order_items") != places.content(STATION, "order_items"):
                raise RuntimeError(f"{way.name}: the databases differ")
            places.rest(way.source, way.target)
        shutil.rmtree(where)
    scale = 1e6 / works[HOST].changes
    return [figure_of(f"keyed, {name}: CPU a change", found, None, "µs", scale) for name, found in pairs.items()]
