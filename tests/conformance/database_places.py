"""Databases that the conformance suite runs against; each brings a second connection that plays the application."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from replicator.databases import Database, open_database
from replicator.databases.base import Change
from replicator.runtime import Runtime
from replicator.types import Table


class NodePlace:
    """A node's database, and what is done with it here as operations do it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tables: dict[int, Table] = {}

    def replicate(self, *names: str) -> list[Table]:
        """Take tables into replication, as `table add` does."""
        with self.database.transaction() as connection:
            for name in names:
                definition = self.database.inspect(connection, name)
                table = Table(len(self.tables) + 1, definition.name, definition)
                self.database.install_capture(connection, table)
                self.tables[table.id] = table
        return list(self.tables.values())

    def collect(self) -> list[Change]:
        with self.database.transaction() as connection:
            found = [change for chunk in self.database.read_outbox(connection, self.tables) for change in chunk]
            self.database.clear_outbox(connection)
            assert self.database.outbox_is_empty(connection)
        return found


class SqlitePlace(NodePlace):
    """A node's SQLite file and an application that writes to it with its own connection and settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "business data.db"
        super().__init__(self.open())
        self.database.prepare()
        self.reconnect()

    def reconnect(self) -> None:
        """The application opens the database."""
        self.application = sqlite3.connect(self.path, isolation_level=None)
        self.application.execute("PRAGMA foreign_keys = ON")

    def open(self) -> Database:
        return open_database(f"sqlite:///{self.path}", Runtime())

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.application.execute(sql, parameters).fetchall()

    def make(self, *statements: str) -> None:
        for statement in statements:
            self.application.execute(statement)

    def close(self) -> None:
        self.application.close()
        self.database.close()


def told(changes: Sequence[Change]) -> list[tuple[Any, ...]]:
    """Changes without what differs from run to run."""
    return [(change.operation.value, change.image, change.mask, change.before) for change in changes]


def fail_after(step: Callable[..., None], *arguments: Any) -> None:
    """Do the step, then fail, as a program error in the middle of a transaction would."""
    step(*arguments)
    raise ZeroDivisionError


def exact(value: Any) -> tuple[str, str]:
    """Equal for two values exactly when they are the same bit for bit."""
    return type(value).__name__, repr(value)


CUSTOMERS = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, note TEXT)"
ANYTHING = "CREATE TABLE anything (id INTEGER PRIMARY KEY, a, b NUMERIC, c TEXT, d REAL, e BLOB, f INTEGER)"
AWKWARD: list[Any] = [
    *(0.1 + 0.2, -0.0, 0.0, 1.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, 2.0**63, 9007199254740993.0),
    *(1, 0, -(2**63), 2**63 - 1, 9007199254740993),
    *("", "a\0b", "ä€😀", "1", "1.0", "-0.0", "\udcff\udc80 a", " x "),
    *(b"", b"\0", b"\xff", b"1"),
    None,
]
"""Values of which some program loses a bit."""
