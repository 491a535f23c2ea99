"""Capture: a change table per replicated table, written by row triggers in the application's own transaction.

`replicator_change_N` of table number N has typed columns, so a value is copied as it is, whatever its type (texts and
numbers in wider ones):

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

import pymysql

from replicator.databases.captured import captured_columns
from replicator.databases.mariadb import cascades, catalogue, replacing
from replicator.databases.mariadb.cascades import Standing
from replicator.databases.mariadb.catalogue import LocalColumn, LocalTable, LocalTrigger
from replicator.databases.mariadb.columntypes import captured_words
from replicator.databases.mariadb.definitions import carried_columns, read_local, require_fit
from replicator.databases.mariadb.errors import CONSTRAINT, number_of
from replicator.databases.mariadb.statements import APPLYING, OURS, Driver, execute, fetch, quoted
from replicator.errors import DatabaseBusy, UnfitTable, UnknownName
from replicator.types import Table

_EVENTS = ("INSERT", "UPDATE", "DELETE")
_FIRST_COLUMNS = (
    "id BIGINT NOT NULL PRIMARY KEY, op CHAR(1) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, at DATETIME(6) NOT NULL"
)
_FIRST = 3
_SEQUENCE = f"{OURS}change_id"
_CHANGES = f"{OURS}change_"
_ROW_TOO_LARGE = 1118

Column = tuple[str, str]
"""Of a change table: name, type."""


_TRIGGER_MODE = "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"


def change_table(schema: str, number: int) -> str:
    return f"{quoted(schema)}.{quoted(f'{_CHANGES}{number}')}"


def change_tables(raw: Driver, schema: str) -> list[int]:
    """Numbers of the tables that have a change table, replicated still or not."""
    found = fetch(
        raw,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME LIKE %s",
        (schema, _CHANGES.replace("_", "\\_") + "%"),
    )
    return sorted(int(tail) for (name,) in found if (tail := name[len(_CHANGES) :]).isdecimal())


def create_sequence(raw: Driver, schema: str) -> None:
    execute(raw, f"CREATE SEQUENCE IF NOT EXISTS {quoted(schema)}.{quoted(_SEQUENCE)} CACHE 1000 ENGINE = InnoDB")


def install(raw: Driver, schema: str, table: Table) -> None:
    """`raw` is a connection for definitions. Raises UnfitTable, DatabaseBusy."""
    local = read_local(raw, schema, table.name)
    columns = captured_here(local, table)
    _forget_strangers(raw, schema, table)
    _make_change_table(raw, schema, table.id, columns)
    # A trigger keeps the mode that it was made in: what the application's own mode let in must be copied.
    execute(raw, f"SET SESSION sql_mode = '{_TRIGGER_MODE}'")
    for event in _EVENTS:
        execute(raw, _trigger(schema, local, table.id, event, columns))
    replacing.settle(raw, local, table.definition)


def remove(raw: Driver, schema: str, table: Table) -> None:
    """Triggers go, foreign keys cascade again; what was captured stays until it is collected."""
    replacing.restore(raw, schema, table.name)
    for event in _EVENTS:
        execute(raw, f"DROP TRIGGER IF EXISTS {quoted(schema)}.{quoted(_trigger_name(table.id, event))}")


def faults(raw: Driver, schema: str, tables: Collection[Table]) -> dict[int, list[str]]:
    """By the table's number, where there are some: one sentence each. What should stand is written anew in thought and
    compared with what does."""
    names = [name for table in tables for name in (table.name, f"{_CHANGES}{table.id}")]
    found = catalogue.read_some(raw, schema, names)
    standing = cascades.standing(raw, schema)
    listed = {table.id: _faults(raw, schema, table, found, standing) for table in tables}
    return {number: sentences for number, sentences in listed.items() if sentences}


def _faults(
    raw: Driver, schema: str, table: Table, found: dict[str, LocalTable], standing: dict[str, Standing]
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
        *_trigger_faults(
            table, local, after, {event: _body(schema, local, table.id, event, columns) for event in _EVENTS}
        ),
        *_change_table_faults(table, found.get(f"{_CHANGES}{table.id}"), columns),
        *(
            f"Table {table.name} has a new column {name}, which isn't replicated."
            for name in _others(local, columns)
            if _noted(name) not in known
        ),
    ]
    return list(dict.fromkeys(sentences))


def _trigger_faults(
    table: Table, local: LocalTable, after: list[LocalTrigger], bodies: dict[str, str]
) -> Iterator[str]:
    ours = {trigger.name: trigger for trigger in after}
    for event, body in bodies.items():
        trigger = ours.get(_trigger_name(table.id, event))
        if trigger is None:
            name = _trigger_name(table.id, event)
            yield f"The capture of table {table.name} has lost the trigger {name}: changes may be missed."
        elif trigger.event != event or trigger.body != body:
            yield f"The capture of table {table.name} is out of date: the table or its triggers were changed."
        elif trigger.order != 1:
            yield f"The trigger {_first(after, event)} of table {local.name} fires before its capture."


def _change_table_faults(table: Table, changes: LocalTable | None, columns: list[LocalColumn]) -> Iterator[str]:
    if changes is None:
        yield f"The capture of table {table.name} has lost the table {_CHANGES}{table.id}."
    elif [(each.name, each.column_type) for each in changes.columns[_FIRST:]] != wanted_columns(columns):
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


# --- change tables ----------------------------------------------------------------------------------------------------


def wanted_columns(columns: list[LocalColumn]) -> list[Column]:
    """Of the columns for values."""
    return [
        (f"{letter}{place}", captured_words(column.column_type))
        for letter in "no"
        for place, column in enumerate(columns, start=1)
    ]


def _standing_columns(raw: Driver, schema: str, number: int) -> list[Column]:
    found = fetch(
        raw,
        "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
        " AND TABLE_NAME = %s AND ORDINAL_POSITION > %s ORDER BY ORDINAL_POSITION",
        (schema, f"{_CHANGES}{number}", _FIRST),
    )
    return [(name, words) for name, words in found]


def _make_change_table(raw: Driver, schema: str, number: int, columns: list[LocalColumn]) -> None:
    """Columns whose types have changed are changed, with what was captured in them."""
    wanted, standing = wanted_columns(columns), _standing_columns(raw, schema, number)
    if standing == wanted:
        return
    listed = [f"{column} {words} NULL DEFAULT NULL" for column, words in wanted]
    name = change_table(schema, number)
    try:
        if standing and _is_changed(raw, name, standing, wanted, listed):
            return
        # OR REPLACE: the triggers always find a table.
        execute(
            raw,
            f"CREATE OR REPLACE TABLE {name} ({_FIRST_COLUMNS}, {', '.join(listed)})"
            " ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        )
    except Exception as error:
        if number_of(error) == _ROW_TOO_LARGE:
            raise UnfitTable(
                f"A row of the table number {number} is too wide to be captured, twice, in one row: make long columns "
                "TEXT, or split the table."
            ) from error
        raise


def _is_changed(raw: Driver, name: str, standing: list[Column], wanted: list[Column], listed: list[str]) -> bool:
    """Change the columns with what is in them. False: it can't be, and nothing is in them. Raises DatabaseBusy."""
    if [each[0] for each in standing] == [each[0] for each in wanted]:
        try:
            execute(raw, f"ALTER TABLE {name} {', '.join(f'MODIFY {words}' for words in listed)}")
        except pymysql.err.MySQLError as error:
            if number_of(error) not in CONSTRAINT:
                raise
        else:
            return True
    if fetch(raw, f"SELECT EXISTS (SELECT 1 FROM {name})")[0][0]:
        raise DatabaseBusy(f"Changes of a table that looks different now wait to be collected in {name}: run first.")
    return False


