"""Portable definitions of SQLite tables: read, made anew, compared.

Not carried, and told by `remarks`: CHECK constraints, generated columns, partial and expression indexes, default
expressions that only SQLite knows. They stay in force where they are.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection
from dataclasses import replace

from replicator.databases.own_names import is_ours
from replicator.databases.remarks import ColumnHere, common_remarks
from replicator.databases.sqlite import tables
from replicator.databases.sqlite.columntypes import affinity, column_type, default_words, read_default, type_words
from replicator.databases.sqlite.limits import COLLATIONS, MOST_COLUMNS, limits
from replicator.databases.sqlite.statements import fetch, names, quoted
from replicator.databases.sqlite.tables import LocalColumn, LocalForeignKey, LocalIndex, LocalTable
from replicator.errors import UnfitTable, UnknownName
from replicator.types import ColumnDefinition, ForeignKey, Index, TableDefinition, UniqueKey

_ACTIONS = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"}


def inspect(raw: sqlite3.Connection, name: str) -> TableDefinition:
    return definition_of(raw, read_local(raw, name))


def read_local(raw: sqlite3.Connection, name: str) -> LocalTable:
    """The table as it is here. Raises UnknownName, or UnfitTable if it can't be replicated whatever its details."""
    local = tables.read(raw, name)
    if local is None:
        raise UnknownName(f"There is no table {name!r} in the database: check the name.")
    if is_ours(local.name):
        raise UnfitTable(f"Table {local.name} belongs to the replicator itself and can't be replicated.")
    if local.kind != "table":
        what = {"view": "a view", "virtual": "a virtual table"}.get(local.kind, "part of a virtual table")
        raise UnfitTable(f"{local.name} is {what}: only ordinary tables can be replicated.")
    if not local.primary_key:
        raise UnfitTable(f"Table {local.name} has no primary key: give it one, so that its rows can be told apart.")
    if any(column.generated for column in local.primary_key):
        raise UnfitTable(f"The primary key of table {local.name} is a generated column: use an ordinary one.")
    if len(local.columns) > MOST_COLUMNS:
        raise UnfitTable(f"Table {local.name} has more than {MOST_COLUMNS} columns: split it.")
    for name_to_carry in (local.name, *(column.name for column in local.columns)):
        quoted(name_to_carry)
    used = {column.collation for column in local.columns}
    used |= {term.collation for index in local.indexes for term in index.terms}
    if unknown := sorted(used - COLLATIONS):
        raise UnfitTable(
            f"Table {local.name} uses the collation {unknown[0]}, which only its application knows: use BINARY, NOCASE "
            "or RTRIM."
        )
    return local


def carried_columns(local: LocalTable) -> list[LocalColumn]:
    return [column for column in local.columns if not column.generated]


def definition_of(raw: sqlite3.Connection, local: LocalTable) -> TableDefinition:
    plain = [index for index in local.indexes if index.origin != "pk" and _is_carried(local, index)]
    options = (("strict",) if local.strict else ()) + (("without rowid",) if local.without_rowid else ())
    unique_keys = [
        UniqueKey(index.plain_columns or (), index.name if index.origin == "c" else None)
        for index in plain
        if index.unique
    ]
    return TableDefinition(
        name=local.name,
        columns=tuple(_column(column) for column in carried_columns(local)),
        primary_key=tuple(column.name for column in local.primary_key),
        unique_keys=tuple(sorted(unique_keys, key=lambda key: (key.columns, key.name or ""))),
        foreign_keys=tuple(_foreign_key(raw, local, key) for key in local.foreign_keys),
        indexes=tuple(Index(index.name, index.plain_columns or ()) for index in plain if not index.unique),
        autoincrement=local.autoincrement,
        options=options,
    )


def _is_carried(local: LocalTable, index: LocalIndex) -> bool:
    columns = index.plain_columns
    if columns is None or any(local.column(column).generated for column in columns):
        return False
    return all(local.column(term.column or "").collation == term.collation for term in index.terms)


