"""Portable definitions of PostgreSQL tables: read, made anew.

Not carried, and told by `remarks`: CHECK and exclusion constraints, generated columns, partial and expression indexes,
default expressions that only PostgreSQL knows. They stay in force where they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import psycopg

from replicator.databases.postgresql import catalogue
from replicator.databases.postgresql.carriage import LocalType
from replicator.databases.postgresql.catalogue import LocalColumn, LocalForeignKey, LocalKey, LocalTable
from replicator.databases.postgresql.columntypes import REFUSED, column_type, type_words
from replicator.databases.postgresql.defaults import counts_by_itself, default_words, read_default
from replicator.databases.postgresql.limits import MOST_COLUMNS, NAME_BYTES, can_be_indexed, limits
from replicator.databases.postgresql.schemas import PARAMETER, Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch, names, quoted, scalar
from replicator.databases.remarks import ColumnHere, common_remarks
from replicator.errors import UnfitTable, UnknownName
from replicator.types import ColumnDefinition, ForeignKey, Index, TableDefinition, TypeKind, UniqueKey

_NO_TABLE = {"p": "a partitioned table", "v": "a view", "m": "a materialised view", "f": "a foreign table"}
_REFUSALS = {"42", "54", "0A"}
"""Classes of errors that say a table can't be: its words, a limit, something that isn't supported."""
_NOT_PERMITTED = "42501"
_TAKEN = """
SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s
"""
_ACTIONS = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"}


def inspect(raw: Driver, schemas: Schemas, name: str) -> TableDefinition:
    return definition_of(read_local(raw, schemas, name))


def read_local(raw: Driver, schemas: Schemas, name: str) -> LocalTable:
    """The table as it is here. Raises UnknownName, or UnfitTable if it can't be replicated whatever its details."""
    local = catalogue.read(raw, schemas.application, name)
    if local is None:
        raise UnknownName(
            f"There is no table {name!r} in the schema {schemas.application} of the database{_elsewhere(raw, name)}."
        )
    if local.kind in _NO_TABLE:
        raise UnfitTable(f"{name} is {_NO_TABLE[local.kind]}: only ordinary tables can be replicated.")
    if local.inherits:
        raise UnfitTable(f"Table {name} inherits from another one, or is inherited from: use ordinary tables.")
    if local.persistence != "p":
        raise UnfitTable(f"Table {name} is unlogged, a crash empties it: make it an ordinary one (SET LOGGED).")
    if local.row_security:
        raise UnfitTable(
            f"Table {name} has row level security, which hides rows from the replicator's role: let an administrator "
            "give it BYPASSRLS."
        )
    others = [schema for schema in local.captured_by if schema != schemas.ours_sql]
    if others:
        raise UnfitTable(
            f"Table {name} is replicated by another node already, whose own tables stand in the schema {others[0]}: "
            "take it out there first."
        )
    key = local.primary_key
    if key is None:
        raise UnfitTable(f"Table {name} has no primary key: give it one, so that its rows can be told apart.")
    if key.deferrable:
        raise UnfitTable(f"The primary key of table {name} is deferrable: make it an ordinary one.")
    if any(local.column(column).generated for column in key.columns):
        raise UnfitTable(f"The primary key of table {name} is a generated column: use an ordinary one.")
    if len(local.columns) > MOST_COLUMNS:
        raise UnfitTable(f"Table {name} has more than {MOST_COLUMNS} columns: split it.")
    for name_to_carry in (name, *(column.name for column in local.columns)):
        quoted(name_to_carry)
    for column in carried_columns(local):
        if column.type_name in REFUSED:
            raise UnfitTable(
                f"Column {name}.{column.name} is {column.declared}, which depends on the server's locale: use numeric."
            )
        if not column.deterministic and any(column.name in each.columns for each in local.keys):
            raise UnfitTable(
                f"Column {name}.{column.name} is in a key and has a collation that takes different texts for the same: "
                "use citext."
            )
        if column.declared.endswith("[]") and any(column.name in each.columns for each in local.keys):
            raise UnfitTable(f"Column {name}.{column.name} is an array in a key, which can't be carried.")
    return local


