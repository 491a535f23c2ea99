"""What was captured in a type that the column no longer has.

A trigger that was made for the former type goes on writing to its change table, and PostgreSQL casts what it copies to
the type there as in any INSERT: a number with more decimals is rounded, without an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from replicator.databases.base import Retyped
from replicator.databases.postgresql.change_tables import ChangeTable, captured_here, change_tables, slots
from replicator.databases.postgresql.here import local_types
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, fetch
from replicator.protocol.keys import pack_key
from replicator.types import Key, Table, Value


def retyped(raw: Driver, schemas: Schemas, table: Table) -> Retyped:
    """See `Database.retyped`."""
    mine = [source for source in change_tables(raw, schemas) if source.number == table.id]
    now = local_types(raw, schemas.table(table.name))
    columns: dict[str, None] = {}
    for source in mine:
        then = local_types(raw, source.name)
        for place, name in enumerate(table.definition.column_names, start=1):
            noted = then.get(f"n{place}")
            if name in now and noted is not None and noted.words != now[name].words:
                columns[name] = None
    return Retyped(tuple(columns), _rows(raw, mine, table, tuple(columns))) if columns else Retyped()


def _rows(
    raw: Driver, mine: Sequence[ChangeTable], table: Table, columns: tuple[str, ...]
) -> dict[Key, tuple[Value, ...]]:
    key = table.definition.primary_key
    found: dict[Key, tuple[int, tuple[Value, ...]]] = {}
    for source in mine:
        captured = captured_here(raw, table, source)
        read = captured.reader((*key, *columns))
        listed = ", ".join(slots(captured, "n", (*key, *columns)))
        rows = fetch(raw, f"SELECT id, {listed} FROM {source.name} WHERE op IN ('I', 'U')")
        for (identity, *_), row in zip(rows, read([tuple(row[1:]) for row in rows]), strict=True):
            name = pack_key(row[: len(key)])
            if identity >= found.get(name, (0, ()))[0]:
                found[name] = identity, tuple(row[len(key) :])
    return {name: values for name, (_, values) in found.items()}
