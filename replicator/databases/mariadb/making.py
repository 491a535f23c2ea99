"""Making a table from a portable definition.

Text compares bit by bit and without padding, as PostgreSQL and SQLite have it, unless the definition says NOCASE.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from replicator.databases.mariadb import catalogue, collations, replacing
from replicator.databases.mariadb.defaults import default_words
from replicator.databases.mariadb.errors import number_of
from replicator.databases.mariadb.limits import NAME_LENGTH, limits
from replicator.databases.mariadb.statements import Driver, execute, names, quoted
from replicator.databases.mariadb.wording import indexes_here, words_of
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, ForeignKey, TableDefinition

_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_REFUSED = {1005, 1059, 1064, 1067, 1068, 1069, 1070, 1071, 1072, 1074, 1101, 1117, 1118, 1170, 1215, 1280, 1901, 4161}
"""Errors of CREATE TABLE that are the definition's fault."""


def create_table(raw: Driver, schema: str, definition: TableDefinition) -> None:
    """The table, and triggers that do what its foreign keys may not. Raises UnfitTable."""
    try:
        # A circle of foreign keys has no first table.
        execute(raw, "SET SESSION foreign_key_checks = 0")
        execute(raw, create_statement(raw, schema, definition))
        if (local := catalogue.read(raw, schema, definition.name)) is not None:
            replacing.settle(raw, local, definition)
    except Exception as error:
        if number_of(error) in _REFUSED:
            raise UnfitTable(f"Table {definition.name} can't be made in this database: {error.args[1]}.") from error
        raise


def drop_tables(raw: Driver, wanted: Sequence[str]) -> None:
    """Together, as they may refer to each other in a circle. May be repeated."""
    if wanted:
        execute(raw, "SET SESSION foreign_key_checks = 0")
        execute(raw, f"DROP TABLE IF EXISTS {names(wanted)}")


def add_columns(raw: Driver, schema: str, definition: TableDefinition, wanted: Collection[str]) -> None:
    """See `Database.add_columns`. May be repeated, whatever a crash has left of it."""
    types, parents = words_of(definition), _parent_types(raw, schema, definition)
    table = f"{quoted(schema)}.{quoted(definition.name)}"
    for column in definition.columns:
        if column.name not in wanted:
            continue
        local = column.default is not None and column.default.expression not in (None, "true", "false")
        made = replace(column, default=None) if local else column
        words = _column_words(definition, made, types[column.name], parents.get(column.name))
        try:
            execute(raw, f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {words}")
            if local and column.default is not None and (default := default_words(column.default, types[column.name])):
                # Rows that are there don't get it.
                execute(raw, f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} SET DEFAULT {default}")
        except Exception as error:
            if number_of(error) in _REFUSED:
                raise UnfitTable(
                    f"Column {definition.name}.{column.name} can't be added here: {error.args[1]}."
                ) from error
            raise


def create_statement(raw: Driver, schema: str, definition: TableDefinition) -> str:
    """CREATE TABLE with its indexes: one statement is there whole or not at all. Raises UnfitTable."""
    limits(definition, {}).require_makeable()
    parents = _parent_types(raw, schema, definition)
    types = words_of(definition)
    lines = [
        _column_words(definition, column, types[column.name], parents.get(column.name)) for column in definition.columns
    ]
    lines.append(f"PRIMARY KEY ({names(definition.primary_key)})")
    lines += [f"UNIQUE KEY ({names(unique.columns)})" for unique in definition.unique_keys]
    lines += [
        f"KEY {quoted(name[:NAME_LENGTH])} ({', '.join(_part(*part) for part in parts)})"
        for name, parts in indexes_here(definition, types)
    ]
    lines += [_foreign_key_words(schema, key) for key in definition.foreign_keys]
    body = ",\n  ".join(lines)
    return (
        f"CREATE TABLE {quoted(schema)}.{quoted(definition.name)} (\n  {body}\n)"
        f" ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collations.EXACT}"
    )


def _part(column: str, beginning: int | None) -> str:
    return quoted(column) if beginning is None else f"{quoted(column)} ({beginning})"


def _parent_types(raw: Driver, schema: str, definition: TableDefinition) -> dict[str, str]:
    """Types of the parents' columns by ours: MariaDB wants them to be the same, to the letter."""
    found: dict[str, str] = {}
    for key in definition.foreign_keys:
        parent = catalogue.read(raw, schema, key.parent)
        if parent is None or key.parent == definition.name:
            continue
        types = {column.name: column for column in parent.columns}
        for own, theirs in zip(key.columns, key.parent_columns, strict=True):
            if theirs in types:
                column = types[theirs]
                text = f" CHARACTER SET {column.character_set} COLLATE {column.collation}" if column.collation else ""
                found[own] = column.column_type + text
    return found


def _column_words(definition: TableDefinition, column: ColumnDefinition, type_here: str, of_parent: str | None) -> str:
    words = [quoted(column.name), of_parent or type_here]
    if of_parent is None and type_here.partition("(")[0] in _TEXTS:
        words.append(collations.words(column, collations.told(definition)))
    not_null = not column.nullable or column.name in definition.primary_key
    words.append("NOT NULL" if not_null else "NULL")
    if definition.autoincrement and (column.name,) == definition.primary_key:
        words.append("AUTO_INCREMENT")
    elif column.default is not None and (default := default_words(column.default, type_here)):
        words.append(f"DEFAULT {default}")
    return " ".join(word for word in words if word)


def _foreign_key_words(schema: str, key: ForeignKey) -> str:
    parent = f"{quoted(schema)}.{quoted(key.parent)}"
    return f"FOREIGN KEY ({names(key.columns)}) REFERENCES {parent} ({names(key.parent_columns)})"
