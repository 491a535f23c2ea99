"""Portable definitions of MariaDB tables: read, made anew.

Not carried, and told by `remarks`: CHECKs, generated columns, indexes on part of a value, default expressions that only
MariaDB knows, columns that update themselves. They stay in force where they are.

A collation that takes large and small letters for the same is NOCASE elsewhere; which one it is, is told in the
definition's options, which only MariaDB reads (collations.py).
"""

from __future__ import annotations

from dataclasses import replace

from replicator.databases.mariadb import cascades, catalogue, collations, replacing
from replicator.databases.mariadb.cascades import Standing
from replicator.databases.mariadb.catalogue import LocalColumn, LocalForeignKey, LocalKey, LocalTable
from replicator.databases.mariadb.columntypes import type_of
from replicator.databases.mariadb.defaults import read_default
from replicator.databases.mariadb.limits import MOST_COLUMNS, REPLACED
from replicator.databases.mariadb.statements import APPLYING, Driver, quoted
from replicator.databases.own_names import OURS
from replicator.databases.remarks import ColumnHere, common_remarks
from replicator.errors import UnfitTable, UnknownName
from replicator.types import ColumnDefinition, ForeignKey, Index, TableDefinition, UniqueKey

_NO_TABLE = {"VIEW": "a view", "SYSTEM VIEW": "a view", "SEQUENCE": "a sequence"}


def inspect(raw: Driver, schema: str, name: str, *, replace_cascades: bool = False) -> TableDefinition:
    local = read_local(raw, schema, name, with_cascades=replace_cascades)
    return definition_of(raw, replacing.planned(raw, local) if replace_cascades else local)


def read_local(raw: Driver, schema: str, name: str, *, with_cascades: bool = False) -> LocalTable:
    """The table as it is here. Raises UnknownName, or UnfitTable if it can't be replicated whatever its details."""
    return require_fit(catalogue.read(raw, schema, name), schema, name, with_cascades=with_cascades)


def require_fit(local: LocalTable | None, schema: str, name: str, *, with_cascades: bool = False) -> LocalTable:
    """The table, as `read_local` gives it."""
    if local is None or name.startswith(OURS):
        raise UnknownName(f"There is no table {name!r} in the database {schema}: check the name.")
    if local.kind in _NO_TABLE:
        raise UnfitTable(f"{name} is {_NO_TABLE[local.kind]}: only ordinary tables can be replicated.")
    if local.kind != "BASE TABLE":
        raise UnfitTable(
            f"Table {name} keeps its own history (SYSTEM VERSIONING): only ordinary tables are replicated."
        )
    if local.engine != "InnoDB":
        raise UnfitTable(
            f"Table {name} is of the engine {local.engine}, which knows no transactions: make it InnoDB with "
            f"ALTER TABLE {quoted(name)} ENGINE = InnoDB."
        )
    _require_key(local)
    if len(local.columns) > MOST_COLUMNS:
        raise UnfitTable(f"Table {name} has more than {MOST_COLUMNS} columns: split it.")
    for name_to_carry in (name, *(column.name for column in local.columns)):
        quoted(name_to_carry)
    for column in carried_columns(local):
        type_of(name, column, is_indexed=False)
    for foreign_key in () if with_cascades else local.foreign_keys:
        cascades.require_none(name, foreign_key)
    _require_silent_triggers(local)
    return local


def _require_key(local: LocalTable) -> None:
    key = local.primary_key
    if key is None:
        raise UnfitTable(f"Table {local.name} has no primary key: give it one, so that its rows can be told apart.")
    if not key.whole:
        raise UnfitTable(f"The primary key of table {local.name} is on part of a value: use whole columns.")
    if any(local.column(column).generated for column in key.columns):
        raise UnfitTable(f"The primary key of table {local.name} is a generated column: use an ordinary one.")


