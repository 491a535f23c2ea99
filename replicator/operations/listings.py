"""What stands in the journal and in the conflicts, in the application's own words: tables, columns and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replicator.engine.collect import unpack_mask
from replicator.errors import UnknownName
from replicator.operations.opening import View
from replicator.protocol.codec_plain import unpack, unpack_rows
from replicator.protocol.images import selectors
from replicator.protocol.keys import unpack_key
from replicator.store import catalogue, conflicts, journal, state
from replicator.store.conflicts import ConflictRow
from replicator.store.journal import Entry, Group
from replicator.types import HOST_PEER, Table, Value

KINDS = {"N": "new", "C": "changed", "D": "deleted", "X": "record"}

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


@dataclass(frozen=True, slots=True)
class ConflictLine:
    id: int
    at: int
    epoch: int
    n: int
    """Place in the host's log (at a station: of what was applied) where it came up."""
    station: str
    table: str
    key: tuple[Value, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class ConflictDetail:
    line: ConflictLine
    host: Fields | None
    """None: there was no row."""
    station: Fields | None
    result: Fields | None
    """What stands now."""


# --- journal ----------------------------------------------------------------------------------------------------------


def list_journal(
    view: View, *, table: str | None = None, after: int | None = None, limit: int = 50
) -> list[JournalLine]:
    """The newest `limit` lines, or the first behind group `after`; newest last. Raises UnknownName."""
    tables = catalogue.load_tables(view.connection)
    number = None if table is None else catalogue.find_table(view.connection, table).id
    entries = journal.latest_entries(view.connection, table=number, after=after, limit=limit)
    groups = journal.groups(view.connection, {entry.n for entry in entries})
    lines = [_line(view, groups[entry.n], entry, tables) for entry in entries]
    if number is None:
        # Requests have no entries: those of the same stretch of the journal.
        since = after if after is not None else (entries[0].n - 1 if len(entries) == limit else 0)
        requests = journal.latest_requests(view.connection, after=since, limit=limit)
        lines += [_request_line(view, group) for group in requests]
        lines.sort(key=lambda line: (line.n, line.order))
    return lines[-limit:] if after is None else lines[:limit]


def show_group(view: View, n: int, *, limit: int = 100) -> JournalGroup:
    """A group with its first `limit` entries. Raises UnknownName."""
    group = journal.group(view.connection, n)
    if group is None:
        raise UnknownName(f"there is no group {n} in the journal; see: replicator journal list")
    tables = catalogue.load_tables(view.connection)
    first, last = group.first_entry - 1, group.first_entry + min(group.entries, limit) - 1
    entries = [
        _detail(view, group, entry, tables)
        for chunk in journal.entries_after(view.connection, first, last)
        for entry in chunk
    ]
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


def _line(view: View, group: Group, entry: Entry, tables: dict[int, Table]) -> JournalLine:
    table = tables.get(entry.table_id)
    columns: tuple[str, ...] = ()
    if entry.change == "C" and table is not None:
        columns = _masked_names(table, entry)
    is_row = entry.change != "X"
    return JournalLine(
        epoch=group.host_epoch,
        n=group.n,
        order=entry.id - group.first_entry + 1,
        at=entry.at,
        origin=_origin(view, group),
        table=_table_name(tables, entry.table_id) if is_row else None,
        key=unpack_key(entry.key) if is_row else None,
        kind=KINDS.get(entry.change, entry.change) if is_row else entry.key.decode("utf-8", "replace"),
        columns=columns,
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


def _detail(view: View, group: Group, entry: Entry, tables: dict[int, Table]) -> JournalEntry:
    line = _line(view, group, entry, tables)
    if entry.change == "X":
        return JournalEntry(line, None, None, _body(entry.image))
    table = tables.get(entry.table_id)
    after = _fields(table, entry.image)
    if entry.change == "N":
        return JournalEntry(line, None, after)
    return JournalEntry(line, _before(view, entry, line, table, after), after)


def _before(view: View, entry: Entry, line: JournalLine, table: Table | None, after: Fields | None) -> Fields:
    """The row before a change or a deletion, as far as the journal knows it."""
    if entry.old_values is None:
        # A host's log doesn't repeat what stands in it already.
        previous = journal.previous_entry(view.connection, entry) if view.is_host else None
        return (_fields(table, previous.image) or {}) if previous is not None else {}
    if entry.change == "D":
        return _fields(table, entry.old_values) or {}
    # Columns that are not masked did not change.
    return (after or {}) | dict(zip(line.columns, unpack_rows([entry.old_values])[0], strict=False))


def _masked_names(table: Table, entry: Entry) -> tuple[str, ...]:
    names = table.definition.column_names
    chosen = selectors(unpack_mask(entry.mask), len(names))
    return tuple(name for name, selected in zip(names, chosen, strict=True) if selected)


# --- conflicts --------------------------------------------------------------------------------------------------------


def list_conflicts(
    view: View, *, table: str | None = None, station: str | None = None, after: int | None = None, limit: int = 50
) -> list[ConflictLine]:
    """The newest `limit` of them, or the first behind number `after`; newest last. Raises UnknownName."""
    number = None if table is None else catalogue.find_table(view.connection, table).id
    peer = None if station is None else state.find_peer(view.connection, station).id
    found = conflicts.recent(view.connection, table=number, peer=peer, after=after, limit=limit)
    tables = catalogue.load_tables(view.connection)
    return [_conflict_line(view, row, tables) for row in found]


def show_conflict(view: View, number: int) -> ConflictDetail:
    """Raises UnknownName."""
    row = conflicts.load(view.connection, number)
    tables = catalogue.load_tables(view.connection)
    table = tables.get(row.table_id)
    return ConflictDetail(
        line=_conflict_line(view, row, tables),
        host=_fields(table, row.host_image),
        station=_fields(table, row.station_image),
        result=_fields(table, row.result_image),
    )


def _conflict_line(view: View, row: ConflictRow, tables: dict[int, Table]) -> ConflictLine:
    # At a station every conflict is between the host's row and its own.
    station = view.name_of(row.peer) if view.is_host else view.node.name
    return ConflictLine(
        id=row.id,
        at=row.at,
        epoch=row.host_epoch,
        n=row.n,
        station=station,
        table=_table_name(tables, row.table_id),
        key=unpack_key(row.key),
        kind=row.kind,
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def _table_name(tables: dict[int, Table], number: int) -> str:
    return tables[number].name if number in tables else f"table {number} (removed)"


def _body(body: bytes | None) -> Any:
    return None if body is None else unpack(body)


def _fields(table: Table | None, packed: bytes | None) -> Fields | None:
    """The row by column name. Columns of a table that is gone, or has fewer now, go by their place."""
    if packed is None:
        return None
    row = unpack_rows([packed])[0]
    names = table.definition.column_names if table is not None else ()
    return {names[place] if place < len(names) else f"column {place + 1}": value for place, value in enumerate(row)}
