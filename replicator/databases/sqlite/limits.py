"""What SQLite can take of a table, by its definition alone (databases.limits)."""

from __future__ import annotations

import string

from replicator.databases.limits import (
    Others,
    Outlook,
    column_name_clashes,
    listed,
    loose_parents,
    reserved_names,
    too_many,
)
from replicator.databases.own_names import OURS
from replicator.databases.portable import takes_numbers
from replicator.databases.sqlite.columntypes import affinity, type_words
from replicator.types import TableDefinition, TypeKind

COLLATIONS = {"BINARY", "NOCASE", "RTRIM"}
MOST_COLUMNS = 900
"""The outbox holds each column twice, and SQLite allows 2,000 columns."""
_TITLE = "SQLite"
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def limits(definition: TableDefinition, others: Others) -> Outlook:
    return Outlook(
        refused=[
            *reserved_names(definition, ("sqlite_", OURS), _TITLE),
            *_same_tables(definition, others),
            *column_name_clashes(definition, _folded, _TITLE),
            *too_many(definition, MOST_COLUMNS),
            *loose_parents(definition, others, _TITLE),
        ],
        unmade=_collations(definition),
        altered=_as_text(definition),
    )


def _folded(name: str) -> str:
    """Letters beyond ASCII are told apart."""
    return name.translate(_SMALL)


def _same_tables(definition: TableDefinition, others: Others) -> list[str]:
    return [
        f"The tables {definition.name} and {other} have one name on SQLite, where capitals don't count: rename one."
        for other in others
        if other != definition.name and _folded(other) == _folded(definition.name)
    ]


def _collations(definition: TableDefinition) -> list[str]:
    return [
        f"Column {definition.name}.{column.name} has a collation that SQLite doesn't know: {column.collation}."
        for column in definition.columns
        if column.collation is not None and column.collation not in COLLATIONS
    ]


def _as_text(definition: TableDefinition) -> list[str]:
    columns = [
        column.name
        for column in definition.columns
        if column.type.kind is TypeKind.NUMERIC
        and not takes_numbers(column.type)
        and affinity(type_words(column.type)) == "TEXT"
    ]
    if not columns:
        return []
    many = "s" * (len(columns) == 1)
    return [
        f"{listed(definition, columns)} hold{many} more digits than a number of SQLite: kept and sorted as text there."
    ]
