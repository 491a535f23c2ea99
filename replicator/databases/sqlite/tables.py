"""A table as this SQLite file holds it: what definitions and triggers are both made from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from replicator.databases.own_names import is_ours
from replicator.databases.sqlite.columntypes import affinity, type_words
from replicator.databases.sqlite.grammar import read_index, read_table
from replicator.databases.sqlite.statements import fetch, scalar
from replicator.types import ForeignKey, Table


@dataclass(frozen=True)
class LocalColumn:
    name: str
    declared: str
    not_null: bool
    default: str | None
    """SQL text of the default."""
    key_place: int
    """Place in the primary key from 1; 0 for other columns."""
    generated: bool
    collation: str
    affinity: str
    """INTEGER, NUMERIC, REAL, TEXT or BLOB."""


@dataclass(frozen=True)
class IndexTerm:
    column: str | None
    expression: str | None
    """SQL text, where the term is no plain column."""
    collation: str


@dataclass(frozen=True)
class LocalIndex:
    name: str
    unique: bool
    origin: str
    """'c' CREATE INDEX, 'u' UNIQUE, 'pk' PRIMARY KEY."""
    terms: tuple[IndexTerm, ...]
    where: str | None

    @property
    def plain_columns(self) -> tuple[str, ...] | None:
        """The columns, if the index is on nothing but columns and on all rows."""
        columns = tuple(term.column for term in self.terms if term.column is not None)
        return columns if len(columns) == len(self.terms) and self.where is None else None


@dataclass(frozen=True)
class LocalForeignKey:
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...] | None
    """None: the parent's primary key."""
    on_update: str
    on_delete: str
    name: str | None
    deferred: bool


@dataclass(frozen=True)
class LocalTable:
    name: str
    kind: str
    """'table', 'view', 'virtual' or 'shadow'."""
    strict: bool
    without_rowid: bool
    autoincrement: bool
    checks: bool
    columns: tuple[LocalColumn, ...]
    indexes: tuple[LocalIndex, ...]
    foreign_keys: tuple[LocalForeignKey, ...]

    def column(self, name: str) -> LocalColumn:
        """A column by its name in any case. Raises KeyError."""
        return self._by_name[name.lower()]

    @cached_property
    def _by_name(self) -> dict[str, LocalColumn]:
        return {column.name.lower(): column for column in self.columns}

    @cached_property
    def primary_key(self) -> tuple[LocalColumn, ...]:
        return tuple(sorted((c for c in self.columns if c.key_place), key=lambda column: column.key_place))

    @cached_property
    def key_is_rowid(self) -> bool:
        """INTEGER PRIMARY KEY, another name of the rowid: SQLite keeps no index for it."""
        return (
            len(self.primary_key) == 1
            and not self.without_rowid
            and not any(index.origin == "pk" for index in self.indexes)
        )

    @cached_property
    def null_keys_possible(self) -> tuple[LocalColumn, ...]:
        """Key columns that SQLite lets be NULL, as no other database does."""
        if self.key_is_rowid or self.without_rowid:
            return ()
        return tuple(column for column in self.primary_key if not column.not_null)


def loose_places(raw: sqlite3.Connection, table: Table) -> list[int]:
    """Places of the definition's columns that hold values of any type as they are, by the types they have here."""
    found: dict[str, str] = {
        name: affinity(declared, strict=bool(strict))
        for name, declared, strict in fetch(
            raw,
            "SELECT x.name, x.type, t.strict FROM pragma_table_list(?) t, pragma_table_xinfo(t.name) x"
            " WHERE t.schema = 'main'",
            (table.name,),
        )
    }
    return [
        place
        for place, column in enumerate(table.definition.columns)
        # Of a column that is gone its captured values are left.
        if (found[column.name] if column.name in found else affinity(type_words(column.type))) == "BLOB"
    ]


