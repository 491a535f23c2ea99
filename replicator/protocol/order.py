"""Tables in an order that suits their foreign keys."""

from __future__ import annotations

from collections.abc import Iterable

from replicator.types import Table


def parents_first(tables: Iterable[Table]) -> list[Table]:
    """Parents before children where that can be; within a circle, and else, by number."""
    left = {table.name: table for table in sorted(tables, key=lambda table: table.id)}
    ordered: list[Table] = []
    while left:
        free = [table for table in left.values() if not _waits(table, left)]
        ordered.extend(left.pop(table.name) for table in free or [next(iter(left.values()))])
    return ordered


def _waits(table: Table, left: dict[str, Table]) -> bool:
    return any(key.parent in left and key.parent != table.name for key in table.definition.foreign_keys)


def may_come_late(tables: Iterable[Table]) -> bool:
    """Can a row refer to one behind it, even with parents first? A table that refers to itself, or a circle."""
    placed: set[str] = set()
    ordered = parents_first(tables)
    names = {table.name for table in ordered}
    for table in ordered:
        if any(key.parent in names and key.parent not in placed for key in table.definition.foreign_keys):
            return True
        placed.add(table.name)
    return False