def _column(column: LocalColumn) -> ColumnDefinition:
    return ColumnDefinition(
        name=column.name,
        type=column_type(column.declared),
        # SQLite lets most primary keys be NULL, by an old mistake; ours never are (capture sees to it).
        nullable=not column.not_null and not column.key_place,
        default=read_default(column.default)[0],
        collation=None if column.collation == "BINARY" else column.collation,
    )


def _foreign_key(raw: sqlite3.Connection, local: LocalTable, key: LocalForeignKey) -> ForeignKey:
    parent = local if key.parent.lower() == local.name.lower() else tables.read(raw, key.parent)
    columns = tuple(local.column(column).name for column in key.columns)
    refers = f"The foreign key {', '.join(columns)} of table {local.name} refers to {key.parent}"
    if any(local.column(column).generated for column in columns):
        raise UnfitTable(f"{refers} by a generated column, which can't be carried: use an ordinary one.")
    if parent is None or parent.kind != "table":
        if key.parent_columns is None:
            raise UnfitTable(f"{refers}, which doesn't exist: make that table first.")
        name, parent_columns = key.parent, key.parent_columns
    else:
        name = parent.name
        primary_key = tuple(column.name for column in parent.primary_key)
        try:
            parent_columns = tuple(parent.column(c).name for c in key.parent_columns or primary_key)
        except KeyError as error:
            raise UnfitTable(f"{refers} by a column {error.args[0]} that it doesn't have: put the key right.") from None
        unique = [index.plain_columns for index in parent.indexes if index.unique] + [primary_key]
        if not any(found is not None and set(found) == set(parent_columns) for found in unique):
            raise UnfitTable(
                f"{refers} by {', '.join(parent_columns)}, which is neither its primary key nor unique: make it unique."
            )
        if len(parent_columns) != len(columns):
            raise UnfitTable(f"{refers} by as many columns as that doesn't have in its primary key: name them.")
    return ForeignKey(columns, name, parent_columns, key.on_delete, key.on_update, key.name, key.deferred)


def remarks(raw: sqlite3.Connection, name: str) -> list[str]:
    """What of the table stays behind when its definition travels, one sentence each."""
    local = read_local(raw, name)
    columns = (
        ColumnHere(column.name, column.generated, column.default, read_default(column.default)[1])
        for column in local.columns
    )
    found = common_remarks(local.name, columns, "SQLite", checks=bool(local.checks))
    found += [
        f"The unique index {index.name} is on an expression, on part of the rows or in another collation: it isn't "
        "carried and holds at this place only."
        for index in local.indexes
        if index.unique and index.origin == "c" and not _is_carried(local, index)
    ]
    return found


def create_table(raw: sqlite3.Connection, definition: TableDefinition) -> None:
    """Raises UnfitTable where SQLite can't have it, sqlite3.Error for any other trouble."""
    taken = {name.lower() for (name,) in fetch(raw, "SELECT name FROM sqlite_schema")}
    for statement in create_statements(definition, taken):
        try:
            raw.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                raise
            raise UnfitTable(f"Table {definition.name} can't be made in this database: {error}.") from error


