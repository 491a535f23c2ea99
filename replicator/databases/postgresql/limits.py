"""What PostgreSQL can take of a table, by its definition alone (databases.limits)."""

from __future__ import annotations

from collections.abc import Sequence

from replicator.databases.limits import (
    Others,
    Outlook,
    counting_misfit,
    foreign_types,
    keys_of,
    loose_parents,
    many_columned,
    too_many,
)
from replicator.types import TableDefinition, TypeKind

NAME_BYTES = 63
MOST_COLUMNS = 750
"""A captured update has each column twice, and PostgreSQL allows 1,600 columns."""
_MOST_KEY_COLUMNS = 32
_TITLE = "PostgreSQL"
_SYSTEM_COLUMNS = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
_MOMENTS = {TypeKind.DATE, TypeKind.TIMESTAMP, TypeKind.TIMESTAMP_WITH_ZONE}
_REFERS_TO = {
    TypeKind.INTEGER: {TypeKind.INTEGER, TypeKind.NUMERIC, TypeKind.REAL},
    TypeKind.NUMERIC: {TypeKind.NUMERIC, TypeKind.REAL},
    TypeKind.TIME: {TypeKind.TIME, TypeKind.INTERVAL},
    **dict.fromkeys(_MOMENTS, _MOMENTS),
}
"""Kinds of a parent's column that a foreign key's may refer to, besides its own."""


def limits(definition: TableDefinition, others: Others) -> Outlook:
    foreign = foreign_types(definition, others, _may_refer, _TITLE)
    return Outlook(
        refused=[
            *_names(definition),
            *too_many(definition, MOST_COLUMNS),
            *_columns(definition),
            *many_columned(definition, _MOST_KEY_COLUMNS, _TITLE),
            *loose_parents(definition, others, _TITLE),
            *foreign.refused,
        ],
        unmade=[
            *counting_misfit(definition, {TypeKind.INTEGER}, _TITLE),
            *_json_keys(definition),
            *foreign.unmade,
        ],
    )


def _names(definition: TableDefinition) -> list[str]:
    found = [
        f"The name {name} has more than {NAME_BYTES} bytes, which PostgreSQL cuts off: shorten it."
        for name in (definition.name, *definition.column_names)
        if len(name.encode()) > NAME_BYTES
    ]
    return found + [
        f"Column {definition.name}.{name} has a name that PostgreSQL keeps for itself: rename it."
        for name in definition.column_names
        if name in _SYSTEM_COLUMNS
    ]


def _columns(definition: TableDefinition) -> list[str]:
    return [
        f"Column {definition.name}.{column.name} holds values of any type, as only SQLite can: give it a type there."
        for column in definition.columns
        if column.type.kind is TypeKind.ANY
    ]


def can_be_indexed(definition: TableDefinition, columns: Sequence[str]) -> bool:
    """Its type json can't be compared."""
    kinds = [definition.columns[place].type.kind for place in definition.indexes_of(columns)]
    return TypeKind.JSON not in kinds and len(columns) <= _MOST_KEY_COLUMNS


def _json_keys(definition: TableDefinition) -> list[str]:
    found = dict.fromkeys(
        column
        for what, columns in keys_of(definition)
        for column in columns
        if what != "foreign key" and not can_be_indexed(definition, (column,))
    )
    return [
        f"Column {definition.name}.{column} is JSON in a key, which PostgreSQL lacks: make it text there."
        for column in found
    ]


def _may_refer(kind: TypeKind, parents: TypeKind) -> bool:
    return parents in _REFERS_TO.get(kind, ())
