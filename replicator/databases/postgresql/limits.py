"""What PostgreSQL can take of a table, by its definition alone (databases.limits)."""

from __future__ import annotations

from replicator.databases.limits import (
    Others,
    Outlook,
    counting_misfit,
    indexes_of,
    loose_parents,
    parent_of,
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
    return Outlook(
        refused=[
            *_names(definition),
            *too_many(definition, MOST_COLUMNS),
            *_columns(definition),
            *_wide_keys(definition),
            *loose_parents(definition, others, _TITLE),
            *_foreign_types(definition, others),
        ],
        unmade=[*counting_misfit(definition, {TypeKind.INTEGER}, _TITLE), *_json_keys(definition)],
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


def _wide_keys(definition: TableDefinition) -> list[str]:
    return [
        f"The {what} of table {definition.name} has {len(columns)} columns: PostgreSQL takes {_MOST_KEY_COLUMNS}."
        for what, columns in indexes_of(definition)
        if len(columns) > _MOST_KEY_COLUMNS
    ]


def _json_keys(definition: TableDefinition) -> list[str]:
    """Its type json can't be compared."""
    found = dict.fromkeys(
        column
        for what, columns in indexes_of(definition)
        for column in columns
        if what != "foreign key" and definition.columns[definition.index_of(column)].type.kind is TypeKind.JSON
    )
    return [
        f"Column {definition.name}.{column} is JSON in a key or an index, which PostgreSQL lacks: make it text there."
        for column in found
    ]


def _foreign_types(definition: TableDefinition, others: Others) -> list[str]:
    found = []
    for key in definition.foreign_keys:
        parent = parent_of(definition, key, others)
        for own, theirs in zip(key.columns, key.parent_columns, strict=True) if parent else ():
            assert parent is not None  # noqa: S101 - for the type checker
            if theirs not in parent.column_names:
                continue
            kind = definition.columns[definition.index_of(own)].type.kind
            parents = parent.columns[parent.index_of(theirs)].type.kind
            if parents is not kind and parents not in _REFERS_TO.get(kind, ()):
                found.append(
                    f"Column {definition.name}.{own} ({kind}) refers to {key.parent}.{theirs} ({parents}), which "
                    "PostgreSQL can't compare: give them one type."
                )
    return found
