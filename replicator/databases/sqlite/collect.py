"""Reading the outbox: captured rows to `Change`s, and what became of rows that stood in the way of a REPLACE.

SQLite has one writer, so ids ascend in commit order and everything visible is one merged group (protocol.md 7.1, 7.5).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, cast

from replicator.databases.base import Change
from replicator.databases.sqlite.markers import settle_markers
from replicator.databases.sqlite.statements import CHUNK, Row, fetch, fetch_page
from replicator.databases.sqlite.tables import loose_places
from replicator.databases.sqlite.triggers import OUTBOX
from replicator.protocol.keys import key_packer, keys_packer
from replicator.types import Key, Operation, Table, Value

CHANGES = 2 * CHUNK
_MASK_BITS = 62
"""As many as fit an integer of SQLite."""
_HEAD = 5
"""Columns of a row read from the outbox before n1: id, tbl, op, at, mask."""
_DAY = 86_400_000
"""Milliseconds."""
_JULIAN_1970 = 2440587.5

LARGEST_ID = 2**63 - 1

Decoder = Callable[[list[Row]], list[Change]]


class Layout(NamedTuple):
    """Which columns of the outbox a query reads after the first five."""

    news: int
    """n1 to this one."""
    olds: tuple[int, ...]
    """Places of the table columns whose o is read. The mask that SQLite computes has a bit for each of these."""


class _Times(dict[float, int]):
    """Julian days, as SQLite's clock gives them to the millisecond, to microseconds since 1970 UTC."""

    def __missing__(self, day: float) -> int:
        at = self[day] = round((day - _JULIAN_1970) * _DAY) * 1000
        return at


class _Loose(dict[int, list[int]]):
    """By table: places of the columns without affinity, which have flags of their own in the outbox (see capture)."""

    def __init__(self, raw: sqlite3.Connection, tables: Mapping[int, Table]) -> None:
        super().__init__()
        self._raw, self._tables = raw, tables

    def __missing__(self, number: int) -> list[int]:
        places = self[number] = loose_places(self._raw, self._tables[number])
        return places


def is_empty(raw: sqlite3.Connection) -> bool:
    return raw.execute(f"SELECT 1 FROM {OUTBOX} LIMIT 1").fetchone() is None


def last_id(raw: sqlite3.Connection) -> int | None:
    (found,) = raw.execute(f"SELECT max(id) FROM {OUTBOX}").fetchone()
    return None if found is None else int(found)


def changes(
    raw: sqlite3.Connection,
    tables: Mapping[int, Table],
    read_through: Callable[[int], None],
    through: int | None = None,
) -> Iterator[list[Change]]:
    """All changes by id, or those up to `through`. Reports the highest id read before it yields what was read."""
    decoders: dict[tuple[int, Layout], Decoder] = {}
    loose = _Loose(raw, tables)
    last, bound = 0, LARGEST_ID if through is None else through
    while True:
        end = _end_of_chunk(raw, last, bound)
        if end is None:
            return
        found = fetch(raw, f"SELECT DISTINCT tbl, op FROM {OUTBOX} WHERE id > ? AND id <= ?", (last, end))
        ops = {op for _, op in found}
        if not ops.isdisjoint(("K", "M")):
            for table in tables.values():
                settle_markers(raw, table, last)
            raw.execute(f"DELETE FROM {OUTBOX} WHERE id > ? AND op IN ('K', 'M')", (last,))
            continue
        # Rows of a table that is no longer replicated are read over.
        wanted = {number: tables[number] for number, _ in found if number in tables}
        chunk: list[Change] = []
        if wanted:
            layout = _layout(raw, list(wanted.values()), loose, ops, (last, end))
            page, whole = fetch_page(raw, _reading(layout), (last, end))
            if not whole:
                end = page[-1][0]
            for number, rows in groupby(page, itemgetter(1)):
                if number in wanted:
                    if (number, layout) not in decoders:
                        decoders[number, layout] = _decoder(wanted[number], loose[number], layout)
                    chunk += decoders[number, layout](list(rows))
        last = end
        read_through(last)
        if chunk:
            yield chunk


def _end_of_chunk(raw: sqlite3.Connection, last: int, bound: int) -> int | None:
    """Id of the last row of the chunk after `last`; None when there is none."""
    rows = f"FROM {OUTBOX} WHERE id > ? AND id <= ?"
    whole = fetch(raw, f"SELECT id {rows} ORDER BY id LIMIT 1 OFFSET {CHANGES - 1}", (last, bound))
    (end,) = whole or fetch(raw, f"SELECT max(id) {rows}", (last, bound))
    return None if end[0] is None else int(end[0])


def _layout(
    raw: sqlite3.Connection, tables: list[Table], loose: _Loose, ops: set[str], span: tuple[int, int]
) -> Layout:
    """No wider than what is there: reading columns is most of the work, and updates mostly change the same few."""
    width = max(len(table.definition.columns) for table in tables)
    news = 0 if ops == {"D"} else max(len(table.definition.columns) + len(loose[table.id]) for table in tables)
    if ops == {"I"}:
        return Layout(news, ())
    if not ops <= {"I", "U"}:
        return Layout(news, tuple(range(width)))
    counts = ", ".join(f"count(o{place + 1})" for place in range(width))
    (row,) = fetch(raw, f"SELECT {counts} FROM {OUTBOX} WHERE id > ? AND id <= ?", span)
    return Layout(news, tuple(place for place, count in enumerate(row) if count))


