"""An application that writes on its own connection, with real transactions, and knows nothing of the replicator."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

from tests.simulation.clockwork import Clockwork
from tests.simulation.ledger import Write, difference
from tests.simulation.schema import SPECS, Content, RowKey, read_all

NAMES = [f"n{number}" for number in range(8)]
CODES = [f"c{number}" for number in range(5)]
_KEYS = {name: f"SELECT {', '.join(spec.key)} FROM {name}" for name, spec in SPECS.items()}


class Application:
    """One node's application. `open` is true while it holds a transaction open over several steps."""

    def __init__(
        self, node: str, path: Path, clockwork: Clockwork, unique: Callable[[], int], skew: Callable[[], int]
    ) -> None:
        self.node, self._path, self._clockwork, self.unique, self._skew = node, path, clockwork, unique, skew
        self.dice: Random = clockwork.dice
        self.open = False
        self._numbers = count(1)
        self._before: Content = {}
        self._made: Counter[tuple[str, RowKey]] = Counter()
        self._tables: set[str] = set()
        self.busy_with: list[str] = list(DEEDS)
        """Tables that this application writes to."""
        self.raw = self._connect()
        self.recursive = False
        self._reader: sqlite3.Connection | None = None
        self._read: Content = {}
        self._read_tables: set[str] = set()

    def _connect(self) -> sqlite3.Connection:
        raw = sqlite3.connect(self._path, timeout=0, isolation_level=None, cached_statements=256)
        raw.execute("PRAGMA foreign_keys = ON")
        raw.create_function("julianday", -1, lambda *_: self._clockwork.julian_day(self._skew()))
        return raw

    def use_recursive_triggers(self) -> None:
        self.recursive = True
        self.raw.execute("PRAGMA recursive_triggers = ON")

    def disconnect(self) -> None:
        self.stop_reading()
        self.raw.close()
        self.open = False

    def reconnect(self) -> None:
        self.raw = self._connect()
        self._tables = set()
        if self.recursive:
            self.use_recursive_triggers()

    def tables(self) -> set[str]:
        """Tables of the application that are there: at a new station the replicator makes them, as its rules say."""
        if len(self._tables) < len(SPECS):
            found = self.raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            self._tables = {name for (name,) in found if name in SPECS}
        return self._tables

    def content(self) -> Content:
        return read_all(self.raw, self.tables())

    # --- transactions -------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """False: somebody else is writing."""
        try:
            self.raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise
        self.open = True
        self._before, self._made = self.content(), Counter()
        return True

    def do(self, deed: Callable[[Application], None]) -> None:
        """One deed in the open transaction; one that a key or a check forbids is left out."""
        before, made = self._present(), self._made.copy()
        self.raw.execute("SAVEPOINT deed")
        try:
            deed(self)
        except sqlite3.IntegrityError:
            self.raw.execute("ROLLBACK TO deed")
            self._made = made
            return
        finally:
            self.raw.execute("RELEASE deed")
        self._made.update(self._present() - before)

    def work(self, statements: int) -> None:
        """Some changes in the open transaction."""
        there = self.tables()
        writable = [table for table in self.busy_with if table in there and (table != "item" or "cust" in there)]
        deeds = [deed for table in writable for deed in DEEDS[table]]
        for _ in range(statements if deeds else 0):
            self.do(self.dice.choice(deeds))

    def commit(self) -> list[Write]:
        """What was written, in effect."""
        after = self.content()
        try:
            self.raw.execute("COMMIT")
        except sqlite3.IntegrityError:
            self.raw.execute("ROLLBACK")
            after, self._made = self._before, Counter()
        self.open = False
        return difference(self.node, next(self._numbers), self._before, after, self._made)

    def rollback(self) -> None:
        self.raw.execute("ROLLBACK")
        self.open = False

    # --- a report that reads for long ---------------------------------------------------------------------------

    @property
    def reads(self) -> bool:
        return self._reader is not None

    def start_reading(self) -> None:
        """A transaction that only reads, over many runs of the replicator."""
        self._reader = self._connect()
        self._reader.execute("BEGIN")
        self._read_tables = set(self.tables())
        self._read = read_all(self._reader, self._read_tables)

    def stop_reading(self) -> bool:
        """Whether it saw the same at the end as in the beginning."""
        if self._reader is None:
            return True
        same = repr(read_all(self._reader, self._read_tables)) == repr(self._read)
        self._reader.close()
        self._reader = None
        return same

    # --- deeds --------------------------------------------------------------------------------------------------

    def _present(self) -> set[tuple[str, RowKey]]:
        return {(name, key) for name in self.tables() for key in self.raw.execute(_KEYS[name]).fetchall()}

    def _keys(self, table: str) -> list[RowKey]:
        columns = ", ".join(SPECS[table].key)
        return list(self.raw.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall())

    def _some(self, table: str) -> RowKey | None:
        keys = self._keys(table)
        return self.dice.choice(keys) if keys else None

    def _code(self) -> str | None:
        return self.dice.choice([None, None, *CODES])

    def new_customer(self) -> None:
        self.raw.execute(
            "INSERT INTO cust (id, name, code, x, y) VALUES (?, ?, ?, ?, ?)",
            (self.unique(), self.dice.choice(NAMES), self._code(), self.unique(), self.unique()),
        )

    def replace_customer(self) -> None:
        """Whoever has the name or code goes without a DELETE."""
        key = self._some("cust") if self.dice.random() < 0.5 else None
        number = self.unique() if key is None else key[0]
        self.raw.execute(
            "REPLACE INTO cust (id, name, code, x, y) VALUES (?, ?, ?, ?, ?)",
            (number, self.dice.choice(NAMES), self._code(), self.unique(), self.unique()),
        )
        self._made["cust", (number,)] += key is not None

    def upsert_customer(self) -> None:
        self.raw.execute(
            "INSERT INTO cust (id, name, x) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET x = excluded.x",
            (self.unique(), self.dice.choice(NAMES), self.unique()),
        )

    def change_customer(self) -> None:
        key = self._some("cust")
        if key is not None:
            columns = [column for column in ("x", "y") if self.dice.random() < 0.6] or ["x"]
            for column in columns:
                self.raw.execute(f"UPDATE cust SET {column} = ? WHERE id = ?", (self.unique(), *key))

    def rename_customer(self) -> None:
        key = self._some("cust")
        if key is not None:
            column, values = self.dice.choice([("name", NAMES), ("code", [None, *CODES])])
            self.raw.execute(f"UPDATE cust SET {column} = ? WHERE id = ?", (self.dice.choice(values), *key))

    def swap_names(self) -> None:
        keys = self._keys("cust")
        if len(keys) < 2:
            return
        (one,), (other,) = self.dice.sample(keys, 2)
        names = dict(self.raw.execute("SELECT id, name FROM cust WHERE id IN (?, ?)", (one, other)).fetchall())
        self.raw.execute("UPDATE cust SET name = ? WHERE id = ?", (f"swap{self.unique()}", one))
        self.raw.execute("UPDATE cust SET name = ? WHERE id = ?", (names[one], other))
        self.raw.execute("UPDATE cust SET name = ? WHERE id = ?", (names[other], one))

    def renumber_customer(self) -> None:
        """A primary key that changes, and its children's references with it."""
        key = self._some("cust")
        if key is not None:
            self.raw.execute("UPDATE cust SET id = ? WHERE id = ?", (self.unique(), *key))

    def delete_customer(self) -> None:
        key = self._some("cust")
        if key is not None:
            self.raw.execute("DELETE FROM cust WHERE id = ?", key)

    def new_item(self) -> None:
        parent = self._some("cust")
        if parent is not None:
            self.raw.execute("INSERT INTO item (id, cust, x) VALUES (?, ?, ?)", (self.unique(), *parent, self.unique()))

    def change_item(self) -> None:
        key = self._some("item")
        if key is not None:
            self.raw.execute("UPDATE item SET x = ? WHERE id = ?", (self.unique(), *key))

    def move_item(self) -> None:
        key, parent = self._some("item"), self._some("cust")
        if key is not None and parent is not None:
            self.raw.execute("UPDATE item SET cust = ?, x = ? WHERE id = ?", (*parent, self.unique(), *key))

    def delete_item(self) -> None:
        key = self._some("item")
        if key is not None:
            self.raw.execute("DELETE FROM item WHERE id = ?", key)

    def write_pair(self) -> None:
        who, value = f"{self.node}{self.dice.randint(0, 1)}", self.unique()
        for place in (0, 1):
            self.raw.execute(
                "INSERT INTO pair (node, place, v) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET v = excluded.v",
                (who, place, value),
            )

    def put_option(self) -> None:
        number = self.dice.randint(0, 3)
        columns = [column for column in ("x", "y") if self.dice.random() < 0.6] or ["x"]
        if self.raw.execute("SELECT 1 FROM opt WHERE id = ?", (number,)).fetchone() is None:
            self.raw.execute("INSERT INTO opt (id, x, y) VALUES (?, ?, ?)", (number, self.unique(), self.unique()))
        for column in columns:
            self.raw.execute(f"UPDATE opt SET {column} = ? WHERE id = ?", (self.unique(), number))

    def delete_option(self) -> None:
        self.raw.execute("DELETE FROM opt WHERE id = ?", (self.dice.randint(0, 3),))

    def remake_option(self) -> None:
        key = self._some("opt")
        if key is not None:
            self.raw.execute("DELETE FROM opt WHERE id = ?", key)
            self.raw.execute("INSERT INTO opt (id, x, y) VALUES (?, ?, ?)", (*key, self.unique(), self.unique()))
            self._made["opt", key] += 1

    def write_misc(self) -> None:
        number = self.unique()
        value = self.dice.choice([number, number + 0.5, f"t{number}", f"t\0{number}", b"\xff%d" % number, None])
        real = self.dice.choice([0.0, -0.0, 1e308 * 10, 0.1 + 0.2, None, 7])
        key = (self.dice.randint(0, 1), self.dice.choice("abc"))
        verb = self.dice.choice(["REPLACE", "INSERT OR IGNORE", "INSERT"])
        self.raw.execute(f"{verb} INTO misc (a, b, v, w) VALUES (?, ?, ?, ?)", (*key, value, real))
        self._made["misc", key] += verb == "REPLACE"

    def rekey_misc(self) -> None:
        key = self._some("misc")
        if key is not None:
            new = (self.dice.randint(0, 1), self.dice.choice("abc"))
            verb = self.dice.choice(["UPDATE", "UPDATE OR REPLACE"])
            self.raw.execute(f"{verb} misc SET a = ?, b = ?, v = ? WHERE a = ? AND b = ?", (*new, self.unique(), *key))
            self._made["misc", new] += verb == "UPDATE OR REPLACE"

    def delete_misc(self) -> None:
        key = self._some("misc")
        if key is not None:
            self.raw.execute("DELETE FROM misc WHERE a = ? AND b = ?", key)

    def write_stock(self) -> None:
        """y follows x: by the application's trigger where it is there, by hand where the replicator made the table."""
        number, value = self.dice.randint(1, 2), self.unique()
        self.raw.execute("INSERT OR IGNORE INTO stock (id, x, y) VALUES (?, ?, ?)", (number, value, value))
        value = self.unique()
        self.raw.execute("UPDATE stock SET x = ? WHERE id = ?", (value, number))
        self.raw.execute("UPDATE stock SET y = ? WHERE id = ? AND y IS NOT ?", (value, number, value))


DEEDS: dict[str, list[Callable[[Application], None]]] = {
    "cust": [
        *[Application.new_customer] * 3,
        *[Application.change_customer] * 4,
        *[Application.rename_customer] * 2,
        *[Application.delete_customer] * 2,
        Application.replace_customer,
        Application.upsert_customer,
        Application.swap_names,
        Application.renumber_customer,
    ],
    "item": [
        *[Application.new_item] * 2,
        Application.change_item,
        Application.move_item,
        Application.delete_item,
    ],
    "pair": [Application.write_pair] * 2,
    "opt": [*[Application.put_option] * 4, *[Application.delete_option] * 2, Application.remake_option],
    "misc": [*[Application.write_misc] * 2, Application.rekey_misc, Application.delete_misc],
    "stock": [Application.write_stock],
}
"""By table; as often as they are to happen."""
