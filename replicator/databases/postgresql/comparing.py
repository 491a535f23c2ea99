"""What PostgreSQL calls equal in unique and foreign keys, as Python values; how a table differs from a definition."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal, InvalidOperation

from replicator.databases.postgresql import catalogue
from replicator.databases.postgresql.columntypes import catalogue_name, column_type, type_words
from replicator.databases.postgresql.definitions import definition_of, read_local
from replicator.databases.postgresql.statements import Driver
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, ColumnType, ForeignKey, TableDefinition, TypeKind, Value

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
    if column.collation == "citext":
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


def differences(raw: Driver, schema: str, wanted: TableDefinition) -> list[str]:
    """One sentence each; [] if rows of `wanted` fit. Defaults, plain indexes and names of keys don't matter."""
    if catalogue.read(raw, schema, wanted.name) is None:
        return [f"Table {wanted.name} doesn't exist."]
    try:
        local = read_local(raw, schema, wanted.name)
        found = definition_of(local)
    except UnfitTable as error:
        return [str(error)]
    result = []
    present = {column.name: column for column in found.columns}
    for column in wanted.columns:
        here = present.pop(column.name, None)
        if here is None:
            result.append(f"Table {wanted.name} has no column {column.name}.")
        else:
            result += _column(wanted.name, here, column)
    result += [
        f"Table {wanted.name} has a further column {column.name} that needs a value: let it be NULL or give it a "
        "default."
        for column in present.values()
        if not column.nullable and local.column(column.name).default is None and not local.column(column.name).identity
    ]
    return [*result, *_keys(found, wanted)]


def _column(table: str, here: ColumnDefinition, wanted: ColumnDefinition) -> list[str]:
    result = []
    words = type_words(wanted.type)
    if here.type != wanted.type and _bare_type(here.type) != _bare_type(column_type(catalogue_name(words), words)):
        result.append(f"Column {table}.{wanted.name} has the type {type_words(here.type)}, not {words}.")
    if here.nullable != wanted.nullable:
        result.append(f"Column {table}.{wanted.name} must {'' if wanted.nullable else 'not '}allow NULL.")
    return result


def _bare_type(kind: ColumnType) -> tuple[TypeKind, int | None, int | None, int | None, int | None]:
    return kind.kind, kind.length, kind.precision, kind.scale, kind.bits


def _keys(found: TableDefinition, wanted: TableDefinition) -> list[str]:
    name = wanted.name
    result = []
    if found.primary_key != wanted.primary_key:
        result.append(
            f"The primary key of table {name} is {', '.join(found.primary_key)}, not {', '.join(wanted.primary_key)}."
        )
    here = {frozenset(key.columns) for key in found.unique_keys}
    there = {frozenset(key.columns) for key in wanted.unique_keys}
    result += [f"Table {name} lacks the unique key {', '.join(sorted(key))}." for key in _sorted(there - here)]
    result += [f"Table {name} has a further unique key {', '.join(sorted(key))}." for key in _sorted(here - there)]
    parents_here = {_bare(key) for key in found.foreign_keys}
    parents_there = {_bare(key) for key in wanted.foreign_keys}
    result += [
        f"Table {name} lacks the foreign key {', '.join(key[0])} to {key[1]}."
        for key in sorted(parents_there - parents_here)
    ]
    result += [
        f"Table {name} has a further or different foreign key {', '.join(key[0])} to {key[1]}."
        for key in sorted(parents_here - parents_there)
    ]
    return result


def _sorted(keys: set[frozenset[str]]) -> list[frozenset[str]]:
    return sorted(keys, key=sorted)


def _bare(key: ForeignKey) -> tuple[tuple[str, ...], str, tuple[str, ...], str, str]:
    """What decides about rows. A key that is checked at once or at commit refuses the same rows in the end."""
    return key.columns, key.parent, key.parent_columns, key.on_delete, key.on_update
