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
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter

from replicator.databases.base import Change
from replicator.databases.captured import decoder
from replicator.databases.mariadb.capture import change_table
from replicator.databases.mariadb.carrying import Carrier
from replicator.databases.mariadb.statements import Driver, execute, fetch
from replicator.databases.mariadb.tables import Standing
from replicator.databases.weighing import PageSize
from replicator.protocol.keys import pack_key
from replicator.types import Key, Table

CHUNK = 2000

Placed = tuple[int, int, list[Change]]
"""Id, number of the table, the changes: an update may be none, or two."""


class Cleared:
    """Ids that this transaction has deleted, as the reader's snapshot still shows them: eight bytes each."""

    def __init__(self) -> None:
        self._ids: dict[int, list[array[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def add(self, number: int, ids: array[int]) -> None:
        self._ids.setdefault(number, []).append(ids)

    def holds(self, number: int, identity: int) -> bool:
        for ids in self._ids.get(number, ()):
            place = bisect_left(ids, identity)
            if place < len(ids) and ids[place] == identity:
                return True
        return False


def is_empty(raw: Driver, schema: str, numbers: list[int]) -> bool:
    if not numbers:
        return True
    some = " OR ".join(f"EXISTS (SELECT 1 FROM {change_table(schema, number)})" for number in numbers)
    return not fetch(raw, f"SELECT {some}")[0][0]


class Reading:
    """One collect: what the reader shows, merged by id; remembers what was read, to clear it."""

    def __init__(self, reader: Driver, schema: str, numbers: list[int], cleared: Cleared) -> None:
        self._reader, self._schema, self._numbers, self._cleared = reader, schema, numbers, cleared
        self._read: dict[int, array[int]] = {number: array("q") for number in numbers}

    def changes(self, tables: Mapping[int, Table], standing: Callable[[Table], Standing]) -> Iterator[list[Change]]:
        """In chunks. Changes of tables that are no longer replicated are left out, and cleared all the same."""
        sources = [
            self._of_table(number, standing(tables[number]) if number in tables else None) for number in self._numbers
        ]
        chunk: list[Change] = []
        read: list[tuple[int, int]] = []
        size = PageSize(CHUNK)
        for identity, number, found in heapq.merge(*sources, key=itemgetter(0)):
            chunk += found
            read.append((number, identity))
            if len(chunk) >= size.rows:
                size.note([change.image or change.before or () for change in chunk])
                self._note(read)
                yield chunk
                chunk = []
        self._note(read)
        if chunk:
            yield chunk

    def _note(self, read: list[tuple[int, int]]) -> None:
        for number, identity in read:
            self._read[number].append(identity)
        read.clear()

    def _of_table(self, number: int, standing: Standing | None) -> Iterator[Placed]:
        name, last = change_table(self._schema, number), -1
        slots, decode = (
            ("", None) if standing is None else (_slots(standing), decoder(standing.table, standing.carrier.read))
        )
        size, page_full = PageSize(CHUNK), True
        while page_full:
            rows = fetch(
                self._reader,
                f"SELECT id, op, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', at), NULL{slots} FROM {name}"
                f" WHERE id > {last} ORDER BY id LIMIT {size.rows}",
            )
            page_full = size.note(rows)
            if page_full:
                last = rows[-1][0]
            if self._cleared:
                rows = [row for row in rows if not self._cleared.holds(number, row[0])]
            if decode is None:
                yield from ((row[0], number, []) for row in rows)
            else:
                yield from ((row[0], number, found) for row, found in zip(rows, decode(rows), strict=True))

    def clear(self, raw: Driver) -> None:
        """Delete what was read, each found by its key: to find most of a table's rows by id IN (…) the server goes
        through all of it, and meets the locks of those who have not committed yet."""
        for number, ids in self._read.items():
            name = change_table(self._schema, number)
            for start in range(0, len(ids), CHUNK):
                listed = ",".join(map(str, ids[start : start + CHUNK]))
                execute(
                    raw,
                    f"DELETE c FROM JSON_TABLE('[{listed}]', '$[*]' COLUMNS (id BIGINT PATH '$')) i"
                    f" STRAIGHT_JOIN {name} c ON c.id = i.id",
                )
            if ids:
                self._cleared.add(number, ids)


def _slots(standing: Standing) -> str:
    width = len(standing.columns)
    return "".join(
        ", " + standing.carrier.selected([f"{letter}{place}" for place in range(1, width + 1)]) for letter in "no"
    )


def waiting_keys(raw: Driver, schema: str, standing: Standing) -> set[Key]:
    """Keys of the table's rows that stand in its change table, whatever happened to them."""
    definition = standing.table.definition
    places = definition.key_indexes
    carrier = Carrier(standing.pairs(definition.primary_key))
    found: set[Key] = set()
    for letter, without in (("n", "D"), ("o", "I")):
        slots = carrier.selected([f"{letter}{place + 1}" for place in places])
        name = change_table(schema, standing.table.id)
        rows = fetch(raw, f"SELECT {slots} FROM {name} WHERE op <> '{without}'")
        found.update(map(pack_key, carrier.read(rows)))
    return found