# --- triggers ---------------------------------------------------------------------------------------------------------


def _trigger_name(number: int, event: str) -> str:
    return f"{OURS}{event.lower()}_{number}"


def _forget_strangers(raw: Driver, schema: str, table: Table) -> None:
    """Triggers of this number on another table are what an attempt left that did not come to its end."""
    for event in _EVENTS:
        name = _trigger_name(table.id, event)
        if catalogue.trigger(raw, schema, name) not in (None, table.name):
            execute(raw, f"DROP TRIGGER {quoted(schema)}.{quoted(name)}")


def _trigger(schema: str, local: LocalTable, number: int, event: str, columns: list[LocalColumn]) -> str:
    """OR REPLACE: between the old trigger and the new one nobody writes. Before all others of its kind."""
    own = _trigger_name(number, event)
    others = [each for each in local.triggers if each.event == event and each.timing == "AFTER" and each.name != own]
    before = f" PRECEDES {quoted(others[0].name)}" if others else ""
    name = f"{quoted(schema)}.{quoted(own)}"
    body = _body(schema, local, number, event, columns)
    return f"CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {local.sql} FOR EACH ROW{before} {body}"


def _body(schema: str, local: LocalTable, number: int, event: str, columns: list[LocalColumn]) -> str:
    forms = {"INSERT": ("n",), "UPDATE": ("n", "o"), "DELETE": ("o",)}[event]
    rows = {"n": "NEW", "o": "OLD"}
    slots = ", ".join(f"{form}{place}" for form in forms for place in range(1, len(columns) + 1))
    values = ", ".join(f"{rows[form]}.{quoted(column.name)}" for form in forms for column in columns)
    # The comment makes a column that was added later show up as a difference.
    others = ", ".join(map(_noted, _others(local, columns))) if event == "INSERT" else ""
    note = f" /* not replicated: {others} */" if others else ""
    return (
        f"IF {APPLYING} IS NULL THEN{note} INSERT INTO {change_table(schema, number)} (id, op, at, {slots})"
        f" VALUES (NEXT VALUE FOR {quoted(schema)}.{quoted(_SEQUENCE)}, '{event[0]}', UTC_TIMESTAMP(6), {values});"
        " END IF"
    )
