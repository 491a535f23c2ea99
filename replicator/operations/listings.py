"""What stands in the journal, in the application's own words: tables, columns and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replicator.errors import UnknownName
from replicator.operations.opening import View
from replicator.protocol.codec_plain import unpack, unpack_rows
from replicator.protocol.images import selectors
from replicator.store import catalogue, journal, journal_reading
from replicator.store.journal import Group
from replicator.store.journal_reading import JournalChange
from replicator.types import HOST_PEER, Table, Value

KINDS = {"N": "new", "C": "changed", "D": "deleted"}

ALL = 1 << 62
"""As a limit: none."""

SLICES = 50
"""Slices of the journal looked for at a time."""

Fields = dict[str, Value]
"""A row's values by column name; those that aren't known are left out."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One row change in the journal, or one record that is no row."""

    epoch: int
    """Of the host; 0 in a station's journal."""
    n: int
    order: int
    """Place within the group, from 1; 0 for a group that is a request."""
    at: int
    """Microseconds since 1970 UTC, by the clock of the node that wrote."""
    origin: str
    table: str | None
    key: tuple[Value, ...] | None
    kind: str
    columns: tuple[str, ...]
    """Changed columns; of a new or deleted row none."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    line: JournalLine
    before: Fields | None
    """None: there was no row. What a journal of changes doesn't tell is left out."""
    after: Fields | None
    record: Any = None
    """Body of a record that is no row, or of a request."""


@dataclass(frozen=True, slots=True)
class JournalGroup:
    """What was written together."""

    epoch: int
    n: int
    origin: str
    origin_sequence: int | None
    """Its number in the journal of the station that made it; None: made here."""
    at: int
    merged: bool
    """Everything that one collect found, as this database doesn't tell its transactions."""
    control: str | None
    entries: list[JournalEntry]
    total: int
    """Entries in it; `entries` may hold fewer."""


# --- journal ----------------------------------------------------------------------------------------------------------


def list_journal(
    view: View, *, table: str | None = None, after: int | None = None, limit: int = 50
) -> list[JournalLine]:
    """The newest `limit` lines, or the first behind group `after`; newest last. Raises UnknownName."""
    tables = catalogue.load_tables(view.connection)
    number = None if table is None else catalogue.find_table(view.connection, table).id
    changes = _newest(view, tables, number, limit) if after is None else _behind(view, tables, number, after, limit)
    first = min((change.n for change in changes), default=0)
    groups = journal.groups(view.connection, first, view.node.last_n)
    lines = [_line(view, groups[change.n], change, tables) for change in changes]
    if number is None:
        # Requests have no entries: those of the same stretch of the journal.
        since = after if after is not None else (first - 1 if len(changes) >= limit else 0)
        requests = journal.latest_requests(view.connection, after=since, limit=limit)
        lines += [_request_line(view, group) for group in requests]
        lines.sort(key=lambda line: (line.n, line.order))
    return lines[-limit:] if after is None else lines[:limit]


def _newest(view: View, tables: dict[int, Table], table: int | None, limit: int) -> list[JournalChange]:
    """The newest changes, oldest first: slice by slice, backward."""
    definitions = {number: found.definition for number, found in tables.items()}
    newest: list[JournalChange] = []
    before: int | None = None
    while len(newest) < limit and (slices := journal_reading.slices_backward(view.connection, before, SLICES)):
        for number in slices:
            found = journal_reading.changes_of_slice(view.connection, number, definitions)
            newest = [change for change in found if table is None or change.table == table] + newest
            if len(newest) >= limit:
                break
        before = slices[-1]
    return newest[-limit:]


def _behind(view: View, tables: dict[int, Table], table: int | None, after: int, limit: int) -> list[JournalChange]:
    """The first changes behind group `after`."""
    definitions = {number: found.definition for number, found in tables.items()}
    behind: list[JournalChange] = []
    for number in journal_reading.slices_after(view.connection, after):
        found = journal_reading.changes_of_slice(view.connection, number, definitions)
        behind += [change for change in found if change.n > after and (table is None or change.table == table)]
        if len(behind) >= limit:
            break
    return behind[:limit]