def _reading(layout: Layout) -> str:
    bits = " | ".join(f"((o{place + 1} IS NOT NULL) << {bit})" for bit, place in enumerate(layout.olds)) or "0"
    mask = bits if len(layout.olds) <= _MASK_BITS else "NULL"
    slots = "".join(f", n{place + 1}" for place in range(layout.news))
    slots += "".join(f", o{place + 1}" for place in layout.olds)
    return f"SELECT id, tbl, op, at, {mask}{slots} FROM {OUTBOX} WHERE id > ? AND id <= ? ORDER BY id"


def _decoder(table: Table, loose: list[int], layout: Layout) -> Decoder:
    """A function from this table's outbox rows to changes; updates that changed nothing are left out."""
    width = len(table.definition.columns)
    number = table.id
    key_of, keys_of = key_packer(table.definition), keys_packer(table.definition)
    everything = (1 << width) - 1
    end, olds = _HEAD + width, _HEAD + layout.news
    update_of = _update_reader(table, loose, layout)
    new_change = cast(Callable[[type[Change], Row], Change], tuple.__new__)
    insert, update, delete = Operation.INSERT, Operation.UPDATE, Operation.DELETE

    def decode(rows: list[Row]) -> list[Change]:
        found = []
        times = _Times()
        images = [row[_HEAD:end] for row in rows]
        # Deleted rows have their own key below; packing all at once costs less than telling them apart.
        for row, image, key in zip(rows, images, keys_of(images), strict=True):
            op, at = row[2], times[row[3]]
            entry: Row
            if op == "U":
                mask, before = update_of(row, row[4])
                if not mask:
                    continue
                entry = (row[0], number, update, key, image, mask, before, at, None)
            elif op == "I":
                entry = (row[0], number, insert, key, image, everything, None, at, None)
            elif op == "D":
                old = row[olds : olds + width]
                entry = (row[0], number, delete, key_of(old), None, 0, old, at, None)
            else:
                mask, before = _replaced(image, row[olds : olds + width])
                if not mask:
                    continue
                entry = (row[0], number, update, key, image, mask, before, at, None)
            found.append(new_change(Change, entry))
        return found

    return decode


def _update_reader(table: Table, loose: list[int], layout: Layout) -> Callable[[Row, int | None], tuple[int, Row]]:
    """A function from an update's row to its mask and the old values of the masked columns (see capture)."""
    width = len(table.definition.columns)
    olds = _HEAD + layout.news
    flags = {place: _HEAD + width + count for count, place in enumerate(loose)}
    known: dict[int, tuple[int, list[tuple[int, int]], bool]] = {}

    def learn(bits: int) -> tuple[int, list[tuple[int, int]], bool]:
        places = [(bit, place) for bit, place in enumerate(layout.olds) if bits >> bit & 1 and place < width]
        mask = sum(1 << place for _, place in places)
        pairs = [(olds + bit, _HEAD + place) for bit, place in places]
        return mask, pairs, any(place in flags for _, place in places)

    def read(row: Row, bits: int | None) -> tuple[int, Row]:
        if bits is None:
            bits = sum(1 << bit for bit in range(len(layout.olds)) if row[olds + bit] is not None)
        if bits not in known:
            known[bits] = learn(bits)
        mask, pairs, is_loose = known[bits]
        if not is_loose:
            return mask, tuple([None if row[old] == row[new] else row[old] for old, new in pairs])
        values = []
        for old, new in pairs:
            value, place = row[old], new - _HEAD
            if place not in flags:
                value = None if value == row[new] else value
            elif row[flags[place]]:
                value = None
            elif identical(value, row[new]):
                mask &= ~(1 << place)
                continue
            values.append(value)
        return mask, tuple(values)

    return read


def _replaced(image: Row, old: Row) -> tuple[int, Row]:
    """Mask and old values of a row that a REPLACE put in its own place, where both images are whole."""
    changed = [place for place, value in enumerate(image) if not identical(value, old[place])]
    return sum(1 << place for place in changed), tuple(old[place] for place in changed)


def identical(one: Value, other: Value) -> bool:
    """Equal bit for bit: neither 1 and 1.0 nor 0.0 and -0.0."""
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, float) or one != 0.0 or repr(one) == repr(other)


def clear(raw: sqlite3.Connection, through: int) -> None:
    """Delete what was read. All of it goes at once, without looking at each row, if nothing came later."""
    later = raw.execute(f"SELECT 1 FROM {OUTBOX} WHERE id > ? LIMIT 1", (through,)).fetchone()
    if later is None:
        raw.execute(f"DELETE FROM {OUTBOX}")
    else:
        raw.execute(f"DELETE FROM {OUTBOX} WHERE id <= ?", (through,))


def waiting_keys(raw: sqlite3.Connection, table: Table) -> set[Key]:
    """Keys of the table's rows in the outbox, whatever happened to them."""
    width = len(table.definition.columns)
    key_of = key_packer(table.definition)
    news = ", ".join(f"n{place}" for place in range(1, width + 1))
    olds = ", ".join(f"o{place}" for place in range(1, width + 1))
    found: set[Key] = set()
    for condition, slots in (("op IN ('I', 'U')", news), ("op NOT IN ('I', 'U')", olds)):
        rows = fetch(raw, f"SELECT {slots} FROM {OUTBOX} WHERE tbl = ? AND {condition}", (table.id,))
        found.update(key_of(row) for row in rows)
    return found
