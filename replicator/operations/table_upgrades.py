"""What the application has made of replicated tables is taken over, by a person's order or a migration's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from replicator.engine import bases
from replicator.engine.held_tables import follow, reasons_held, wanted_form
from replicator.engine.leaving import let_go, look_after_gone
from replicator.engine.node import Node
from replicator.engine.progress import Progress, Silent
from replicator.engine.soundness import unusable
from replicator.engine.upgrading import renew, upgrade
from replicator.errors import WrongUse
from replicator.store import catalogue, table_versions
from replicator.types import Role, Table


@dataclass(frozen=True, slots=True)
class TableUpgrade:
    name: str
    changes: tuple[str, ...]
    """What was taken over; empty: it stood as it is replicated."""
    rows: int
    """Rows that are sent for what stood in its new columns, or, where nothing has changed but its triggers were gone or
    out of date, for what they have missed."""
    stations: tuple[str, ...]
    """Who is told."""
    held: tuple[str, ...]
    """At a station: why it can't be as the host has it, a sentence each."""
    leaving: tuple[str, ...] = ()
    """Columns that are replicated no more, and stand until the application drops them."""


def upgrade_tables(
    node: Node,
    names: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    *,
    dropping: Collection[str] | None = None,
    progress: Progress | None = None,
) -> list[TableUpgrade]:
    """Take these tables (all, if none is named) over as the application has made them, or at a station as the host
    has them. What was changed gets a new base, for the journal's replay; if that fails, the next run does it. Where a
    table stands as it is replicated, and its triggers do not, they are made anew.

    `renamed`: old names of columns with their new ones; None: nobody has said. `dropping`: columns of the one table
    that stand and are replicated no more, so that the application can drop them; None: those that were said before.
    Raises UnknownName, UnfitTable, DatabaseBusy, and WrongUse where only a person can tell what was done.
    """
    if dropping is not None and len(names) != 1:
        raise WrongUse("columns that are to be dropped are those of one table: name it")
    with node.unit() as unit:
        wanted = [catalogue.find_table(unit.connection, name) for name in names] or list(unit.tables.values())
        if dropping is not None and node.role is Role.STATION:
            let_go(unit, wanted[0], dropping)
    if node.role is Role.STATION:
        look_after_gone(node, [table.name for table in wanted])
        follow(node)
        return _with_leaving(node, [_upgraded_here(node, table) for table in wanted])
    found = []
    look_after_gone(node, [table.name for table in wanted])
    for table in wanted:
        done = upgrade(node, table.name, renamed, dropping)
        if done is None:
            found.append(TableUpgrade(table.name, (), renew(node, table.name), (), ()))
            continue
        sentence = done.difference.sentence()
        found.append(TableUpgrade(table.name, (sentence,), done.rows, tuple(done.stations), ()))
    bases.keep(node, progress or Silent())
    return _with_leaving(node, found)


def _with_leaving(node: Node, found: list[TableUpgrade]) -> list[TableUpgrade]:
    with node.unit() as unit:
        numbers = {table.name: table.id for table in unit.tables.values()}
        left = [sorted(table_versions.leaving(unit.connection, numbers[each.name])) for each in found]
    return [replace(each, leaving=tuple(names)) for each, names in zip(found, left, strict=True)]


def _upgraded_here(node: Node, table: Table) -> TableUpgrade:
    with node.unit() as unit:
        held = unit.held.get(table.id)
        reasons = () if held is None else tuple(reasons_held(unit, wanted_form(unit, held)))
        if not reasons and (fault := unusable(unit, unit.tables[table.id])):
            reasons = (fault,)
    rows = 0 if reasons else renew(node, table.name)
    return TableUpgrade(table.name, (), rows, (), reasons)
