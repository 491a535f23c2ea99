"""Making a table from a portable definition.

Text compares bit by bit and without padding, as PostgreSQL and SQLite have it, unless the definition says NOCASE.
"""

from __future__ import annotations

from replicator.databases.mariadb import cascades, catalogue, collations
from replicator.databases.mariadb.columntypes import type_words
from replicator.databases.mariadb.defaults import default_words
from replicator.databases.mariadb.errors import number_of
from replicator.databases.mariadb.statements import Driver, execute, names, quoted
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, ForeignKey, TableDefinition, TypeKind

_NAME_LENGTH = 64
_KEY_BYTES = 3000
"""Of 3,072 that an index of InnoDB may have."""
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_ACTIONS = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL"}
_REFUSED = {1005, 1059, 1064, 1067, 1068, 1069, 1070, 1071, 1072, 1074, 1101, 1117, 1118, 1170, 1215, 1280, 1901, 4161}
"""Errors of CREATE TABLE that are the definition's fault."""


def create_table(raw: Driver, schema: str, definition: TableDefinition) -> None:
    """The table, and triggers that do what its foreign keys may not. Raises UnfitTable."""
    try:
        # A circle of foreign keys has no first table.
        execute(raw, "SET SESSION foreign_key_checks = 0")
        execute(raw, create_statement(raw, schema, definition))
        for statement in cascades.statements(schema, definition):
            execute(raw, statement)
    except Exception as error:
        if number_of(error) in _REFUSED:
            raise UnfitTable(f"Table {definition.name} can't be made in this database: {error.args[1]}.") from error
        raise


def create_statement(raw: Driver, schema: str, definition: TableDefinition) -> str:
    """CREATE TABLE with its indexes: one statement is there whole or not at all. Raises UnfitTable."""
    for name in (definition.name, *definition.column_names):
        if len(name) > _NAME_LENGTH:
            raise UnfitTable(
                f"The name {name} has more than {_NAME_LENGTH} characters, which MariaDB does not take: shorten it."
            )
    cascades.statements(schema, definition)  # refuses before anything is made
    parents = _parent_types(raw, schema, definition)
    room = _room_in_keys(definition)
    lines = [_column_words(definition, column, parents.get(column.name), room) for column in definition.columns]
    lines.append(f"PRIMARY KEY ({names(definition.primary_key)})")
    lines += [f"UNIQUE KEY ({names(unique.columns)})" for unique in definition.unique_keys]
    lines += [f"KEY {quoted(index.name[:_NAME_LENGTH])} ({names(index.columns)})" for index in definition.indexes]
    lines += [_foreign_key_words(schema, key) for key in definition.foreign_keys]
    body = ",\n  ".join(lines)
    return (
        f"CREATE TABLE {quoted(schema)}.{quoted(definition.name)} (\n  {body}\n)"
        f" ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collations.EXACT}"
    )


def _room_in_keys(definition: TableDefinition) -> dict[str, int]:
    """Bytes that each column of a key may take: those of a long type share a key's room."""
    keys = [definition.primary_key, *(key.columns for key in definition.unique_keys)]
    keys += [index.columns for index in definition.indexes] + [key.columns for key in definition.foreign_keys]
    room: dict[str, int] = {}
    for columns in keys:
        kinds = [definition.columns[place].type.kind for place in definition.indexes_of(columns)]
        long = sum(kind in (TypeKind.TEXT, TypeKind.BLOB, TypeKind.ANY) for kind in kinds)
        each = (_KEY_BYTES - 40 * (len(columns) - long)) // max(long, 1)
        for column in columns:
            room[column] = min(each, room.get(column, _KEY_BYTES))
    return room


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


def _column_words(
    definition: TableDefinition, column: ColumnDefinition, of_parent: str | None, room: dict[str, int]
) -> str:
    type_here = type_words(column.type, room.get(column.name))
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
    if key.on_delete not in _ACTIONS:
        raise UnfitTable(f"The foreign key to {key.parent} has ON DELETE {key.on_delete}, which InnoDB doesn't know.")
    parent = f"{quoted(schema)}.{quoted(key.parent)}"
    return f"FOREIGN KEY ({names(key.columns)}) REFERENCES {parent} ({names(key.parent_columns)})"
