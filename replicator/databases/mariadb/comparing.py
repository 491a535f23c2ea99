"""How an existing table differs from a definition in ways that matter to its rows."""

from __future__ import annotations

from dataclasses import replace

from replicator.databases.keys_compared import key_differences
from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.definitions import as_made_here, definition_of, read_local
from replicator.databases.mariadb.fitting import Fit, refusal
from replicator.databases.mariadb.statements import Driver
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, ForeignKey, TableDefinition


def differences(raw: Driver, schema: str, wanted: TableDefinition) -> list[str]:
    """One sentence each; [] if rows of `wanted` fit. Defaults, plain indexes and names of keys don't matter."""
    if catalogue.read(raw, schema, wanted.name) is None:
        return [f"Table {wanted.name} doesn't exist."]
    try:
        local = read_local(raw, schema, wanted.name)
        found = definition_of(raw, local)
    except UnfitTable as error:
        return [str(error)]
    result = []
    referring = {column for key in wanted.foreign_keys for column in key.columns}
    indexed = {column for key in local.keys for column in key.columns}
    present = {column.name: column for column in found.columns}
    for column in wanted.columns:
        here = present.pop(column.name, None)
        if here is None:
            result.append(f"Table {wanted.name} has no column {column.name}.")
        else:
            fit = Fit(refers=column.name in referring, is_indexed=column.name in indexed)
            result += _column(wanted.name, local.column(column.name), here, column, fit)
    result += [
        f"Table {wanted.name} has a further column {column.name} that needs a value: let it be NULL or give it a "
        "default."
        for column in present.values()
        if not column.nullable and local.column(column.name).default is None and not local.column(column.name).counts
    ]
    return [*result, *key_differences(found, _that_stand(as_made_here(wanted), found))]


def _that_stand(wanted: TableDefinition, found: TableDefinition) -> TableDefinition:
    """A key that does nothing here does no harm: capture brings the trigger that does what the definition's does."""
    plain = {_refers(key) for key in found.foreign_keys if key.on_delete == "NO ACTION"}
    keys = (replace(key, on_delete="NO ACTION") if _refers(key) in plain else key for key in wanted.foreign_keys)
    return replace(wanted, foreign_keys=tuple(keys))


def _refers(key: ForeignKey) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    return key.columns, key.parent, key.parent_columns


def _column(table: str, local: LocalColumn, here: ColumnDefinition, wanted: ColumnDefinition, fit: Fit) -> list[str]:
    result = []
    if here.type != wanted.type and (reason := refusal(wanted.type, local, fit)) is not None:
        result.append(f"Column {table}.{wanted.name} {reason}")
    if here.nullable != wanted.nullable:
        result.append(f"Column {table}.{wanted.name} must {'' if wanted.nullable else 'not '}allow NULL.")
    return result
