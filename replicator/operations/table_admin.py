"""Which tables are replicated: adding, checking and removing them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from replicator.engine import backing_up, bases, fitness, number_ledgers
from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Progress, Silent
from replicator.engine.rule_changes import set_rules
from replicator.errors import WrongUse
from replicator.operations.opening import View, require_host
from replicator.operations.table_fitness import check_names, definitions_of, parents_before, refuse_removal
from replicator.protocol.rules import RuleBook
from replicator.store import bases as base_rows
from replicator.store import catalogue, notices, table_versions
from replicator.types import NO_RULE, Policy, Rule, Table, TableDefinition

CAPTURE = "capture"
"""Kind of the notice that a table or its triggers were changed or dropped; see engine.session."""


@dataclass(frozen=True, slots=True)
class TableSummary:
    table: Table
    rows: int | None
    """None: the table is missing from the database."""
    stations: dict[str, Rule]
    """Stations whose rule lets anything of this table pass, by name. At a station: itself, where it has a rule."""
    version: int = 1
    """How often its definition was changed, and one."""
    held: bool = False
    """At a station: the host has another version, which this one can't take by itself."""


@dataclass(frozen=True, slots=True)
class TableCheck:
    name: str
    faults: tuple[str, ...]
    """What differs from what is replicated, and what is wrong with its triggers, a sentence each."""
    repaired: bool
    """Its triggers were made anew."""


@dataclass(frozen=True, slots=True)
class Added:
    tables: list[Table]
    remarks: list[str]
    """What of them stays behind when they travel, and which stations can't get them, a sentence each."""