def show_group(view: View, n: int, *, limit: int = 100) -> JournalGroup:
    """A group with its first `limit` entries. Raises UnknownName."""
    group = journal.group(view.connection, n)
    if group is None:
        raise UnknownName(f"there is no group {n} in the journal; see: replicator journal list")
    tables = catalogue.load_tables(view.connection)
    entries: list[JournalEntry] = []
    definitions = {number: found.definition for number, found in tables.items()}
    for number in journal_reading.slices_of(view.connection, n):
        changes = journal_reading.changes_of_slice(view.connection, number, definitions)
        entries += [_detail(view, group, change, tables) for change in changes if change.n == n]
        if len(entries) >= limit:
            break
    del entries[limit:]
    if group.control is not None and not entries:
        entries.append(JournalEntry(_request_line(view, group), None, None, _body(group.body)))
    return JournalGroup(
        epoch=group.host_epoch,
        n=group.n,
        origin=_origin(view, group),
        origin_sequence=group.origin_n or None,
        at=group.at,
        merged=bool(group.merged),
        control=group.control,
        entries=entries,
        total=group.entries,
    )


def _origin(view: View, group: Group) -> str:
    return view.node.name if group.origin == HOST_PEER else view.name_of(group.origin)


def _line(view: View, group: Group, change: JournalChange, tables: dict[int, Table]) -> JournalLine:
    is_row = change.table != 0
    return JournalLine(
        epoch=group.host_epoch,
        n=group.n,
        order=change.order + 1,
        at=group.at if change.at is None else change.at,
        origin=_origin(view, group),
        table=table_name(tables, change.table) if is_row else None,
        key=change.key_values if is_row else None,
        kind=KINDS.get(change.change, change.change),
        columns=_masked_names(tables[change.table], change) if change.change == "C" else (),
    )


def _request_line(view: View, group: Group) -> JournalLine:
    return JournalLine(
        epoch=group.host_epoch,
        n=group.n,
        order=0,
        at=group.at,
        origin=_origin(view, group),
        table=None,
        key=None,
        kind=group.control or "",
        columns=(),
    )


def _detail(view: View, group: Group, change: JournalChange, tables: dict[int, Table]) -> JournalEntry:
    line = _line(view, group, change, tables)
    if not change.table:
        return JournalEntry(line, None, None, change.body)
    names = tables[change.table].definition.column_names
    after = None if change.image is None else dict(zip(names, change.image, strict=True))
    if change.change == "N":
        return JournalEntry(line, None, after)
    before: Fields = {}
    if change.before is not None:
        if change.change == "D":
            before = dict(zip(names, change.before, strict=True))
        elif after is not None:
            # Columns that are not masked did not change.
            before = after | dict(zip(line.columns, change.before, strict=False))
    return JournalEntry(line, before, after)


def _masked_names(table: Table, change: JournalChange) -> tuple[str, ...]:
    names = table.definition.column_names
    return tuple(name for name, chosen in zip(names, selectors(change.mask, len(names)), strict=True) if chosen)


# --- rows -------------------------------------------------------------------------------------------------------------


def table_name(tables: dict[int, Table], number: int) -> str:
    return tables[number].name if number in tables else f"table {number} (removed)"


def _body(body: bytes | None) -> Any:
    return None if body is None else unpack(body)


def fields_of(table: Table | None, packed: bytes | None) -> Fields | None:
    """The row by column name. Columns of a table that is gone, or has fewer now, go by their place."""
    if packed is None:
        return None
    row = unpack_rows([packed])[0]
    names = table.definition.column_names if table is not None else ()
    return {names[place] if place < len(names) else f"column {place + 1}": value for place, value in enumerate(row)}
