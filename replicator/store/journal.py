"""The journal, one table pair for both roles (protocol.md 3.1): a station's own changes, the host's log of all."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import sql, tables
from replicator.types import Key, Position


class Group(NamedTuple):
    """A row of replicator_journal, in column order."""

    n: int
    host_epoch: int
    uid: bytes
    born_epoch: int
    born_n: int
    origin: int
    origin_epoch: int
    origin_n: int
    control: str | None
    body: bytes | None
    merged: int
    rule_epoch: int
    rule_n: int
    schema_version: int
    at: int
    first_entry: int
    entries: int

    @property
    def position(self) -> Position:
        return self.host_epoch, self.n


class Entry(NamedTuple):
    """A row of replicator_journal_entry, in column order."""

    id: int
    n: int
    table_id: int
    change: str
    key: Key
    image: bytes | None
    mask: bytes | None
    old_values: bytes | None
    base_epoch: int | None
    base_n: int | None
    at: int
    origin: int
    recipients: int | None
    must: int | None


_GROUP_COLUMNS = Group._fields
_ENTRY_COLUMNS = tuple("row_key" if name == "key" else name for name in Entry._fields)
_SELECT_GROUPS = f"SELECT {', '.join(_GROUP_COLUMNS)} FROM replicator_journal"
_SELECT_ENTRIES = f"SELECT {', '.join(_ENTRY_COLUMNS)} FROM replicator_journal_entry"
FETCH = 2000


def insert_group(connection: Connection, group: Group) -> None:
    sql.insert(connection, tables.journal, _GROUP_COLUMNS, [group])


def insert_entries(connection: Connection, entries: list[Entry]) -> None:
    """In one call of the driver."""
    sql.insert(connection, tables.journal_entry, _ENTRY_COLUMNS, entries)


def finish_group(connection: Connection, n: int, entries: int) -> None:
    """The group's number of entries, once all are in."""
    sql.run(connection, "UPDATE replicator_journal SET entries = ? WHERE n = ?", (entries, n))


def groups_after(connection: Connection, n: int, limit: int) -> list[Group]:
    found = sql.rows(connection, f"{_SELECT_GROUPS} WHERE n > ? ORDER BY n LIMIT ?", (n, limit))
    return [Group._make(row) for row in found]


def group(connection: Connection, n: int) -> Group | None:
    row = sql.one(connection, f"{_SELECT_GROUPS} WHERE n = ?", (n,))
    return None if row is None else Group._make(row)


def entries_after(connection: Connection, entry: int, last: int) -> Iterator[list[Entry]]:
    """Entries with `entry` < id <= `last`, in order, in chunks."""
    while entry < last:
        found = sql.run(
            connection,
            f"{_SELECT_ENTRIES} WHERE id > ? AND id <= ? ORDER BY id LIMIT {FETCH}",
            (entry, last),
        ).fetchall()
        if not found:
            return
        chunk = [Entry._make(row) for row in found]
        entry = chunk[-1].id
        yield chunk


def latest_entries(connection: Connection, *, table: int | None, after: int | None, limit: int) -> list[Entry]:
    """The newest `limit` entries, or the first behind group `after`; oldest first."""
    conditions: list[str] = []
    parameters: list[int] = []
    if table is not None:
        conditions.append("table_id = ?")
        parameters.append(table)
    if after is not None:
        first = sql.one(connection, "SELECT min(first_entry) FROM replicator_journal WHERE n > ?", (after,))
        if first is None or first[0] is None:
            return []
        conditions.append("id >= ?")
        parameters.append(first[0])
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "DESC" if after is None else "ASC"
    found = sql.run(connection, f"{_SELECT_ENTRIES}{where} ORDER BY id {order} LIMIT ?", (*parameters, limit))
    return sorted((Entry._make(row) for row in found), key=lambda entry: entry.id)


def previous_entry(connection: Connection, entry: Entry) -> Entry | None:
    """The one before it of the same row, where the journal reaches back so far."""
    row = sql.one(
        connection,
        f"{_SELECT_ENTRIES} WHERE table_id = ? AND row_key = ? AND id < ? ORDER BY id DESC LIMIT 1",
        (entry.table_id, entry.key, entry.id),
    )
    return None if row is None else Entry._make(row)


def groups(connection: Connection, numbers: Collection[int]) -> dict[int, Group]:
    found: dict[int, Group] = {}
    for chunk in sql.in_chunks(sorted(set(numbers))):
        rows = sql.rows(connection, f"{_SELECT_GROUPS} WHERE n IN ({sql.marks(len(chunk))})", chunk)
        found.update((row[0], Group._make(row)) for row in rows)
    return found


def latest_requests(connection: Connection, *, after: int, limit: int) -> list[Group]:
    """The newest groups behind `after` that are a request and hold no entries, oldest first."""
    found = sql.rows(
        connection,
        f"{_SELECT_GROUPS} WHERE n > ? AND entries = 0 AND control IS NOT NULL ORDER BY n DESC LIMIT ?",
        (after, limit),
    )
    return [Group._make(row) for row in reversed(found)]


def pending(connection: Connection, judged: int, table: int, keys: Collection[Key]) -> dict[Key, int]:
    """Own changes of these rows that await a verdict: key to the highest sequence number."""
    waiting: dict[Key, int] = {}
    for chunk in sql.in_chunks(list(keys)):
        found = sql.rows(
            connection,
            "SELECT row_key, max(n) FROM replicator_journal_entry"
            f" WHERE table_id = ? AND row_key IN ({sql.marks(len(chunk))}) AND n > ? GROUP BY row_key",
            (table, *chunk, judged),
        )
        waiting.update((key, n) for key, n in found)
    return waiting


def pending_tables(connection: Connection, judged: int) -> set[int]:
    """Tables with own changes that await a verdict; empty in the usual case, so that nothing more is asked."""
    row = sql.one(connection, "SELECT min(first_entry) FROM replicator_journal WHERE n > ? AND entries > 0", (judged,))
    if row is None or row[0] is None:
        return set()
    found = sql.rows(connection, "SELECT DISTINCT table_id FROM replicator_journal_entry WHERE id >= ?", (row[0],))
    return {table for (table,) in found}


def open_requests(connection: Connection, judged: int, kind: str) -> list[bytes]:
    """Bodies of own requests of this kind that the host has not answered yet."""
    found = sql.rows(connection, "SELECT body FROM replicator_journal WHERE n > ? AND control = ?", (judged, kind))
    return [body for (body,) in found]


def changed_since(connection: Connection, n: int, table: int) -> set[Key]:
    found = sql.rows(
        connection, "SELECT DISTINCT row_key FROM replicator_journal_entry WHERE table_id = ? AND n > ?", (table, n)
    )
    return {key for (key,) in found}


def waits_to_be_cut(connection: Connection, table: int, sliced_entry: int) -> bool:
    """Host: are there records of this table for anybody that no slice holds yet?"""
    row = sql.one(
        connection,
        "SELECT 1 FROM replicator_journal_entry WHERE id > ? AND table_id = ?"
        " AND (recipients IS NOT NULL OR must IS NOT NULL) LIMIT 1",
        (sliced_entry, table),
    )
    return row is not None
