"""What was captured in a type that the column no longer has.

A trigger that was made for the former type goes on writing to its change table, and MariaDB fits what it copies into
the type there: a number with more decimals is rounded, a time loses its fraction, without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from replicator.databases.base import Retyped
from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.carrying import Carrier
from replicator.databases.mariadb.change_tables import FIRST, ChangeTable
from replicator.databases.mariadb.collect import captured_pairs
from replicator.databases.mariadb.columntypes import captured_words
from replicator.databases.mariadb.statements import Driver, fetch
from replicator.databases.mariadb.tables import Standing
from replicator.protocol.keys import pack_key
from replicator.types import Key, Table, Value


def retyped(
    raw: Driver, schema: str, sources: Sequence[ChangeTable], table: Table, standing: Callable[[Table], Standing]
) -> Retyped:
    """See `Database.retyped`."""
    mine = [each for each in sources if each.number == table.id and each.captured == table.version]
    mine = [each for each in mine if each.belongs_to(table)]
    columns = _columns(raw, schema, mine, table)
    return Retyped(columns, _rows(raw, schema, sources, mine, table, columns, standing)) if columns else Retyped()


def _columns(raw: Driver, schema: str, mine: Sequence[ChangeTable], table: Table) -> tuple[str, ...]:
    local = catalogue.read(raw, schema, table.name)
    now = {} if local is None else {column.name: captured_words(column.column_type) for column in local.columns}
    found: dict[str, None] = {}
    for source in mine:
        noted = catalogue.read(raw, schema, source.name)
        types = [] if noted is None else [column.column_type for column in noted.columns[FIRST:]]
        for name, words in zip(table.definition.column_names, types, strict=False):
            if now.get(name, words) != words:
                found[name] = None
    return tuple(found)


def _rows(
    raw: Driver,
    schema: str,
    sources: Sequence[ChangeTable],
    mine: Sequence[ChangeTable],
    table: Table,
    columns: Sequence[str],
    standing: Callable[[Table], Standing],
) -> dict[Key, tuple[Value, ...]]:
    definition = table.definition
    keys = len(definition.primary_key)
    places = [*definition.key_indexes, *definition.indexes_of(columns)]
    found: dict[Key, tuple[Value, ...]] = {}
    for source in mine:  # the older ones first
        pairs = captured_pairs(raw, schema, sources, source, table, standing)
        if not pairs:
            continue
        carrier = Carrier([pairs[place] for place in places])
        listed = carrier.selected([f"n{place + 1}" for place in places])
        rows = fetch(raw, f"SELECT {listed} FROM {source.sql(schema)} WHERE op <> 'D' ORDER BY id")
        found.update((pack_key(row[:keys]), tuple(row[keys:])) for row in carrier.read(rows))
    return found