def add_columns(raw: sqlite3.Connection, definition: TableDefinition, wanted: Collection[str]) -> None:
    """See `Database.add_columns`. SQLite adds no column whose default is not a value: that stays behind."""
    local = read_local(raw, definition.name)
    present = {column.name.lower() for column in local.columns}
    for column in definition.columns:
        if column.name not in wanted or column.name.lower() in present:
            continue
        if column.default is not None and column.default.expression not in (None, "true", "false"):
            column = replace(column, default=None)
        words = _column_words(definition, column, None, strict=local.strict)
        try:
            raw.execute(f"ALTER TABLE {quoted(definition.name)} ADD COLUMN {words}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                raise
            raise UnfitTable(f"Column {definition.name}.{column.name} can't be added here: {error}.") from error


def create_statements(definition: TableDefinition, taken: Collection[str] = ()) -> list[str]:
    """CREATE TABLE and its indexes. Raises UnfitTable for what SQLite doesn't have.

    `taken`: names of what stands in the database, in small letters. Other databases have the names of indexes within
    their table: one that is taken here gets another.
    """
    limits(definition, {}).require_makeable()
    used = {*taken, definition.name.lower()}
    strict, without_rowid = "strict" in definition.options, "without rowid" in definition.options
    inline_key = None
    if len(definition.primary_key) == 1 and not without_rowid:
        key = definition.columns[definition.key_indexes[0]]
        words = type_words(key.type, strict=strict)
        # Only the very word INTEGER makes the column another name of the rowid, which counts by itself.
        if words.upper() == "INTEGER" or (definition.autoincrement and affinity(words) == "INTEGER"):
            inline_key = key.name
    lines = [_column_words(definition, column, inline_key, strict=strict) for column in definition.columns]
    if inline_key is None:
        lines.append(f"PRIMARY KEY ({names(definition.primary_key)})")
    lines += [f"UNIQUE ({names(unique.columns)})" for unique in definition.unique_keys if unique.name is None]
    lines += [_foreign_key_words(key) for key in definition.foreign_keys]
    tail = ", ".join(words for words, used in (("STRICT", strict), ("WITHOUT ROWID", without_rowid)) if used)
    table = quoted(definition.name)
    body = ",\n  ".join(lines)
    return [
        f"CREATE TABLE {table} (\n  {body}\n) {tail}".rstrip(),
        *(
            f"CREATE UNIQUE INDEX {_free_name(unique.name, definition, used)} ON {table} ({names(unique.columns)})"
            for unique in definition.unique_keys
            if unique.name is not None
        ),
        *(
            f"CREATE INDEX {_free_name(index.name, definition, used)} ON {table} ({names(index.columns)})"
            for index in definition.indexes
        ),
    ]


def _free_name(name: str, definition: TableDefinition, used: set[str]) -> str:
    """The name, or one made of the table's and it; used from here on."""
    wanted = itertools.chain([name], (f"{definition.name}_{name}{mark or ''}" for mark in itertools.count()))
    free = next(each for each in wanted if each.lower() not in used)
    used.add(free.lower())
    return quoted(free)


def _column_words(
    definition: TableDefinition, column: ColumnDefinition, inline_key: str | None, *, strict: bool
) -> str:
    if column.name == inline_key:
        return f"{quoted(column.name)} INTEGER PRIMARY KEY" + (" AUTOINCREMENT" if definition.autoincrement else "")
    words = [quoted(column.name), type_words(column.type, strict=strict)]
    if not column.nullable or column.name in definition.primary_key:
        words.append("NOT NULL")
    if column.default is not None and (default := default_words(column.default)):
        words.append(f"DEFAULT {default}")
    if column.collation is not None:
        words.append(f"COLLATE {column.collation}")
    return " ".join(word for word in words if word)


def _foreign_key_words(key: ForeignKey) -> str:
    if not {key.on_delete, key.on_update} <= _ACTIONS:
        raise UnfitTable(
            f"The foreign key to {key.parent} does something on delete or update that SQLite doesn't know."
        )
    words = [
        f"CONSTRAINT {quoted(key.name)}" if key.name else "",
        f"FOREIGN KEY ({names(key.columns)}) REFERENCES {quoted(key.parent)} ({names(key.parent_columns)})",
        f"ON DELETE {key.on_delete}" if key.on_delete != "NO ACTION" else "",
        f"ON UPDATE {key.on_update}" if key.on_update != "NO ACTION" else "",
        "DEFERRABLE INITIALLY DEFERRED" if key.deferred else "",
    ]
    return " ".join(word for word in words if word)
