"""The outbox, its triggers on a table, and whether they still stand as they were made.

The outbox has one row a change, with untyped columns (a native copy is the only thing that carries every SQLite value
through bit for bit):

    id   ascending in the order of the changes; not AUTOINCREMENT, which would cost the application a quarter of its
         bulk insert: ids may start over when the outbox has been emptied
    tbl  number of the table
    op   I insert, U update, D delete; K and M: a row that stood in the way of an insert or update, by the same primary
         key or by another key, and may have been deleted silently by REPLACE: collect finds out
    at   julianday('now')
    n1…  the new row, column by column              o1…  the old one; of an update only changed columns

In an update, o is NULL where the column is unchanged and equals n where it was NULL: that costs one comparison a column
in the trigger instead of two for a mask. Columns without affinity ("loose": BLOB, typeless) can change between values
that SQLite calls equal, 1 and 1.0, 0.0 and -0.0. For them 'was NULL' has a flag of its own, behind the last n, and
0.0 after 0.0 counts as changed here, as no SQL tells it from -0.0; collect compares exactly. Not seen is a change
between -2**63 as integer and as real in a NUMERIC column, the one case where other affinities have two equal values.

Of several triggers SQLite fires the one that was created last first. So ours are made last, and see a row before
the application's AFTER triggers change it further. (A row that the application's own BEFORE trigger makes in the way of
the very REPLACE that fires it is not seen.)
"""

from __future__ import annotations

import sqlite3

from replicator.databases.captured import captured_columns
from replicator.databases.sqlite.definitions import carried_columns, read_local
from replicator.databases.sqlite.statements import fetch, quoted, scalar
from replicator.databases.sqlite.tables import LocalColumn, LocalTable
from replicator.databases.sqlite.triggers import OUTBOX, PREFIX, loose_columns, trigger_names, triggers
from replicator.errors import UnfitTable, UnknownName
from replicator.types import Table


def create_outbox(raw: sqlite3.Connection) -> None:
    raw.execute(
        f"CREATE TABLE IF NOT EXISTS {OUTBOX} (id INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, op TEXT NOT NULL,"
        " at REAL NOT NULL)"
    )


def _widen_outbox(raw: sqlite3.Connection, new: int, old: int) -> None:
    present = {name for (name,) in fetch(raw, "SELECT name FROM pragma_table_info(?)", (OUTBOX,))}
    for letter, width in (("n", new), ("o", old)):
        for number in range(1, width + 1):
            if f"{letter}{number}" not in present:
                raw.execute(f"ALTER TABLE {OUTBOX} ADD COLUMN {letter}{number}")


def install(raw: sqlite3.Connection, table: Table) -> None:
    local = read_local(raw, table.name)
    if local.null_keys_possible:
        nothing = " OR ".join(f"{quoted(column.name)} IS NULL" for column in local.null_keys_possible)
        rows = scalar(raw, f"SELECT count(*) FROM {quoted(local.name)} WHERE {nothing}")
        if rows:
            raise UnfitTable(f"{rows} rows of table {local.name} have NULL in their primary key: give each row a key.")
    columns = _captured(local, table)
    _widen_outbox(raw, len(columns) + len(loose_columns(columns)), len(columns))
    remove(raw, table)
    for statement in triggers(local, table.id, columns).values():
        raw.execute(statement)


def remove(raw: sqlite3.Connection, table: Table) -> None:
    for _, name, _ in standing(raw, table.name):
        if name.startswith(PREFIX):
            raw.execute(f"DROP TRIGGER {quoted(name)}")


def faults(raw: sqlite3.Connection, table: Table) -> list[str]:
    """One sentence each; the triggers are made anew in thought and compared with those that stand."""
    try:
        local = read_local(raw, table.name)
        columns = _captured(local, table)
    except UnknownName:
        return [f"Table {table.name} has been dropped: restore it, or take it out of replication."]
    except UnfitTable as error:
        return [str(error)]
    wanted = triggers(local, table.id, columns)
    there = standing(raw, table.name)
    ours = {name: (place, sql) for place, name, sql in there if name.startswith(PREFIX)}
    found = []
    if missing := sorted(wanted.keys() - ours.keys()):
        found.append(f"The capture of table {table.name} has lost the trigger {missing[0]}: changes may be missed.")
    if any(sql != wanted.get(name, sql) for name, (_, sql) in ours.items()) or ours.keys() - wanted.keys():
        found.append(f"The capture of table {table.name} is out of date: the table or its triggers were changed.")
        known = "".join(sql for _, sql in ours.values())
        found += [
            f"Table {table.name} has a new column {column.name}, which isn't replicated."
            for column in carried_columns(local)
            if column not in columns and quoted(column.name) not in known
        ]
    first_of_ours = min((place for place, _ in ours.values()), default=0)
    late = [name for place, name, _ in there if not name.startswith(PREFIX) and place > first_of_ours]
    if ours and late:
        found.append(f"The trigger {late[0]} of table {table.name} fires before its capture.")
    return found


def all_stand(raw: sqlite3.Connection, table: Table) -> bool:
    """Have all triggers stood since they were made? What makes a table anew takes them with it."""
    local = read_local(raw, table.name)
    there = {name for _, name, _ in standing(raw, table.name)}
    return trigger_names(local).issubset(there)


def standing(raw: sqlite3.Connection, table: str) -> list[tuple[int, str, str]]:
    """(place, name, text) of the table's triggers, in the order of their making."""
    return [
        (place, name, sql)
        for place, name, sql in fetch(
            raw,
            "SELECT rowid, name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
            " ORDER BY rowid",
            (table,),
        )
    ]


def _captured(local: LocalTable, table: Table) -> list[LocalColumn]:
    return captured_columns(table, carried_columns(local), tuple(column.name for column in local.primary_key))
