"""Capture: a change table per replicated table, written by row triggers in the application's own transaction.

`replicator_change_N` of table number N (change_tables.py) has typed columns, so a value is copied as it is, whatever
its type (texts and numbers in wider ones):

    id    from one sequence for all tables, drawn when the change is made
    op    I insert, U update, D delete
    at    the time of the change, UTC
    n1…   the new row, column by column              o1…  the old one; both whole

A change of a row, of a unique value or of a parent waits for the transaction that had it before, so ids that rise with
time put all that depends on each other in order (protocol.md 7.1). One sequence for all tables sees to that. MariaDB
keeps the numbers that a sequence has in advance (CACHE) for the whole server, not for each session, so they do rise
with time, and a draw costs no write. AUTO_INCREMENT would count for each table by itself.

Statements that fire no triggers are not captured: TRUNCATE, which needs the privilege DROP, and what foreign keys
cascade, in the place of which triggers stand (cascades.py). The triggers run as their definer, so that the application
needs no right on our tables.

Definitions commit by themselves in MariaDB. They are made on a connection of their own, so that they end no transaction
that is under way, each may be repeated, and the order is such that what is there half does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from replicator.databases.captured import captured_columns
from replicator.databases.mariadb import cascades, catalogue, replacing
from replicator.databases.mariadb.cascades import Standing
from replicator.databases.mariadb.catalogue import LocalColumn, LocalTable, LocalTrigger
from replicator.databases.mariadb.change_tables import (
    FIRST,
    PREFIX,
    ChangeTable,
    change_tables,
    is_empty,
    newest,
    provide,
    wanted_columns,
)
from replicator.databases.mariadb.definitions import carried_columns, read_local, require_fit
from replicator.databases.mariadb.statements import APPLYING, Driver, execute, quoted
from replicator.databases.own_names import OURS
from replicator.errors import UnfitTable, UnknownName
from replicator.types import Table

_EVENTS = ("INSERT", "UPDATE", "DELETE")
_SEQUENCE = f"{OURS}change_id"

TRIGGER_MODE = "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"


def create_sequence(raw: Driver, schema: str) -> None:
    execute(raw, f"CREATE SEQUENCE IF NOT EXISTS {quoted(schema)}.{quoted(_SEQUENCE)} CACHE 1000 ENGINE = InnoDB")


def install(raw: Driver, schema: str, table: Table) -> None:
    """`raw` is a connection for definitions. Raises UnfitTable, DatabaseBusy."""
    local = read_local(raw, schema, table.name)
    columns = captured_here(local, table)
    _forget_strangers(raw, schema, table)
    target = provide(raw, schema, table, columns)
    # A trigger keeps the mode that it was made in: what the application's own mode let in must be copied.
    execute(raw, f"SET SESSION sql_mode = '{TRIGGER_MODE}'")
    for event in _EVENTS:
        execute(raw, _trigger(local, table.id, event, _body(local, target, event, columns)))
    replacing.settle(raw, local, table.definition)


def remove(raw: Driver, schema: str, table: Table) -> None:
    """Triggers go, foreign keys cascade again; what was captured stays until it is collected."""
    replacing.restore(raw, schema, table.name)
    _drop_triggers(raw, schema, table.id)


def sweep(raw: Driver, schema: str, left: Collection[ChangeTable], replicated: Collection[int]) -> None:
    """Drop change tables that nothing is captured in any more, once they are empty. What captures for a number that no
    replicated table has is of one that was not taken into replication in the end: it goes with all that it noted."""
    for table in left:
        if table.number not in replicated:
            _drop_triggers(raw, schema, table.number)
        elif not is_empty(raw, schema, [table]):
            continue
        execute(raw, f"DROP TABLE IF EXISTS {table.sql(schema)}")


def _drop_triggers(raw: Driver, schema: str, number: int) -> None:
    for event in _EVENTS:
        execute(raw, f"DROP TRIGGER IF EXISTS {quoted(schema)}.{quoted(_trigger_name(number, event))}")


def all_stand(raw: Driver, schema: str, table: Table) -> bool:
    """Do all triggers stand?"""
    local = read_local(raw, schema, table.name)
    there = {trigger.name for trigger in local.triggers}
    return all(_trigger_name(table.id, event) in there for event in _EVENTS)


def faults(raw: Driver, schema: str, tables: Collection[Table]) -> dict[int, list[str]]:
    """By the table's number, where there are some: one sentence each. What should stand is written anew in thought and
    compared with what does."""
    standing_changes = change_tables(raw, schema)
    changes = {table.id: newest(standing_changes, table) for table in tables}
    names = [table.name for table in tables] + [each.name for each in changes.values() if each is not None]
    found = catalogue.read_some(raw, schema, names)
    standing = cascades.standing(raw, schema)
    listed = {table.id: _faults(raw, schema, table, changes[table.id], found, standing) for table in tables}
    return {number: sentences for number, sentences in listed.items() if sentences}


def _faults(
    raw: Driver,
    schema: str,
    table: Table,
    changes: ChangeTable | None,
    found: dict[str, LocalTable],
    standing: dict[str, Standing],
) -> list[str]:
    try:
        local = require_fit(found.get(table.name), schema, table.name)
        columns = captured_here(local, table)
    except UnknownName:
        return [f"Table {table.name} has been dropped: restore it, or take it out of replication."]
    except UnfitTable as error:
        return [str(error)]
    after = [trigger for trigger in local.triggers if trigger.timing == "AFTER"]
    # Told once: the capture that is made then names them.
    known = "".join(trigger.body for trigger in after if trigger.name == _trigger_name(table.id, "INSERT"))
    sentences = [
        *replacing.faults(raw, standing, local, table.definition),
        *_written_faults(table, local, columns, changes, found),
        *(
            f"Table {table.name} has a new column {name}, which isn't replicated."
            for name in _others(local, columns)
            if _noted(name) not in known
        ),
    ]
    return list(dict.fromkeys(sentences))


def _written_faults(
    table: Table,
    local: LocalTable,
    columns: list[LocalColumn],
    changes: ChangeTable | None,
    found: dict[str, LocalTable],
) -> Iterator[str]:
    """Of the triggers, and of the table that they write to."""
    if changes is None:
        yield f"The capture of table {table.name} has lost the table {PREFIX}{table.id}."
        return
    after = [trigger for trigger in local.triggers if trigger.timing == "AFTER"]
    ours = {trigger.name: trigger for trigger in after}
    for event in _EVENTS:
        trigger = ours.get(_trigger_name(table.id, event))
        if trigger is None:
            name = _trigger_name(table.id, event)
            yield f"The capture of table {table.name} has lost the trigger {name}: changes may be missed."
        elif trigger.event != event or trigger.body != _body(local, changes, event, columns):
            yield f"The capture of table {table.name} is out of date: the table or its triggers were changed."
        elif trigger.order != 1:
            yield f"The trigger {_first(after, event)} of table {table.name} fires before its capture."
    standing = found[changes.name].columns[FIRST:] if changes.name in found else ()
    if [(each.name, each.column_type) for each in standing] != wanted_columns(columns):
        yield f"The capture of table {table.name} is out of date: the type of a column was changed."


def captured_here(local: LocalTable, table: Table) -> list[LocalColumn]:
    key = local.primary_key
    return captured_columns(table, carried_columns(local), None if key is None else key.columns)


def _others(local: LocalTable, columns: list[LocalColumn]) -> list[str]:
    """Columns that are here and not in the definition."""
    return [column.name for column in carried_columns(local) if column not in columns]


def _noted(name: str) -> str:
    """A column's name within a comment."""
    return quoted(name).replace("*/", "* /")


