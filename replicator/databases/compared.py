"""How a table that is there differs from a definition, as far as that is the same for every database."""

from __future__ import annotations

from collections.abc import Callable

from replicator.types import ColumnDefinition, ForeignKey, TableDefinition


def column_differences(
    found: TableDefinition,
    wanted: TableDefinition,
    compare: Callable[[ColumnDefinition, ColumnDefinition], list[str]],
    fills_itself: Callable[[str], bool],
) -> list[str]:
    """A sentence for each. `compare` tells how a column here differs from the wanted one, `fills_itself` of a column
    here whether it has a value where none is given."""
    name = wanted.name
    result = []
    present = {column.name: column for column in found.columns}
    for column in wanted.columns:
        here = present.pop(column.name, None)
        if here is None:
            result.append(f"Table {name} has no column {column.name}.")
            continue
        result += compare(here, column)
        if here.nullable != column.nullable:
            result.append(f"Column {name}.{column.name} must {'' if column.nullable else 'not '}allow NULL.")
    result += [
        f"Table {name} has a further column {column.name} that needs a value: let it be NULL or give it a default."
        for column in present.values()
        if not column.nullable and not fills_itself(column.name)
    ]
    return result


def key_differences(found: TableDefinition, wanted: TableDefinition) -> list[str]:
    """A sentence for each."""
    name = wanted.name
    result = []
    if found.primary_key != wanted.primary_key:
        result.append(
            f"The primary key of table {name} is {', '.join(found.primary_key)}, not {', '.join(wanted.primary_key)}."
        )
    # The order of a unique key's columns says nothing about which rows clash, and one that says what the primary key
    # says is nothing of its own: PostgreSQL makes none.
    same = {frozenset(wanted.primary_key)}
    here = {frozenset(key.columns) for key in found.unique_keys} - same
    there = {frozenset(key.columns) for key in wanted.unique_keys} - same
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
