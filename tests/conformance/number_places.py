"""Places whose tables have number ranges, and sessions of applications that draw from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pymysql
import pytest
from each_database import Place

from replicator.protocol.numbers import HIGHEST, Block, NumberRange
from replicator.store import migrate, numbers
from replicator.types import Table

try:
    import psycopg

    REFUSALS: tuple[type[Exception], ...] = (sqlite3.IntegrityError, pymysql.err.MySQLError, psycopg.Error)
except ImportError:  # pragma: no cover - the driver is an extra
    REFUSALS = (sqlite3.IntegrityError, pymysql.err.MySQLError)

NOW = 1_764_000_000_000_000


@dataclass
class Numbered:
    """A place with one replicated table and one range on it."""

    place: Place
    table: Table
    known: NumberRange
    serial: int = field(default=0)

    def give(self, *blocks: tuple[int, int]) -> None:
        """Blocks, as the host grants them."""
        made = []
        for lowest, highest in blocks:
            self.serial += 1
            made.append((Block(lowest, highest, self.serial), lowest))
        with self.place.database.transaction() as connection:
            numbers.add_blocks(connection, self.known.id, made)

    def enforce(self, known: Sequence[NumberRange] | None = None) -> bool:
        with self.place.database.transaction() as connection:
            return self.place.database.enforce_numbers(connection, self.table, [self.known] if known is None else known)

    def left(self) -> int:
        with self.place.database.transaction(write=False) as connection:
            return numbers.left(connection, self.known.id)

    def refused(self, sql: str, words: str) -> None:
        with pytest.raises(REFUSALS) as error:
            self.place.run(sql)
        assert words in str(error.value)

    def all(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.place.run(f"SELECT {columns} FROM {self.table.name} ORDER BY 1")


def own_tables(place: Place) -> None:
    database = place.database
    with database.transaction() as connection, database.migrating(connection) as in_part:
        migrate.upgrade(connection, in_part=in_part)


def numbered(place: Place, definition: str, known: NumberRange) -> Numbered:
    """The table is made, replicated and numbered; no block is in hand yet."""
    own_tables(place)
    place.make(definition)
    name = definition.split()[2]
    (table,) = place.replicate(name)
    with place.database.transaction() as connection:
        numbers.insert_range(connection, known, name, HIGHEST, NOW)
    made = Numbered(place, table, known)
    assert made.enforce()
    assert not made.enforce(), "made again though nothing was different"
    return made
