"""What PostgreSQL calls equal in unique and foreign keys, as Python values; how a table differs from a definition."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal, InvalidOperation

from replicator.databases.compared import column_differences, key_differences
from replicator.databases.portable import key_columns
from replicator.databases.postgresql import catalogue
from replicator.databases.postgresql.carriage import LocalType, refusal
from replicator.databases.postgresql.definitions import definition_of, local_type, read_local
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, TableDefinition, TypeKind, Value

Mapper = Callable[[Value], Hashable]


def comparable(definition: TableDefinition, columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
    """See `Database.comparable`."""
    mappers = [_mapper(definition.columns[place]) for place in definition.indexes_of(columns)]

    def compare(values: Sequence[Value]) -> Hashable | None:
        if None in values:
            return None
        return tuple(mapper(value) for mapper, value in zip(mappers, values, strict=True))

    return compare


def _mapper(column: ColumnDefinition) -> Mapper:
    kind, declared = column.type.kind, column.type.declared or ""
    if kind in (TypeKind.NUMERIC, TypeKind.INTEGER, TypeKind.REAL, TypeKind.BOOLEAN):
        return _number
    if column.collation == "NOCASE":
        return lambda value: value.lower() if isinstance(value, str) else value
    if declared.startswith("character("):
        return lambda value: value.rstrip(" ") if isinstance(value, str) else value
    if kind is TypeKind.UUID:
        return lambda value: value.replace("-", "").strip("{}").lower() if isinstance(value, str) else value
    return _itself


def _itself(value: Value) -> Hashable:
    return str(value) if isinstance(value, (int, float)) else value


def _number(value: Value) -> Hashable:
    """1, 1.0 and '1.00' are one number; NaN is equal to itself here."""
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            return value
        return "NaN" if number.is_nan() else number
    return "NaN" if value != value else value


def differences(raw: Driver, schemas: Schemas, wanted: TableDefinition) -> list[str]:
    """One sentence each; [] if rows of `wanted` fit. Defaults, plain indexes and names of keys don't matter."""
    if catalogue.read(raw, schemas.application, wanted.name) is None:
        return [f"Table {wanted.name} doesn't exist."]
    try:
        local = read_local(raw, schemas, wanted.name)
        found = definition_of(local)
    except UnfitTable as error:
        return [str(error)]
    keys = key_columns(wanted)

    def compare(here: ColumnDefinition, column: ColumnDefinition) -> list[str]:
        return _column(wanted.name, here, column, local_type(local.column(column.name)), in_key=column.name in keys)

    def fills_itself(name: str) -> bool:
        column = local.column(name)
        return column.default is not None or bool(column.identity)

    return [*column_differences(found, wanted, compare, fills_itself), *key_differences(found, wanted)]


def _column(
    table: str, here: ColumnDefinition, wanted: ColumnDefinition, local: LocalType, *, in_key: bool
) -> list[str]:
    result = []
    refused = refusal(wanted.type, local)
    if refused is not None:
        result.append(f"Column {table}.{wanted.name} {refused}")
    if in_key and here.collation and not wanted.collation:
        result.append(f"Column {table}.{wanted.name} is citext, which takes capitals for equal: make it text.")
    return result
