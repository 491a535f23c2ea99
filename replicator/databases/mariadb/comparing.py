"""How an existing table differs from a definition in ways that matter to its rows."""

from __future__ import annotations

from replicator.databases.keys_compared import key_differences
from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import BLOBS, INTEGERS, TEXTS, type_of, type_words
from replicator.databases.mariadb.definitions import as_made_here, definition_of, read_local
from replicator.databases.mariadb.statements import Driver
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, TableDefinition, TypeKind

_CHARACTERS = TEXTS - {"inet4", "inet6"}
_HOLDERS: dict[TypeKind, set[str]] = {
    TypeKind.INTEGER: set(INTEGERS),
    TypeKind.BOOLEAN: {"tinyint", "bit", "smallint", "int", "bigint"},
    TypeKind.REAL: {"float", "double"},
    TypeKind.NUMERIC: {"decimal", "bigint"},
    TypeKind.TEXT: TEXTS | {"bit"},
    TypeKind.ANY: _CHARACTERS,
    TypeKind.INTERVAL: _CHARACTERS,
    TypeKind.BLOB: BLOBS,
    TypeKind.DATE: {"date"},
    TypeKind.TIME: {"time"},
    TypeKind.TIMESTAMP: {"datetime"},
    TypeKind.TIMESTAMP_WITH_ZONE: {"timestamp", "datetime"},
    TypeKind.UUID: {"uuid", "char", "varchar"},
    TypeKind.JSON: {"longtext", "mediumtext", "text"},
}
"""Types of columns that keep the values of a kind."""


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
    present = {column.name: column for column in found.columns}
    for column in wanted.columns:
        here = present.pop(column.name, None)
        if here is None:
            result.append(f"Table {wanted.name} has no column {column.name}.")
        else:
            # A column that refers to another has that one's width, which MariaDB insists on.
            is_wide = column.name in referring
            result += _column(wanted.name, local.column(column.name), here, column, is_wide=is_wide)
    result += [
        f"Table {wanted.name} has a further column {column.name} that needs a value: let it be NULL or give it a "
        "default."
        for column in present.values()
        if not column.nullable and local.column(column.name).default is None and not local.column(column.name).counts
    ]
    return [*result, *key_differences(found, as_made_here(wanted))]


def _column(
    table: str, local: LocalColumn, here: ColumnDefinition, wanted: ColumnDefinition, *, is_wide: bool
) -> list[str]:
    result = []
    kind = wanted.type
    fits = local.data_type in _HOLDERS[kind.kind]
    if fits and not is_wide:
        fits = _is_wide_enough(local, here, wanted)
    if not fits and here.type != kind:
        result.append(f"Column {table}.{wanted.name} has the type {local.column_type}, not {type_words(kind)}.")
    if here.nullable != wanted.nullable:
        result.append(f"Column {table}.{wanted.name} must {'' if wanted.nullable else 'not '}allow NULL.")
    return result


def _is_wide_enough(local: LocalColumn, here: ColumnDefinition, wanted: ColumnDefinition) -> bool:
    kind = wanted.type
    match kind.kind:
        case TypeKind.INTEGER:
            return local.unsigned or (here.type.bits or 64) >= (kind.bits or 16)
        case TypeKind.REAL:
            return (here.type.bits or 64) >= (kind.bits or 64)
        case TypeKind.NUMERIC if kind.precision is not None and local.data_type == "decimal":
            scale, digits = local.scale or 0, local.precision or 0
            return scale == (kind.scale or 0) and digits >= kind.precision
        case TypeKind.NUMERIC:
            return local.data_type == "decimal" or here.type == type_of("", local) == kind
        case TypeKind.TEXT | TypeKind.BLOB if kind.length is not None and local.length is not None:
            return local.length >= kind.length or local.data_type in ("enum", "set")
        case TypeKind.UUID:
            return local.data_type == "uuid" or (local.length or 0) >= 32
        case _:
            return True
