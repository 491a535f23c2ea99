"""Are the databases equal? Asked of the files themselves, with plain SQL, past the replicator."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from replicator.demo.company import LATER_TABLES, TABLES
from replicator.demo.places import NOT_AT, Place


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds at one place."""

    rows: int
    digest: str
    """SHA-256 over all rows in the order of their keys: each value with its type, doubles to the last bit."""


@dataclass(frozen=True, slots=True)
class TableProof:
    table: str
    before: int
    """Rows before the day's work."""
    new: int
    deleted: int
    contents: Mapping[str, Content | None]
    """By place; None where the table is not there."""

    @property
    def adds_up(self) -> bool:
        """The head office has every row that was there or came, and none that went."""
        first = next(iter(self.contents.values()))
        return first is not None and first.rows == self.before + self.new - self.deleted

    @property
    def is_equal(self) -> bool:
        """Everywhere but where the rules send nothing of it: there it is empty."""
        wanted = {content for place, content in self.contents.items() if self.table not in NOT_AT.get(place, ())}
        kept_out = [content for place, content in self.contents.items() if self.table in NOT_AT.get(place, ())]
        return len(wanted) == 1 and None not in wanted and all(not content or not content.rows for content in kept_out)

    @property
    def holds(self) -> bool:
        return self.adds_up and self.is_equal


def contents(place: Place) -> dict[str, Content | None]:
    """Every table of the application as it stands at a place."""
    with closing(sqlite3.connect(place.database)) as connection:
        return {table: _content(connection, table) for table in (*TABLES, *LATER_TABLES)}


def _content(connection: sqlite3.Connection, table: str) -> Content | None:
    present = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(present, (table,)).fetchone() is None:
        return None
    digest, rows = hashlib.sha256(), 0
    for row in connection.execute(f"SELECT * FROM {table} ORDER BY id"):
        digest.update(f"{row!r}\n".encode("utf-8", "surrogateescape"))
        rows += 1
    return Content(rows, digest.hexdigest())


def prove(
    places: tuple[Place, ...], before: Mapping[str, int], new: Counter[str], deleted: Counter[str]
) -> list[TableProof]:
    """For each table, the head office first."""
    found = {place.name: contents(place) for place in places}
    return [
        TableProof(
            table,
            before[table],
            new[table],
            deleted[table],
            {name: tables[table] for name, tables in found.items()},
        )
        for table in (*TABLES, *LATER_TABLES)
    ]