def _elsewhere(raw: Driver, name: str) -> str:
    found = [
        schema
        for (schema,) in fetch(
            raw,
            "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema'"
            " AND n.nspname !~ '^pg_' ORDER BY 1",
            (name,),
        )
    ]
    if not found:
        return ": check the name"
    return (
        f", but in the schema {found[0]}: a node works in one schema; set up another one for that, with "
        f"?{PARAMETER}={found[0]} at the end of the database's URL"
    )


def local_type(column: LocalColumn) -> LocalType:
    return LocalType(column.type_name, column.declared, column.declared)


def carried_columns(local: LocalTable) -> list[LocalColumn]:
    return [column for column in local.columns if not column.generated]


def definition_of(local: LocalTable) -> TableDefinition:
    key = local.primary_key
    assert key is not None  # noqa: S101 - read_local sees to it
    only = local.column(key.columns[0]) if len(key.columns) == 1 else None
    unique_keys = [
        UniqueKey(each.columns, None if each.constraint else each.name)
        for each in local.keys
        if not each.primary and is_carried(local, each)
    ]
    return TableDefinition(
        name=local.name,
        columns=tuple(_column(column) for column in carried_columns(local)),
        primary_key=key.columns,
        unique_keys=tuple(sorted(unique_keys, key=lambda unique: (unique.columns, unique.name or ""))),
        foreign_keys=tuple(_foreign_key(local, each) for each in local.foreign_keys),
        indexes=tuple(Index(index.name, index.columns) for index in local.indexes if index.columns),
        autoincrement=only is not None and (bool(only.identity) or counts_by_itself(only.default)),
    )


def is_carried(local: LocalTable, key: LocalKey) -> bool:
    return key.whole and not any(local.column(column).generated for column in key.columns)


def _column(column: LocalColumn) -> ColumnDefinition:
    itself = column.identity or counts_by_itself(column.default)
    return ColumnDefinition(
        name=column.name,
        type=column_type(column.type_name, column.declared),
        nullable=not column.not_null,
        default=None if itself else read_default(column.default)[0],
        # Other collations order texts, and take none for the same that are not.
        collation="NOCASE" if column.type_name == "citext" else None,
    )


def _foreign_key(local: LocalTable, key: LocalForeignKey) -> ForeignKey:
    if key.parent_schema != local.schema:
        raise UnfitTable(
            f"The foreign key {key.name} of table {local.name} refers to the schema {key.parent_schema}: tables of one "
            "schema only can be replicated."
        )
    return key.portable()


def remarks(raw: Driver, schemas: Schemas, name: str) -> list[str]:
    """What of the table stays behind when its definition travels, one sentence each."""
    local = read_local(raw, schemas, name)
    columns = (
        ColumnHere(
            column.name,
            column.generated,
            column.default,
            counts_by_itself(column.default) or read_default(column.default)[1],
        )
        for column in local.columns
    )
    found = common_remarks(name, columns, "PostgreSQL", checks=local.checks)
    found += [
        f"The unique key {key.name} is on an expression, on part of the rows or takes NULLs for equal: it isn't "
        "carried and holds at this place only."
        for key in local.keys
        if not key.primary and not is_carried(local, key)
    ]
    return found


def create_table(raw: Driver, schema: str, definition: TableDefinition) -> None:
    """The table is to belong to whom the schema belongs: the application could do nothing with a table of ours."""
    taken = {name for (name,) in fetch(raw, _TAKEN, (schema,))}
    try:
        for statement in create_statements(schema, definition, taken):
            execute(raw, statement)
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in _REFUSALS or error.sqlstate == _NOT_PERMITTED:
            raise
        text = (error.diag.message_primary or "no reason given").rstrip(".")
        raise UnfitTable(f"Table {definition.name} can't be made in this database: {text}.") from error
    owner = scalar(
        raw,
        "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = %s AND nspowner <> current_user::regrole"
        " AND pg_has_role(nspowner, 'MEMBER')",
        (schema,),
    )
    if owner is not None:
        execute(raw, f"ALTER TABLE {quoted(schema)}.{quoted(definition.name)} OWNER TO {owner}")