def _first(triggers: list[LocalTrigger], event: str) -> str:
    return next(trigger.name for trigger in triggers if trigger.event == event)


# --- triggers ---------------------------------------------------------------------------------------------------------


def _trigger_name(number: int, event: str) -> str:
    return f"{OURS}{event.lower()}_{number}"


def _forget_strangers(raw: Driver, schema: str, table: Table) -> None:
    """Triggers of this number on another table are what an attempt left that did not come to its end."""
    for event in _EVENTS:
        name = _trigger_name(table.id, event)
        if catalogue.trigger(raw, schema, name) not in (None, table.name):
            execute(raw, f"DROP TRIGGER {quoted(schema)}.{quoted(name)}")


def _trigger(local: LocalTable, number: int, event: str, body: str) -> str:
    """OR REPLACE: between the old trigger and the new one nobody writes. Before all others of its kind.

    Nothing in it names the database: a dump of it can be brought back under another name.
    """
    own = _trigger_name(number, event)
    others = [each for each in local.triggers if each.event == event and each.timing == "AFTER" and each.name != own]
    before = f" PRECEDES {quoted(others[0].name)}" if others else ""
    return f"CREATE OR REPLACE TRIGGER {quoted(own)} AFTER {event} ON {quoted(local.name)} FOR EACH ROW{before} {body}"


def _body(local: LocalTable, target: ChangeTable, event: str, columns: list[LocalColumn]) -> str:
    forms = {"INSERT": ("n",), "UPDATE": ("n", "o"), "DELETE": ("o",)}[event]
    rows = {"n": "NEW", "o": "OLD"}
    slots = ", ".join(f"{form}{place}" for form in forms for place in range(1, len(columns) + 1))
    values = ", ".join(f"{rows[form]}.{quoted(column.name)}" for form in forms for column in columns)
    # The comment makes a column that was added later show up as a difference.
    others = ", ".join(map(_noted, _others(local, columns))) if event == "INSERT" else ""
    note = f" /* not replicated: {others} */" if others else ""
    return (
        f"IF {APPLYING} IS NULL THEN{note} INSERT INTO {quoted(target.name)} (id, op, at, {slots})"
        f" VALUES (NEXT VALUE FOR {quoted(_SEQUENCE)}, '{event[0]}', UTC_TIMESTAMP(6), {values});"
        " END IF"
    )