def add_tables(
    node: Node,
    names: Sequence[str],
    *,
    area: str | None = None,
    policy: Policy = Policy.HOST,
    replace_cascades: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Capture changes of these tables from now on; parents come first. Nothing is sent before a rule says so. A base of
    them is kept, for the journal's replay; if that fails or is interrupted, the next run does it.

    `replace_cascades`: triggers may take the place of foreign keys that change rows unnoticed.

    Raises UnknownName, UnfitTable (each with what to do), WrongUse (replicated already, an area's name).
    """
    require_host(node, "tables are added")
    with node.unit() as unit:
        found = definitions_of(unit.database, unit.connection, unit.tables, names, area, replace_cascades)
        added, remarks = [], []
        for definition in parents_before(found):
            table = Table(unit.state.next_table, definition.name, definition, area, policy)
            unit.state.next_table += 1
            if replace_cascades:
                remarks += unit.database.replace_cascades(unit.connection, table.name)
            unit.database.install_capture(unit.connection, table)
            catalogue.save_table(unit.connection, table, unit.now)
            added.append(table)
            remarks += unit.database.remarks(unit.connection, table.name)
        unit.forget_catalogue()
        unit.database.allow_requests(unit.connection)
        for table in added:
            remarks += fitness.by_kind(unit.peers.values(), table, unit.tables.values())
        for peer in [peer.id for peer in unit.peers.values() if peer.backup]:
            remarks += backing_up.give_all_tables(unit, peer)
    bases.keep(node, progress or Silent())
    return Added(added, remarks)


def look_at_new(
    view: View, names: Sequence[str], *, area: str | None = None, replace_cascades: bool = False
) -> list[TableDefinition]:
    """The definitions of tables as `add_tables` would take them, parents first; changes nothing. Raises as it does."""
    tables = catalogue.load_tables(view.connection)
    return parents_before(definitions_of(view.database, view.connection, tables, names, area, replace_cascades))


def set_tables(
    node: Node, names: Sequence[str], *, policy: Policy | None = None, area: str | None = None
) -> list[Table]:
    """Change who wins conflicts, or the area ('' for none); None: it stays. Returns the tables that were not so yet.

    A policy counts for what is judged from now on. Raises UnknownName, and WrongUse for an area's name.
    """
    require_host(node, "tables are changed")
    if policy is None and area is None:
        raise WrongUse("say what is to change: --policy or --area")
    with node.unit() as unit:
        changed = []
        for name in dict.fromkeys(names):
            table = catalogue.find_table(unit.connection, name)
            if area:
                check_names(unit.tables, area, [name])
            new = replace(
                table,
                policy=table.policy if policy is None else policy,
                area=table.area if area is None else area or None,
            )
            if new != table:
                catalogue.save_table(unit.connection, new, unit.now)
                changed.append(new)
        unit.forget_catalogue()
    return changed


def remove_tables(node: Node, names: Sequence[str], *, from_rules: bool = False) -> list[str]:
    """Capture nothing of these tables any more. Rows stay where they are, at all nodes.

    What was captured so far still goes its way; what a station sends that has not learned of it yet is not taken.
    Number ranges of theirs end, and their columns take any value again. `from_rules`: they are taken out of all rules,
    too.

    Raises UnknownName, WrongUse (a station's rule names it, a replicated table refers to it).
    """
    require_host(node, "tables are removed")
    with node.unit() as unit:
        leaving = {table.id: table for table in (catalogue.find_table(unit.connection, name) for name in names)}
        if from_rules:
            _take_from_rules(unit, leaving)
        # Afterwards nobody knows what the outbox holds of them.
        collect(unit)
        for table in leaving.values():
            refuse_removal(unit, table, leaving)
        backing_up.take_away(unit, set(leaving))
        there = unit.database.table_names(unit.connection)
        for table in leaving.values():
            number_ledgers.table_removed(unit, table)
            if table.name in there:
                unit.database.enforce_numbers(unit.connection, table, [])
            unit.database.remove_capture(unit.connection, table)
            base_rows.end(unit.connection, table.id, unit.state.last_n)
            catalogue.delete_table(unit.connection, table.id)
            notices.settle(unit.connection, (CAPTURE,), table.name)
        unit.forget_catalogue()
        return [table.name for table in leaving.values()]


def _take_from_rules(unit: Unit, leaving: Collection[int]) -> None:
    for peer in [peer.id for peer in unit.peers.values() if peer.id in unit.books and not peer.backup]:
        set_rules(unit, peer, dict.fromkeys(leaving, NO_RULE), leaving=True)


def check_tables(node: Node, names: Sequence[str] = (), *, repair: bool = False) -> list[TableCheck]:
    """Hold tables (all, if none is named) against what is replicated, and look after their triggers.

    `repair` makes missing or changed triggers anew, as a run does by itself; what was written meanwhile was not
    captured. What waited for a person is settled where nothing is wrong any more. Raises UnknownName.
    """
    with node.unit() as unit:
        wanted = [catalogue.find_table(unit.connection, name) for name in names] or list(unit.tables.values())
        return [_check_table(unit, table, repair) for table in wanted]


def _check_table(unit: Unit, table: Table, repair: bool) -> TableCheck:
    database, connection = unit.database, unit.connection
    if not database.has_table(connection, table.name):
        return TableCheck(table.name, (_missing(table),), repaired=False)
    differences = database.differences(connection, table.definition)
    capture = database.capture_faults(connection, table)
    repaired = repair and not differences
    if repaired:
        database.install_capture(connection, table)
        capture = database.capture_faults(connection, table)
    faults = tuple(dict.fromkeys([*differences, *capture]))
    if not faults:
        notices.settle(connection, (CAPTURE,), table.name)
    return TableCheck(table.name, faults, repaired)


def _missing(table: Table) -> str:
    return f"table {table.name} is missing from the database; restore it, or remove it: replicator table remove"


# --- looking ----------------------------------------------------------------------------------------------------------


def list_tables(view: View) -> list[TableSummary]:
    """All replicated tables, by area and name."""
    books = catalogue.load_rule_books(view.connection)
    tables = catalogue.load_tables(view.connection)
    found = [_summary(view, table, books) for table in tables.values()]
    return sorted(found, key=lambda each: (each.table.area or "", each.table.name))


def show_table(view: View, name: str) -> TableSummary:
    """Raises UnknownName."""
    table = catalogue.find_table(view.connection, name)
    return _summary(view, table, catalogue.load_rule_books(view.connection))


def _summary(view: View, table: Table, books: dict[int, RuleBook]) -> TableSummary:
    present = view.database.has_table(view.connection, table.name)
    count = view.database.count(view.connection, table) if present else None
    known = table_versions.load_versions(view.connection, table.id)
    held = not view.is_host and bool(table_versions.held(view.connection, {table.id: table}))
    number = table_versions.version_number(known, table.version)
    return TableSummary(table, count, _rules_of(view, books, table.id), number, held)


def _rules_of(view: View, books: dict[int, RuleBook], table: int) -> dict[str, Rule]:
    rules = {}
    for peer, book in books.items():
        rule = book.current(table)
        if rule:
            rules[view.name_of(peer) if view.is_host else view.node.name] = rule
    return rules
