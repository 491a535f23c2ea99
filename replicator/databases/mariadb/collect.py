"""Reading what was captured: the changes of committed transactions, in the order of their ids.

Ids are drawn when a change is made and seen when its transaction commits, so "the ids after the last one" would lose
some (protocol.md 7.1). A second connection, the reader, takes one consistent snapshot of all change tables; what it
shows is read and then deleted, exactly that, by id: a range of ids would wait for writers whose ids lie in it. The
reader's snapshot is also the one of which `Database.snapshot` reads rows: rows and log position are of one moment.

Within one collect the order of ids will do: whatever depends on a change waits for the commit of that change, and draws
its id later. (Whole transactions would have to go by their last id; MariaDB tells none.)
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from replicator.databases.base import Change
from replicator.databases.captured import Found, as_changes_of, decoder
from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.carrying import Carrier
from replicator.databases.mariadb.change_tables import FIRST, ChangeTable, newest
from replicator.databases.mariadb.forms import Pair
from replicator.databases.mariadb.statements import Driver, execute, fetch
from replicator.databases.mariadb.tables import Standing
from replicator.databases.portable import key_columns
from replicator.databases.weighing import PageSize
from replicator.errors import DatabaseTrouble
from replicator.protocol.keys import pack_key
from replicator.types import Key, Position, Table

CHUNK = 2000

Placed = tuple[int, ChangeTable, list[Change]]
"""Id, where it stands, the changes: an update may be none, or two."""


class Cleared:
    """Ids that this transaction has deleted, as the reader's snapshot still shows them: eight bytes each."""

    def __init__(self) -> None:
        self._ids: dict[str, list[array[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def add(self, name: str, ids: array[int]) -> None:
        self._ids.setdefault(name, []).append(ids)

    def holds(self, name: str, identity: int) -> bool:
        for ids in self._ids.get(name, ()):
            place = bisect_left(ids, identity)
            if place < len(ids) and ids[place] == identity:
                return True
        return False


class Reading:
    """One collect: what the reader shows, merged by id; remembers what was read, to clear it."""

    def __init__(self, reader: Driver, schema: str, sources: Sequence[ChangeTable], cleared: Cleared) -> None:
        self._reader, self._schema, self._sources, self._cleared = reader, schema, sources, cleared
        self._read: dict[ChangeTable, array[int]] = {source: array("q") for source in sources}

    def changes(
        self,
        tables: Mapping[int, Table],
        standing: Callable[[Table], Standing],
        forms: Mapping[tuple[int, Position], Table],
    ) -> Iterator[list[Change]]:
        """In chunks. Changes of tables that are no longer replicated are left out, and cleared all the same."""
        sources = [self._of_table(source, tables.get(source.number), standing, forms) for source in self._sources]
        chunk: list[Change] = []
        read: list[tuple[ChangeTable, int]] = []
        size = PageSize(CHUNK)
        for identity, source, found in heapq.merge(*sources, key=itemgetter(0)):
            chunk += found
            read.append((source, identity))
            if len(chunk) >= size.rows:
                size.note([change.image or change.before or () for change in chunk])
                self._note(read)
                yield chunk
                chunk = []
        self._note(read)
        if chunk:
            yield chunk

    def _note(self, read: list[tuple[ChangeTable, int]]) -> None:
        for source, identity in read:
            self._read[source].append(identity)
        read.clear()

    def _of_table(
        self,
        source: ChangeTable,
        table: Table | None,
        standing: Callable[[Table], Standing],
        forms: Mapping[tuple[int, Position], Table],
    ) -> Iterator[Placed]:
        new, old = "", ""
        decode: Callable[[list[Any]], Found] | None = None
        form = table if table is None else captured_form(source, table, forms)
        if form is not None and (
            pairs := captured_pairs(self._reader, self._schema, self._sources, source, form, standing)
        ):
            carrier, places = Carrier(pairs), range(1, len(pairs) + 1)
            new, old = (", " + carrier.selected([f"{letter}{place}" for place in places]) for letter in "no")
            decode = decoder(form, carrier.read)
            if table is not None and form.version != table.version:
                decode = as_changes_of(form, table, decode)
        size, page_full, last = PageSize(CHUNK), True, -1
        while page_full:
            page = f"FROM {source.sql(self._schema)} WHERE id > {last} ORDER BY id LIMIT {size.rows}"
            # To read columns is most of the driver's work, and rows that were inserted have no old ones.
            operations = fetch(self._reader, f"SELECT DISTINCT op FROM (SELECT op {page}) AS page")
            slots = new if operations == [("I",)] else f"{new}{old}"
            head = "SELECT id, op, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', at), NULL"
            rows = fetch(self._reader, f"{head}{slots} {page}")
            page_full = size.note(rows)
            if page_full:
                last = rows[-1][0]
            if self._cleared:
                rows = [row for row in rows if not self._cleared.holds(source.name, row[0])]
            if decode is None:
                yield from ((row[0], source, []) for row in rows)
            else:
                yield from ((row[0], source, found) for row, found in zip(rows, decode(rows), strict=True))

    def clear(self, raw: Driver) -> None:
        """Delete what was read, each found by its key: to find most of a table's rows by id IN (…) the server goes
        through all of it, and meets the locks of those who have not committed yet."""
        for source, ids in self._read.items():
            name = source.sql(self._schema)
            for start in range(0, len(ids), CHUNK):
                listed = ",".join(map(str, ids[start : start + CHUNK]))
                execute(
                    raw,
                    f"DELETE c FROM JSON_TABLE('[{listed}]', '$[*]' COLUMNS (id BIGINT PATH '$')) i"
                    f" STRAIGHT_JOIN {name} c ON c.id = i.id",
                )
            if ids:
                self._cleared.add(source.name, ids)


def waiting_keys(
    raw: Driver, schema: str, sources: Sequence[ChangeTable], table: Table, standing: Callable[[Table], Standing]
) -> set[Key]:
    """Keys of the table's rows that stand in its change tables, whatever happened to them."""
    places = table.definition.key_indexes
    found: set[Key] = set()
    for source in sources:
        # The key is the same in all versions; where another one is captured, its table is about to be taken over.
        mine = source.number == table.id and source.captured == table.version
        pairs = captured_pairs(raw, schema, sources, source, table, standing) if mine else []
        if not pairs:
            continue
        carrier = Carrier([pairs[place] for place in places])
        for letter, without in (("n", "D"), ("o", "I")):
            slots = carrier.selected([f"{letter}{place + 1}" for place in places])
            rows = fetch(raw, f"SELECT {slots} FROM {source.sql(schema)} WHERE op <> '{without}'")
            found.update(map(pack_key, carrier.read(rows)))
    return found


def captured_pairs(
    raw: Driver,
    schema: str,
    sources: Sequence[ChangeTable],
    source: ChangeTable,
    table: Table,
    standing: Callable[[Table], Standing],
) -> list[Pair]:
    """What the columns of a change table hold: the table's values, or, put aside, with the types that it had then.

    []: it is of another table that had the number, and was not replicated in the end. `table`: in the version that the
    change table is of.
    """
    if not source.belongs_to(table):
        return []
    definition = table.definition
    if source == newest(sources, table):
        try:
            return standing(table).pairs(definition.column_names)
        except DatabaseTrouble:
            pass  # a column of then is gone
    found = catalogue.read(raw, schema, source.name)
    older = () if found is None else found.columns[FIRST : FIRST + len(definition.columns)]
    keys = key_columns(definition)
    return [
        Pair(column.type, here, column.name in keys)
        for column, here in zip(definition.columns, older, strict=bool(older))
    ]


def captured_form(source: ChangeTable, table: Table, forms: Mapping[tuple[int, Position], Table]) -> Table | None:
    """The version of the table that was captured there; None: nobody knows it any more."""
    return table if source.captured == table.version else forms.get((table.id, source.captured))
