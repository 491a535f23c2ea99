"""How an existing table differs from a definition in ways that matter to its rows."""

from __future__ import annotations

import sqlite3

from replicator.databases.compared import column_differences, key_differences
from replicator.databases.portable import key_columns
from replicator.databases.sqlite import tables
from replicator.databases.sqlite.columntypes import refusal
from replicator.databases.sqlite.definitions import definition_of, read_local
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, TableDefinition


def differences(raw: sqlite3.Connection, wanted: TableDefinition) -> list[str]:
    """One sentence each; [] if rows of `wanted` fit. Defaults, plain indexes and names of keys don't matter."""
    if tables.read(raw, wanted.name) is None:
        return [f"Table {wanted.name} doesn't exist."]
    try:
        local = read_local(raw, wanted.name)
        found = definition_of(raw, local)
    except UnfitTable as error:
        return [str(error)]
    keys = key_columns(wanted)

    def compare(here: ColumnDefinition, column: ColumnDefinition) -> list[str]:
        kind = local.column(column.name).affinity
        return _column(wanted.name, kind, here, column, in_key=column.name in keys)

    result = column_differences(found, wanted, compare, lambda name: local.column(name).default is not None)
    if ("strict" in found.options) != ("strict" in wanted.options):
        result.append(f"Table {wanted.name} must {'' if 'strict' in wanted.options else 'not '}be STRICT.")
    return [*result, *key_differences(found, wanted)]


def _column(
    table: str, here_affinity: str, here: ColumnDefinition, wanted: ColumnDefinition, *, in_key: bool
) -> list[str]:
    result = []
    refused = refusal(wanted.type, here.type, here_affinity)
    if refused is not None:
        result.append(f"Column {table}.{wanted.name} {refused}")
    # One that takes less for the same holds all that comes; the host sees to its own keys.
    if in_key and here.collation not in (None, wanted.collation):
        result.append(
            f"Column {table}.{wanted.name} has the collation {here.collation or 'BINARY'}, not "
            f"{wanted.collation or 'BINARY'}."
        )
    return result
