"""Do the replicated tables still stand as they were added, with our triggers first to fire? Looked at in each run.

A table that is gone or was changed concerns only what has to do with it: the rest of the run goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from replicator.engine.node import Node, Unit
from replicator.engine.table_changes import make_capture, send_retyped, standing
from replicator.errors import DatabaseBusy, DatabaseTrouble, ReplicatorError
from replicator.store import notices, succession
from replicator.types import Table, TableDefinition

KIND = "capture"
"""Of the notices."""


def check_capture(unit: Unit) -> list[str]:
    """Triggers that were removed or are no longer first to fire are made anew, and a person is told. Returns what."""
    told = []
    for number, faults in unit.database.faulty_tables(unit.connection, unit.tables.values()).items():
        table = unit.tables[number]
        text = unusable(unit, table)
        if text is None:
            # What was said of it before is over, but not that changes may have been missed.
            notices.settle(unit.connection, (KIND,), table.name)
            text, missing = _mend(unit, table, faults)
            unit.notice(KIND, f"{table.name} {unit.now}", text, waiting=missing)
            if untold := _untold(unit, table):
                unit.notice(KIND, table.name, untold, waiting=True)
        else:
            unit.notice(KIND, table.name, text, waiting=True)
        told.append(text)
    return told


def _mend(unit: Unit, table: Table, faults: list[str]) -> tuple[str, bool]:
    """Make the capture anew. Returns what to say, and whether changes may be missing."""
    stood = unit.database.captures_all(unit.connection, table)
    columns = unit.database.retyped(unit.connection, table).columns
    if columns:
        unit.database.hold_table(unit.connection, table.name)
        send_retyped(unit, table, make_capture(unit, table, table))
    else:
        unit.database.install_capture(unit.connection, table)
    if columns and stood:
        return f"table {table.name} has another type of {', '.join(columns)} now; its capture was made anew", False
    known = table.definition.column_names
    further = [name for name in standing(unit, table).column_names if name not in known]
    if further and stood:
        return f"table {table.name} has got {', '.join(further)}; its capture was made anew", False
    text = (
        f"{_joined(faults)}; its triggers were made anew, but what was written meanwhile may be missing elsewhere: "
        f"compare the table, and write such rows again"
    )
    return text, True


def _untold(unit: Unit, table: Table) -> str | None:
    """What the other places don't know of it."""
    name, now = table.name, standing(unit, table)
    if unit.is_host and _was_changed(unit, now, table.definition):
        return f"table {name} was changed, and the stations have not been told yet: replicator table upgrade {name}"
    if further := [column for column in now.column_names if column not in table.definition.column_names]:
        return f"table {name} has {', '.join(further)}, which is not replicated until the host has it as well"
    return None


def _was_changed(unit: Unit, now: TableDefinition, known: TableDefinition) -> bool:
    """Where this host was a backup station, the table stands here as this database could make it after the former
    host's, and that need not be to the letter what its definition says."""
    if succession.former_hosts(unit.connection):
        return set(now.column_names) != set(known.column_names)
    return now != known


def unusable(unit: Unit, table: Table) -> str | None:
    """Why rows can't be read from or written to this table, and what to do; None: they can."""
    if not unit.database.has_table(unit.connection, table.name):
        return (
            f"table {table.name} is gone from this database: bring it back from a backup, or have it taken out of "
            f"replication at the host with: replicator table remove {table.name}"
        )
    differences = unit.database.differences(unit.connection, table.definition)
    if differences:
        said = f"table {table.name} was changed, and rows of the other places no longer fit: {_joined(differences)}; "
        if unit.is_host:
            return f"{said}take it over as it is now: replicator table upgrade {table.name}; or change it back"
        return f"{said}they wait until the host has changed it likewise, or it is changed back here"
    return None


def unwritable(unit: Unit, among: Collection[int]) -> dict[int, str]:
    """Those of these tables, by number, whose rows can't be written as they are replicated, for columns are gone or
    have other names; with the reason. At a station whose application is ahead of what the host has told
    (protocol.md 7.8)."""
    found = {}
    for table in [unit.tables[number] for number in among if number in unit.tables]:
        if unit.database.has_table(unit.connection, table.name):
            here = set(unit.database.inspect(unit.connection, table.name).column_names)
            if gone := [name for name in table.definition.column_names if name not in here]:
                found[table.id] = f"Table {table.name} has no column {', '.join(gone)} any more."
    return found


def kept_from(node: Node, name: str, error: ReplicatorError) -> None:
    """A table can't be taken over at this moment: an open transaction holds it, or the database refuses it."""
    try:
        with node.unit() as unit:
            unit.notice(f"{KIND}-waits", f"{name} upgrade", f"table {name} can't be taken over yet: {error}")
    except DatabaseBusy:
        return  # what keeps us out keeps our notes out as well


@contextmanager
def blaming_tables(node: Node, what: str) -> Iterator[None]:
    """Within: when the database refuses a statement and a table is gone or changed, that is the reason. `what` waits
    for a person then, and the run goes on behind it. Any other trouble is raised."""
    try:
        yield
    except DatabaseTrouble:
        with node.unit() as unit:
            faults = {table.name: fault for table in unit.tables.values() if (fault := unusable(unit, table))}
            for name, fault in faults.items():
                unit.notice(KIND, name, fault, waiting=True)
                unit.notice(f"{KIND}-waits", f"{name} {what}", f"{what} waits until table {name} is in order")
        if not faults:
            raise


def _joined(sentences: list[str]) -> str:
    text = "; ".join(sentence.rstrip(".") for sentence in sentences)
    return text[:1].lower() + text[1:]
