"""How an existing table differs from a definition in ways that matter to its rows."""

from __future__ import annotations

from dataclasses import replace

from replicator.databases.compared import column_differences, key_differences
from replicator.databases.mariadb import catalogue
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
    referring = {column for key in wanted.foreign_keys for column in key.columns}
    indexed = {column for key in local.keys for column in key.columns}

    def compare(here: ColumnDefinition, column: ColumnDefinition) -> list[str]:
        fit = Fit(refers=column.name in referring, is_indexed=column.name in indexed)
        reason = refusal(column.type, local.column(column.name), fit) if here.type != column.type else None
        return [] if reason is None else [f"Column {wanted.name}.{column.name} {reason}"]

    def fills_itself(name: str) -> bool:
        column = local.column(name)
        return column.default is not None or column.counts

    keys = key_differences(found, _that_stand(as_made_here(wanted), found))
    return [*column_differences(found, wanted, compare, fills_itself), *keys]


def _that_stand(wanted: TableDefinition, found: TableDefinition) -> TableDefinition:
    """A key that does nothing here does no harm: capture brings the trigger that does what the definition's does."""
    plain = {_refers(key) for key in found.foreign_keys if key.on_delete == "NO ACTION"}
    keys = (replace(key, on_delete="NO ACTION") if _refers(key) in plain else key for key in wanted.foreign_keys)
    return replace(wanted, foreign_keys=tuple(keys))


def _refers(key: ForeignKey) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    return key.columns, key.parent, key.parent_columns