def add_columns(raw: Driver, schemas: Schemas, definition: TableDefinition, wanted: Collection[str]) -> None:
    """See `Database.add_columns`."""
    table = schemas.table(definition.name)
    for column in definition.columns:
        if column.name not in wanted:
            continue
        local = column.default is not None and column.default.expression not in (None, "true", "false")
        words = _column_words(definition, replace(column, default=None) if local else column)
        try:
            execute(raw, f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {words}")
            if local and column.default is not None and (default := default_words(column.default)):
                # Rows that are there don't get it.
                execute(raw, f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} SET DEFAULT {default}")
        except psycopg.Error as error:
            if (error.sqlstate or "")[:2] not in _REFUSALS:
                raise
            text = (error.diag.message_primary or "no reason given").rstrip(".")
            raise UnfitTable(f"Column {definition.name}.{column.name} can't be added here: {text}.") from error


def create_statements(schema: str, definition: TableDefinition, taken: Collection[str] = ()) -> list[str]:
    """CREATE TABLE and its indexes. Raises UnfitTable for what PostgreSQL doesn't have.

    `taken`: names of what stands in the schema. Indexes have theirs among them, other databases have them within their
    table: one that is taken, or too long, is left to PostgreSQL to choose.
    """
    taken = {*taken, definition.name, f"{definition.name}_pkey"}
    limits(definition, {}).require_makeable()
    table = f"{quoted(schema)}.{quoted(definition.name)}"
    lines = [_column_words(definition, column) for column in definition.columns]
    lines.append(f"PRIMARY KEY ({names(definition.primary_key)})")
    lines += [f"UNIQUE ({names(unique.columns)})" for unique in definition.unique_keys if unique.name is None]
    lines += [_foreign_key_words(schema, key) for key in definition.foreign_keys]
    body = ",\n  ".join(lines)
    return [
        f"CREATE TABLE {table} (\n  {body}\n)",
        *(
            f"CREATE UNIQUE INDEX {_free_name(unique.name, taken)}ON {table} ({names(unique.columns)})"
            for unique in definition.unique_keys
            if unique.name is not None
        ),
        *(
            f"CREATE INDEX {_free_name(index.name, taken)}ON {table} ({names(index.columns)})"
            for index in definition.indexes
            if can_be_indexed(definition, index.columns)
        ),
    ]


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name and a blank; nothing where PostgreSQL has to choose one."""
    return "" if name in taken or len(name.encode()) > NAME_BYTES else f"{quoted(name)} "


def counts_there(definition: TableDefinition) -> bool:
    """The database that the definition is of hands out numbers for the key by itself."""
    if definition.autoincrement or len(definition.primary_key) != 1:
        return definition.autoincrement
    key = definition.columns[definition.key_indexes[0]]
    # SQLite's other name of the rowid: only it says INTEGER in capitals.
    return key.type.kind is TypeKind.INTEGER and key.type.declared == "INTEGER" and key.default is None


def _column_words(definition: TableDefinition, column: ColumnDefinition) -> str:
    words = [quoted(column.name), type_words(column.type)]
    if not column.nullable or column.name in definition.primary_key:
        words.append("NOT NULL")
    if (column.name,) == definition.primary_key and counts_there(definition):
        words.append("GENERATED BY DEFAULT AS IDENTITY")
    elif column.default is not None and (default := default_words(column.default)):
        words.append(f"DEFAULT {default}")
    return " ".join(words)


def _foreign_key_words(schema: str, key: ForeignKey) -> str:
    if not {key.on_delete, key.on_update} <= _ACTIONS:
        raise UnfitTable(
            f"The foreign key to {key.parent} does something on delete or update that PostgreSQL doesn't know."
        )
    parent = f"{quoted(schema)}.{quoted(key.parent)}"
    words = [
        f"CONSTRAINT {quoted(key.name)}" if key.name and len(key.name.encode()) <= NAME_BYTES else "",
        f"FOREIGN KEY ({names(key.columns)}) REFERENCES {parent} ({names(key.parent_columns)})",
        f"ON DELETE {key.on_delete}" if key.on_delete != "NO ACTION" else "",
        f"ON UPDATE {key.on_update}" if key.on_update != "NO ACTION" else "",
        "DEFERRABLE INITIALLY DEFERRED" if key.deferred else "",
    ]
    return " ".join(word for word in words if word)
