"""Rows that a station has named in a comparison, and what was found of them (protocol.md 7.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.store import sql, tables
from replicator.types import Key


class Finding(StrEnum):
    CHANGED = "C"
    """Both ends have the row, and it differs."""
    MISSING = "M"
    """The station lacks it."""
    EXTRA = "X"
    """The station has it too much."""


class FoundRow(NamedTuple):
    table: int
    key: Key
    finding: str
    repaired: bool


def add_rows(
    database: Database,
    connection: Connection,
    number: int,
    table: int,
    rows: Iterable[tuple[Key, bytes]],
    finding: str = "",
) -> None:
    """Rows with the digests that the station gives; empty: it has none, or doesn't tell."""
    shared = {"comparison": number, "table_id": table, "finding": finding, "repaired": 0}
    database.upsert(connection, tables.comparison_row, list(rows), shared)


def named(database: Database, connection: Connection, number: int, table: int, keys: Collection[Key]) -> set[Key]:
    """Those of the keys that the station has named."""
    shared = {"comparison": number, "table_id": table}
    return {key for (key,) in database.find_own(connection, tables.comparison_row, ("row_key",), shared, keys)}


def named_rows(connection: Connection, number: int, table: int, after: Key, limit: int) -> list[tuple[Key, bytes]]:
    """Rows that the station has, by key, a page at a time; not those of which it doesn't tell."""
    found = sql.rows(
        connection,
        "SELECT row_key, digest FROM replicator_comparison_row WHERE comparison = ? AND table_id = ? AND row_key > ?"
        " ORDER BY row_key LIMIT ?",
        (number, table, after, limit),
    )
    return [(bytes(key), bytes(digest)) for key, digest in found]


def found_rows(
    connection: Connection,
    number: int,
    table: int,
    after: Key,
    limit: int,
    findings: Collection[str] = tuple(Finding),
    *,
    only_open: bool = False,
) -> list[FoundRow]:
    """Differences of a table by key, a page at a time; `only_open`: those that no row was sent for yet."""
    values = [str(finding) for finding in findings]
    found = sql.rows(
        connection,
        "SELECT table_id, row_key, finding, repaired FROM replicator_comparison_row"
        f" WHERE comparison = ? AND table_id = ? AND row_key > ? AND finding IN ({sql.marks(len(values))})"
        f"{' AND repaired = 0' if only_open else ''} ORDER BY row_key LIMIT ?",
        (number, table, after, *values, limit),
    )
    return [FoundRow(table_id, bytes(key), finding, bool(repaired)) for table_id, key, finding, repaired in found]


def note(connection: Connection, number: int, table: int, finding: Finding, keys: Collection[Key]) -> None:
    """What was found of rows that the station has named."""
    sql.many(
        connection,
        "UPDATE replicator_comparison_row SET finding = ? WHERE comparison = ? AND table_id = ? AND row_key = ?",
        [(finding.value, number, table, key) for key in keys],
    )


def set_repaired(connection: Connection, number: int, table: int, keys: Collection[Key]) -> None:
    sql.many(
        connection,
        "UPDATE replicator_comparison_row SET repaired = 1 WHERE comparison = ? AND table_id = ? AND row_key = ?",
        [(number, table, key) for key in keys],
    )


def forget_findings(connection: Connection, number: int, table: int) -> None:
    """Before a table is looked at, perhaps again after a crash."""
    where = "comparison = ? AND table_id = ?"
    sql.run(
        connection,
        f"DELETE FROM replicator_comparison_row WHERE {where} AND finding = ?",
        (number, table, Finding.MISSING.value),
    )
    sql.run(connection, f"UPDATE replicator_comparison_row SET finding = '' WHERE {where}", (number, table))


def forget_unnamed(connection: Connection, number: int) -> None:
    """What the station has named and is no difference."""
    sql.run(connection, "DELETE FROM replicator_comparison_row WHERE comparison = ? AND finding = ''", (number,))


def count_findings(connection: Connection, number: int, table: int) -> dict[str, int]:
    found = sql.rows(
        connection,
        "SELECT finding, count(*) FROM replicator_comparison_row WHERE comparison = ? AND table_id = ?"
        " AND finding <> '' GROUP BY finding",
        (number, table),
    )
    return {finding: int(count) for finding, count in found}
