"""What stands in the journal, in the application's own words: tables, columns and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replicator.operations.listings import KINDS, Fields, table_name
from replicator.operations.opening import View
from replicator.protocol.codec_plain import unpack
from replicator.protocol.images import selectors
from replicator.store import catalogue, state
from replicator.store.journal import Group
from replicator.store.journal_reading import JournalChange, definition_then
from replicator.types import HOST_PEER, Table, TableDefinition, Value

PENDING, JUDGED = "pending", "judged"
"""At a station: of an own change, whether the host's word on it has come."""


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
    verdict: str | None = None
    """At the host, of a station's change: what became of it (protocol.verdicts.Verdict). At a station, of an own one:
    'pending' or 'judged'. None: there is none."""


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
    transaction: str = ""
    """Its number everywhere, 32 hexadecimal digits: the same at the station that made it and at the host."""


class Describing:
    """Makes lines and entries of what a view's journal holds."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.tables: dict[int, Table] = catalogue.load_tables(view.connection)
        self.definitions: Mapping[int, TableDefinition] = {
            number: table.definition for number, table in self.tables.items()
        }
        self._judged = None if view.is_host else state.load_link(view.connection, HOST_PEER, view.node.role).judged_n

    def origin(self, group: Group) -> str:
        return self.view.node.name if group.origin == HOST_PEER else self.view.name_of(group.origin)

    def line(self, group: Group, change: JournalChange) -> JournalLine:
        is_row = change.table != 0
        return JournalLine(
            epoch=group.host_epoch,
            n=group.n,
            order=change.order + 1,
            at=group.at if change.at is None else change.at,
            origin=self.origin(group),
            table=table_name(self.tables, change.table) if is_row else None,
            key=change.key_values if is_row else None,
            kind=KINDS.get(change.change, change.change),
            columns=_masked_names(definition_then(change, self.definitions), change) if change.change == "C" else (),
            verdict=self._verdict(group, change) if is_row else None,
        )

    def _verdict(self, group: Group, change: JournalChange) -> str | None:
        if self._judged is not None:
            return PENDING if group.n > self._judged else JUDGED
        return str(change.verdict) if group.origin != HOST_PEER and change.verdict is not None else None

    def request(self, group: Group) -> JournalLine:
        """A group that is a request and holds no entries."""
        return JournalLine(
            epoch=group.host_epoch,
            n=group.n,
            order=0,
            at=group.at,
            origin=self.origin(group),
            table=None,
            key=None,
            kind=group.control or "",
            columns=(),
        )

    def entry(self, group: Group, change: JournalChange) -> JournalEntry:
        line = self.line(group, change)
        if not change.table:
            return JournalEntry(line, None, None, change.body)
        names = definition_then(change, self.definitions).column_names
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

    def request_entry(self, group: Group) -> JournalEntry:
        body = None if group.body is None else unpack(group.body)
        return JournalEntry(self.request(group), None, None, body)


def _masked_names(definition: TableDefinition, change: JournalChange) -> tuple[str, ...]:
    names = definition.column_names
    return tuple(name for name, chosen in zip(names, selectors(change.mask, len(names)), strict=True) if chosen)
