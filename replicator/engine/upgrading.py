"""The host takes over what its application has made of a table, and tells the stations (protocol.md 7.8).

By a person's order, or in a run where nothing can go wrong: columns that were added, and that rows elsewhere can get
without asking anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from replicator.engine import fitness
from replicator.engine.collect import open_group
from replicator.engine.leaving import let_go
from replicator.engine.node import Node, Unit
from replicator.engine.releasing import release_rows_of
from replicator.engine.soundness import KIND, kept_from
from replicator.engine.table_changes import Taken, make_capture, prepare, send_all, send_found, standing, take_over
from replicator.errors import ReplicatorError, UnfitTable, WrongUse
from replicator.protocol.definitions import table_to_plain
from replicator.protocol.versions import Ambiguous, Difference, difference, fills_old_rows, next_version
from replicator.store import bases, notices, numbers, table_versions
from replicator.types import Table, TableDefinition

NO_COLUMNS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A table as it was and as it is now."""

    old: Table
    new: Table
    difference: Difference
    unseen: bool
    """The triggers are gone, as what makes a table anew takes them with it: nobody knows what was written since."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    table: Table
    difference: Difference
    rows: int
    """Rows that are sent for what stands in its new columns."""
    stations: list[str]
    """Who is told."""
    unseen: bool


def plan(
    unit: Unit, table: Table, renamed: Mapping[str, str] | None = None, again: Mapping[str, int] = NO_COLUMNS
) -> Upgrade | None:
    """What is to be taken over; None: the table stands as it is replicated.

    `renamed`: old names of columns and their new ones; None: nobody has said. `again`: columns that come again, with
    the numbers that they had. Raises UnknownName, UnfitTable, and
    WrongUse where only a person can tell what was done.
    """
    definition = standing(unit, table)
    _require_gone(table, definition, renamed or {})
    if definition == table.definition:
        return None
    known = table_versions.load_versions(unit.connection, table.id)
    epoch = unit.state.host_epoch
    version = epoch, table_versions.last_number(unit.connection, epoch) + 1
    for each in known:
        # It was begun, and the node died.
        if each.from_n is None and each.table.version[0] == epoch and each.table.definition == definition:
            version = each.table.version
            said = set((renamed or {}).values())
            begun = zip(definition.column_names, each.table.column_ids, strict=True)
            again = {name: number for name, number in begun if name not in said}
    try:
        new = next_version(
            table, definition, version, [each.table for each in known if each.table.version != version], renamed, again
        )
    except Ambiguous as told:
        gone, come = ", ".join(told.gone), ", ".join(told.come)
        raise WrongUse(
            f"table {table.name} has lost {gone} and has got {come}: say which was renamed, as --renamed OLD=NEW, or "
            f"--renamed none where nothing was"
        ) from None
    except ValueError as error:
        raise WrongUse(f"table {table.name}: {error}") from error
    _require_same_key(table, new)
    _require_parents(unit, definition)
    _require_numbered(unit, table, new)
    unseen = not unit.database.captures_all(unit.connection, table)
    return Upgrade(table, new, difference(table, new), unseen)


def _require_gone(table: Table, definition: TableDefinition, renamed: Mapping[str, str]) -> None:
    """What was written in between by the old triggers would have gone under the other's name."""
    for old, new in renamed.items():
        if old in definition.column_names and old in table.definition.column_names:
            raise WrongUse(
                f"table {table.name} has a column {old}, so that was not renamed to {new}; where columns change their "
                f"names with one another, rename them one by one by way of a new name, with a table upgrade behind each"
            )


def _require_same_key(old: Table, new: Table) -> None:
    def key(table: Table) -> list[tuple[int, str]]:
        places = table.definition.key_indexes
        return [(table.column_ids[place], table.definition.columns[place].type.kind) for place in places]

    if key(old) != key(new):
        raise UnfitTable(
            f"The primary key of table {new.name} is another one now, or of another type, and rows are told by it: "
            f"take the table out of replication and add it anew."
        )


def _require_numbered(unit: Unit, old: Table, new: Table) -> None:
    """Grants under way name the column, and whoever draws from them would find it gone."""
    told = difference(old, new)
    gone = {*told.dropped, *(before for before, _ in told.renamed)}
    for stored in numbers.load_ranges(unit.connection).values():
        if stored.range.table == old.id and stored.range.column in gone:
            raise UnfitTable(
                f"Column {old.name}.{stored.range.column} draws numbers from blocks, and stations draw from them: call "
                f"it as before, and end its range first."
            )


