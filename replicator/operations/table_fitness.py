"""Which tables can be taken into replication, called what, and which can leave it: what is refused, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.engine.node import Unit
from replicator.errors import UnfitTable, WrongUse
from replicator.protocol.order import parents_first
from replicator.types import Table, TableDefinition

ALL = "all"
"""What a rule is set for when it is set for every table; no table or area may have this name."""
AREA_LENGTH = 200


def definitions_of(
    database: Database,
    connection: Connection,
    tables: Mapping[int, Table],
    names: Sequence[str],
    area: str | None,
    replace_cascades: bool,
) -> dict[str, TableDefinition]:
    """Of tables that are to be replicated, by name. Raises UnknownName, UnfitTable, WrongUse."""
    check_names(tables, area, names)
    found = {}
    for name in dict.fromkeys(names):
        look = database.inspect_replaced if replace_cascades else database.inspect
        definition = look(connection, name)
        if any(table.name == definition.name for table in tables.values()):
            raise WrongUse(f"table {definition.name} is replicated already; see: replicator table list")
        found[definition.name] = definition
    _require_parents(found, [table.name for table in tables.values()])
    return found


def check_names(known: Mapping[int, Table], area: str | None, names: Sequence[str]) -> None:
    """A rule is set for a table, an area or all: the three must be told apart."""
    tables = {table.name for table in known.values()} | set(names)
    areas = {table.area for table in known.values() if table.area}
    if area is not None:
        if not area.strip() or not area.isprintable() or len(area) > AREA_LENGTH:
            raise WrongUse(f"the area's name is empty, or longer than {AREA_LENGTH} characters; choose another one")
        if area in tables or area == ALL:
            raise WrongUse(f"the area can't be named {area}, as a table or a word of the commands is; choose another")
    clash = areas & set(names)
    if clash:
        raise WrongUse(f"there is an area named {min(clash)}, so a rule could not name the table; rename the area")


def _require_parents(found: dict[str, TableDefinition], replicated: Collection[str]) -> None:
    there = {*replicated, *found}
    for name, definition in found.items():
        parents = [key.parent for key in definition.foreign_keys if key.parent not in there]
        if parents:
            missing = " ".join(dict.fromkeys(parents))
            raise UnfitTable(
                f"table {name} refers to {parents[0]}, which is not replicated; add it too: "
                f"replicator table add {missing} {name}"
            )


def parents_before(found: dict[str, TableDefinition]) -> list[TableDefinition]:
    """Parents before children, as far as that can be; else in the caller's order."""
    numbered = [Table(place, each.name, each) for place, each in enumerate(found.values())]
    return [table.definition for table in parents_first(numbered)]


def refuse_removal(unit: Unit, table: Table, leaving: dict[int, Table]) -> None:
    """Raises WrongUse where a rule names the table, or a table that stays refers to it."""
    stations = [
        peer.name
        for peer in unit.peers.values()
        if peer.id in unit.books and not peer.backup and unit.current_rule(peer.id, table.id)
    ]
    if stations:
        raise WrongUse(
            f"{', '.join(stations)} still has a rule for {table.name}; take it away first: "
            f"replicator rule set {stations[0]} {table.name} --to-remote none --to-host none"
        )
    for child in unit.tables.values():
        if child.id not in leaving and any(key.parent == table.name for key in child.definition.foreign_keys):
            raise WrongUse(
                f"table {child.name} is replicated and refers to {table.name}; remove both: "
                f"replicator table remove {child.name} {table.name}"
            )
