"""Columns that leave: replicated no more, while they stand until the application drops them (protocol.md 7.8).

Triggers name the columns that they capture, and SQLite drops none that a trigger names. So the capture goes first: by
a person's order it is made anew without the column, and which it is stands on record, so that nobody takes it for one
that has come.
"""

from __future__ import annotations

from collections.abc import Collection

from replicator.engine.held_tables import wanted_form
from replicator.engine.node import Node, Unit
from replicator.engine.soundness import kept_from
from replicator.engine.table_changes import make_capture
from replicator.errors import ReplicatorError, WrongUse
from replicator.store import table_versions
from replicator.types import Table


def let_go(unit: Unit, table: Table, names: Collection[str]) -> dict[str, int]:
    """These columns, and none but these, leave. Returns those that stay after all, with the numbers that they had.
    Raises WrongUse where one can't be done without, and at a station where the host still has it."""
    held = unit.held.get(table.id)
    form = table if held is None else wanted_form(unit, held)
    numbers = dict(zip(table.definition.column_names, table.column_ids, strict=True))
    if there := [] if unit.is_host else [name for name in names if numbers.get(name) in form.column_ids]:
        raise WrongUse(f"the host has column {table.name}.{there[0]}: it is dropped there first, and its word awaited")
    definition = unit.database.inspect(unit.connection, table.name)
    keyed = {*definition.primary_key, *(name for key in definition.unique_keys for name in key.columns)}
    keyed |= {name for key in definition.foreign_keys for name in key.columns}
    for name in names:
        column = next((each for each in definition.columns if each.name == name), None)
        if column is None:
            raise WrongUse(f"table {table.name} has no column {name}; it has {', '.join(definition.column_names)}")
        if name in keyed:
            raise WrongUse(f"column {table.name}.{name} is part of a key: drop that key first, or make the table anew")
        if not column.nullable and column.default is None:
            raise WrongUse(
                f"column {table.name}.{name} needs a value in every row and has no default, so that rows of other "
                f"places could not be written as long as it stands: make the table anew without it, and then run: "
                f"replicator table upgrade {table.name}"
            )
    former = table_versions.leaving(unit.connection, table.id).difference(names)
    table_versions.set_leaving(unit.connection, table.id, names)
    known: dict[str, int] = {}
    for each in table_versions.load_versions(unit.connection, table.id):
        known.update(zip(each.table.definition.column_names, each.table.column_ids, strict=True))
    return {name: known[name] for name in former.intersection(definition.column_names) if name in known}


def look_after_gone(node: Node, names: Collection[str]) -> None:
    """Of these tables: columns that left are gone by now. The capture is told so; nothing was missed."""
    for name in names:
        try:
            with node.unit() as unit:
                _look_after_gone(unit, next(table for table in unit.tables.values() if table.name == name))
        except ReplicatorError as error:
            kept_from(node, name, error)


def _look_after_gone(unit: Unit, table: Table) -> None:
    left = table_versions.leaving(unit.connection, table.id)
    if not left or not unit.database.has_table(unit.connection, table.name):
        return
    here = left.intersection(unit.database.inspect(unit.connection, table.name).column_names)
    if here == left:
        return
    table_versions.set_leaving(unit.connection, table.id, here)
    if unit.database.captures_all(unit.connection, table) and not unit.database.differences(
        unit.connection, table.definition
    ):
        unit.database.hold_table(unit.connection, table.name)
        make_capture(unit, table, table)