def _require_parents(unit: Unit, definition: TableDefinition) -> None:
    names = {table.name for table in unit.tables.values()}
    missing = [key.parent for key in definition.foreign_keys if key.parent not in names]
    if missing:
        raise UnfitTable(
            f"Table {definition.name} refers to {missing[0]} now, which is not replicated; add that first: "
            f"replicator table add {missing[0]}"
        )


def upgrade(
    node: Node, name: str, renamed: Mapping[str, str] | None = None, dropping: Collection[str] | None = None
) -> Upgraded | None:
    """Take the table over as it stands; None: there is nothing to do. `dropping`: columns that stand and are to be
    replicated no more, so that the application can drop them; None: nobody has said. Raises as `plan`, and
    DatabaseBusy."""
    at_once = node.database.capabilities.transactional_definitions
    with node.unit() as unit:
        stays = {} if dropping is None else let_go(unit, _table(unit, name), dropping)
        found = plan(unit, _table(unit, name), renamed, stays)
        if found is None:
            return None
        if at_once:
            done = _carry_out(unit, found)
        else:
            prepare(unit, found.new)
    if not at_once:
        with node.unit() as unit:
            done = _carry_out(unit, found)
    # What stations sent that the table could not hold before.
    release_rows_of(node, found.new.id)
    return done


def _table(unit: Unit, name: str) -> Table:
    return next(table for table in unit.tables.values() if table.name == name)


def _carry_out(unit: Unit, found: Upgrade) -> Upgraded:
    taken, new = take_over(unit, found.new), found.new
    # The next base is one of the rows as they are by then: between the two nothing can be built.
    bases.end(unit.connection, new.id, unit.state.last_n)
    told = [peer for peer in unit.peers.values() if unit.current_rule(peer.id, new.id)]
    if told:
        open_group(unit, control="schema")
        for peer in told:
            unit.journal.add_control(peer.id, "schema", {"tables": [table_to_plain(new)]})
        # In a batch of its own, as the stations need a transaction of its own for it.
        unit.journal.finish(closing=True)
    rows = send_found(unit, taken, new, found.difference.added, unseen=found.unseen)
    if not found.unseen and (converted := _converted(unit, taken.old, new)):
        rows = send_all(unit, new, converted)
    for peer in told:
        fitness.review(unit, peer)
    notices.settle(unit.connection, (KIND,), new.name)
    return Upgraded(new, found.difference, rows, [peer.name for peer in told], found.unseen)


def _converted(unit: Unit, old: Table, new: Table) -> list[str]:
    """Columns whose values may be others since their type was changed: those that can't hold all that the former type
    could. No trigger sees what the database makes of them."""
    former = dict(zip(old.column_ids, old.definition.columns, strict=True))
    found = []
    for number, column in zip(new.column_ids, new.definition.columns, strict=True):
        before = former.get(number, column)
        if before.type == column.type:
            continue
        columns = tuple(replace(each, type=before.type) if each is column else each for each in new.definition.columns)
        if unit.database.differences(unit.connection, replace(new.definition, columns=columns)):
            found.append(column.name)
    return found


def renew(node: Node, name: str) -> int:
    """Make the capture of a table anew that stands as it is replicated, where something is wrong with it. Gives how
    many rows are sent: all, where triggers are gone, as nobody knows what was written since. Raises DatabaseBusy."""
    with node.unit() as unit:
        table = _table(unit, name)
        if not unit.database.capture_faults(unit.connection, table):
            return 0
        unit.database.hold_table(unit.connection, name)
        unseen = not unit.database.captures_all(unit.connection, table)
        rows = send_found(unit, Taken(table, make_capture(unit, table, table)), table, (), unseen=unseen)
        notices.settle(unit.connection, (KIND,), name)
    return rows


def take_over_safe(node: Node, names: list[str]) -> None:
    """Of these tables, which do not stand as they are replicated, those that were only added to. The others wait for a
    person, who is told by the look at the capture that follows."""
    for name in names:
        try:
            with node.unit() as unit:
                found = plan(unit, _table(unit, name))
                if found is None or not _is_safe(found):
                    continue
            done = upgrade(node, name)
        except WrongUse:
            continue
        except ReplicatorError as error:
            kept_from(node, name, error)
            continue
        if done is not None:
            with node.unit() as unit:
                text = f"table {name}: {done.difference.sentence()}; taken over by itself"
                if done.unseen:
                    text += ", and as its triggers were gone, all its rows are sent once more"
                unit.notice("table-upgraded", f"{name} {done.table.version[0]}.{done.table.version[1]}", text)


def _is_safe(found: Upgrade) -> bool:
    added = [found.new.definition.columns[found.new.definition.index_of(name)] for name in found.difference.added]
    return bool(added) and found.difference.is_addition and all(map(fills_old_rows, added))