def table_names(raw: sqlite3.Connection) -> list[str]:
    """Ordinary tables of the application, sorted."""
    return [
        name
        for (name,) in fetch(raw, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        if not is_ours(name) and not name.lower().startswith("sqlite_")
    ]


def has_table(raw: sqlite3.Connection, name: str) -> bool:
    """An ordinary table of the application, by its exact name?"""
    found = fetch(raw, "SELECT name, type FROM pragma_table_list(?) WHERE schema = 'main'", (name,))
    return found == [(name, "table")] and not is_ours(name) and not name.lower().startswith("sqlite_")


def counts(raw: sqlite3.Connection, name: str) -> bool:
    """Does the table's key count by itself?"""
    sql = scalar(raw, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE", (name,))
    # Few tables have the word, and to read one's text takes longer than all else here.
    return sql is not None and "AUTOINCREMENT" in sql.upper() and read_table(sql).autoincrement


def read(raw: sqlite3.Connection, name: str) -> LocalTable | None:
    """A table by its name in any case, or None if there is no such table."""
    head = fetch(
        raw,
        "SELECT t.name, t.type, t.strict, t.wr, s.sql FROM pragma_table_list(?) t"
        " LEFT JOIN sqlite_schema s ON s.name = t.name AND s.type IN ('table', 'view') WHERE t.schema = 'main'",
        (name,),
    )
    if not head:
        return None
    true_name, kind, strict, without_rowid, sql = head[0]
    if kind != "table":
        return LocalTable(true_name, kind, False, False, False, False, (), (), ())
    text = read_table(sql or "")
    columns = tuple(
        LocalColumn(
            name=column,
            declared=declared,
            not_null=bool(not_null),
            default=default,
            key_place=place,
            generated=hidden != 0,
            collation=text.collations.get(column.lower(), "BINARY"),
            affinity=affinity(declared, strict=bool(strict)),
        )
        for column, declared, not_null, default, place, hidden in fetch(
            raw, 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (true_name,)
        )
    )
    keys = _foreign_keys(raw, true_name)
    return LocalTable(
        name=true_name,
        kind=kind,
        strict=bool(strict),
        without_rowid=bool(without_rowid),
        autoincrement=text.autoincrement,
        checks=text.checks,
        columns=columns,
        indexes=_indexes(raw, true_name),
        foreign_keys=tuple(
            LocalForeignKey(*key, reference.name, reference.deferred)
            for key, reference in zip(keys, text.references, strict=True)
        ),
    )


def _indexes(raw: sqlite3.Connection, table: str) -> tuple[LocalIndex, ...]:
    found = []
    for name, unique, origin, sql in fetch(
        raw,
        'SELECT i.name, i."unique", i.origin, s.sql FROM pragma_index_list(?) i'
        " LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = i.name",
        (table,),
    ):
        text = read_index(sql) if sql else None
        terms = []
        for place, column_id, column, collation in fetch(
            raw, "SELECT seqno, cid, name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (name,)
        ):
            expression = text.terms[place] if text and column_id == -2 else None
            terms.append(IndexTerm(column, expression, collation.upper()))
        found.append(LocalIndex(name, bool(unique), origin, tuple(terms), text.where if text else None))
    return tuple(sorted(found, key=lambda index: index.name))


def _foreign_keys(
    raw: sqlite3.Connection, table: str
) -> list[tuple[tuple[str, ...], str, tuple[str, ...] | None, str, str]]:
    """In the order in which they are written, which is the reverse of SQLite's own numbers."""
    grouped: dict[int, list[tuple[str, str, str | None, str, str]]] = {}
    for number, *rest in fetch(
        raw,
        'SELECT id, "from", "table", "to", on_update, on_delete FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq',
        (table,),
    ):
        grouped.setdefault(number, []).append((rest[0], rest[1], rest[2], rest[3], rest[4]))
    keys = []
    for parts in grouped.values():
        parents = tuple(part[2] for part in parts if part[2] is not None)
        _, parent, _, on_update, on_delete = parts[0]
        keys.append((tuple(part[0] for part in parts), parent, parents or None, on_update, on_delete))
    return keys


def foreign_keys_from_outside(raw: sqlite3.Connection, tables: Iterable[Table]) -> list[tuple[str, ForeignKey]]:
    """See `Database.foreign_keys_from_outside`. Names are compared as SQLite does, whatever their case."""
    replicated = {table.name.lower(): table for table in tables}
    found = []
    for (name,) in fetch(
        raw,
        "SELECT DISTINCT t.name FROM pragma_table_list t, pragma_foreign_key_list(t.name)"
        " WHERE t.schema = 'main' AND t.type = 'table'",
    ):
        if name.lower() in replicated or is_ours(name):
            continue
        for columns, parent, parent_columns, on_update, on_delete in _foreign_keys(raw, name):
            table = replicated.get(parent.lower())
            if table is not None:
                named = parent_columns or table.definition.primary_key
                found.append((name, ForeignKey(columns, table.name, named, on_delete, on_update)))
    return found