def _require_silent_triggers(local: LocalTable) -> None:
    """protocol.md 7.6: MariaDB can't switch a trigger off while changes of other places are written."""
    for trigger in local.triggers:
        if not trigger.is_ours and APPLYING not in trigger.body.lower():
            raise UnfitTable(
                f"The trigger {trigger.name} of table {local.name} would also fire when changes of other places are "
                f"written, whose effects come as data: put what it does between IF {APPLYING} IS NULL THEN and END IF."
            )


def carried_columns(local: LocalTable) -> list[LocalColumn]:
    return [column for column in local.columns if not column.generated]


def definition_of(raw: Driver, local: LocalTable) -> TableDefinition:
    key = local.primary_key
    assert key is not None  # noqa: S101 - read_local sees to it
    plain = [each for each in local.keys if not each.primary and is_carried(local, each)]
    replaced = cascades.standing(raw, local.schema) if local.foreign_keys else {}
    return TableDefinition(
        name=local.name,
        columns=tuple(_column(local, column) for column in carried_columns(local)),
        primary_key=key.columns,
        # Unnamed: a name is the table's own here, and the whole database's elsewhere.
        unique_keys=tuple(sorted((UniqueKey(each.columns) for each in plain if each.unique), key=lambda k: k.columns)),
        foreign_keys=tuple(_foreign_key(local, each, replaced) for each in local.foreign_keys),
        indexes=tuple(Index(_index_name(local, each), each.columns) for each in plain if not each.unique),
        autoincrement=len(key.columns) == 1 and local.column(key.columns[0]).counts,
        options=collations.options(carried_columns(local)),
    )


def is_carried(local: LocalTable, key: LocalKey) -> bool:
    return key.whole and not any(local.column(column).generated for column in key.columns)


def _index_name(local: LocalTable, key: LocalKey) -> str:
    """With the table's name: elsewhere the names of indexes are the whole database's."""
    return key.name if key.name.startswith(local.name) else f"{local.name}_{key.name}"


def _column(local: LocalTable, column: LocalColumn) -> ColumnDefinition:
    return ColumnDefinition(
        name=column.name,
        type=type_of(local.name, column, is_indexed=local.is_indexed(column.name)),
        nullable=column.nullable,
        default=None if column.counts else read_default(column)[0],
        collation="NOCASE" if collations.folds_case(column) else None,
    )


def _foreign_key(local: LocalTable, key: LocalForeignKey, replaced: dict[str, Standing]) -> ForeignKey:
    if key.parent_schema != local.schema:
        raise UnfitTable(
            f"The foreign key {key.name} of table {local.name} refers to the database {key.parent_schema}: tables of "
            "one database only can be replicated."
        )
    on_delete = cascades.action_of(replaced, local.name, key)
    return ForeignKey(key.columns, key.parent, key.parent_columns, on_delete, key.on_update)


def as_made_here(definition: TableDefinition) -> TableDefinition:
    """What a table of ours made from this definition is found to have: foreign keys that can do less."""

    def key(each: ForeignKey) -> ForeignKey:
        on_delete = each.on_delete if each.on_delete in REPLACED else "NO ACTION"
        return replace(each, on_delete=on_delete, on_update="NO ACTION", name=None, deferred=False)

    return replace(definition, foreign_keys=tuple(key(each) for each in definition.foreign_keys))


def remarks(raw: Driver, schema: str, name: str) -> list[str]:
    """What of the table stays behind when its definition travels, one sentence each."""
    local = read_local(raw, schema, name)
    columns = (
        ColumnHere(column.name, column.generated, column.default, column.counts or read_default(column)[1])
        for column in local.columns
    )
    found = common_remarks(name, columns, "MariaDB", checks=bool(local.checks))
    found += [
        f"Column {name}.{column.name} is set by ON UPDATE CURRENT_TIMESTAMP: tables made from this definition don't do "
        "that."
        for column in local.columns
        if column.updates_itself
    ]
    found += [
        f"The unique key {key.name} is on part of a value or a generated column: it isn't carried and holds at this "
        "place only."
        for key in local.keys
        if key.unique and not key.primary and not is_carried(local, key)
    ]
    return found
