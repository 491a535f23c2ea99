"""The change tables: which there are, what their columns hold, and how they go.

`change_N` of our schema is written for table number N. Where a column's type was changed, what was captured before
keeps its types: the table is put aside as `change_N_1`, `change_N_2` and so on, read with the rest, and dropped when it
is empty. So is the table of one that is no longer replicated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from replicator.databases.postgresql.here import Here, local_types
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch, scalar
from replicator.types import Table

_NAME = re.compile(r"change_(\d+)(_\d+)?")


class ChangeTable(NamedTuple):
    number: int
    """Of the replicated table."""
    name: str
    """With its schema, as SQL."""
    is_written: bool
    """A capture still writes to it."""


def change_table(schemas: Schemas, number: int) -> str:
    """The one that is written."""
    return schemas.own(f"change_{number}")


def change_tables(raw: Driver, schemas: Schemas) -> list[ChangeTable]:
    """All of them, of tables that are replicated still or not."""
    found = fetch(
        raw,
        "SELECT relname::text, to_regproc(%s || replace(relname, 'change', 'capture_insert')) IS NOT NULL"
        " FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r'"
        " AND relname ~ '^change_[0-9]+(_[0-9]+)?$'",
        (schemas.own(""), schemas.ours_sql),
    )
    return sorted(
        ChangeTable(int(match[1]), schemas.own(name), written)
        for name, written in found
        if (match := _NAME.fullmatch(name))
    )


def is_empty(raw: Driver, sources: Sequence[ChangeTable]) -> bool:
    if not sources:
        return True
    some = " OR ".join(f"EXISTS (SELECT FROM {source.name})" for source in sources)
    return not scalar(raw, f"SELECT {some}")


def captured_here(raw: Driver, table: Table, source: ChangeTable) -> Here:
    """The table as it was when this was captured: the columns have the types of then."""
    types = local_types(raw, source.name)
    names = table.definition.column_names
    return Here(table, source.name, {name: types[f"n{place}"] for place, name in enumerate(names, start=1)})


def slots(captured: Here, prefix: str, columns: Sequence[str] | None = None) -> list[str]:
    """The captured values of these columns (all, if not told) as SQL; `prefix` is `n` or `o` behind an alias."""
    definition = captured.definition
    return [
        captured.carriages[name].sql(f"{prefix}{definition.index_of(name) + 1}")
        for name in columns or definition.column_names
    ]


def put_aside(raw: Driver, schemas: Schemas, number: int) -> None:
    """Make room for a change table with other columns. What was captured is kept for the next collect."""
    current = ChangeTable(number, change_table(schemas, number), is_written=False)
    if is_empty(raw, [current]):
        execute(raw, f"DROP TABLE {current.name}")
        return
    taken = {source.name for source in change_tables(raw, schemas)}
    free = next(
        name for place in range(1, len(taken) + 2) if schemas.own(name := f"change_{number}_{place}") not in taken
    )
    execute(raw, f"ALTER TABLE {current.name} RENAME TO {free}")


def drop_useless(raw: Driver, schemas: Schemas) -> None:
    """Those that nothing is written to any more, once they are empty.

    One that somebody reads at this moment (a backup) is left for the next time.
    """
    for source in change_tables(raw, schemas):
        if source.is_written or not is_empty(raw, [source]):
            continue
        execute(raw, "SAVEPOINT replicator_drop")
        try:
            execute(raw, f"LOCK TABLE {source.name} IN ACCESS EXCLUSIVE MODE NOWAIT")
        except psycopg.errors.LockNotAvailable:
            execute(raw, "ROLLBACK TO SAVEPOINT replicator_drop")
        else:
            # A transaction that was open may have written since the look, but for our lock it would be done by now.
            if is_empty(raw, [source]):
                execute(raw, f"DROP TABLE {source.name}")
        execute(raw, "RELEASE SAVEPOINT replicator_drop")
