"""The journal, for both roles (protocol.md 3.1): a station's own changes, the host's log of all.

Groups are rows of replicator_journal; their changes stand in slices, a column at a time and compressed, as the segments
that are mailed (replicator_slice_segment); replicator_journal_key tells which groups touch a row.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.store import sql, tables
from replicator.types import Key, Position


@dataclass(slots=True)
class Group:
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
    entries: int = 0
    logged_at: int = 0
    """When it took its number, by this node's clock; 0: not known."""

    @property
    def position(self) -> Position:
        return self.host_epoch, self.n


_GROUP_COLUMNS = tuple(Group.__slots__)
_SELECT_GROUPS = f"SELECT {', '.join(_GROUP_COLUMNS)} FROM replicator_journal"


def insert_groups(connection: Connection, groups: list[Group]) -> None:
    values = [tuple(getattr(group, name) for name in _GROUP_COLUMNS) for group in groups]
    sql.insert(connection, tables.journal, _GROUP_COLUMNS, values)


def update_entries(connection: Connection, group: Group) -> None:
    """The number of a group's entries, when it has grown over a slice's end."""
    sql.run(connection, "UPDATE replicator_journal SET entries = ? WHERE n = ?", (group.entries, group.n))


def group(connection: Connection, n: int) -> Group | None:
    row = sql.one(connection, f"{_SELECT_GROUPS} WHERE n = ?", (n,))
    return None if row is None else Group(*row)


def groups(connection: Connection, first: int, last: int) -> dict[int, Group]:
    """Groups from position n `first` to `last`, by n."""
    found = sql.rows(connection, f"{_SELECT_GROUPS} WHERE n BETWEEN ? AND ? ORDER BY n", (first, last))
    return {row[0]: Group(*row) for row in found}


def pending(connection: Connection, judged: int, table: int, keys: Collection[Key]) -> dict[Key, int]:
    """Own changes of these rows that await a verdict: key to the highest sequence number."""
    return _waiting(connection, "max", judged, table, keys)


def first_pending(connection: Connection, judged: int, table: int, keys: Collection[Key]) -> dict[Key, int]:
    """Own changes of these rows that await a verdict: key to the lowest sequence number."""
    return _waiting(connection, "min", judged, table, keys)


def _waiting(connection: Connection, which: str, judged: int, table: int, keys: Collection[Key]) -> dict[Key, int]:
    waiting: dict[Key, int] = {}
    for chunk in sql.in_chunks(list(keys)):
        found = sql.rows(
            connection,
            f"SELECT row_key, {which}(n) FROM replicator_journal_key"
            f" WHERE table_id = ? AND row_key IN ({sql.marks(len(chunk))}) AND n > ? GROUP BY row_key",
            (table, *chunk, judged),
        )
        waiting.update((key, n) for key, n in found)
    return waiting


def has_pending(connection: Connection, judged: int) -> bool:
    """Do own changes await a verdict? In the usual case not, and nothing more is asked."""
    found = sql.one(connection, "SELECT 1 FROM replicator_journal WHERE n > ? AND entries > 0 LIMIT 1", (judged,))
    return found is not None


def open_requests(connection: Connection, judged: int, kind: str) -> list[tuple[int, bytes]]:
    """(n, body) of own requests of this kind that the host has not answered yet, in order."""
    found = sql.rows(
        connection, "SELECT n, body FROM replicator_journal WHERE n > ? AND control = ? ORDER BY n", (judged, kind)
    )
    return [(n, body) for n, body in found]


def pending_keys(connection: Connection, judged: int, table: int, after: Key, limit: int) -> list[Key]:
    """Rows of a table with own changes that await a verdict, by key, a page at a time."""
    found = sql.rows(
        connection,
        "SELECT DISTINCT row_key FROM replicator_journal_key WHERE table_id = ? AND n > ? AND row_key > ?"
        " ORDER BY row_key LIMIT ?",
        (table, judged, after, limit),
    )
    return [key for (key,) in found]


def groups_numbered(connection: Connection, numbers: Collection[int]) -> dict[int, Group]:
    """These groups, by n."""
    found: dict[int, Group] = {}
    for chunk in sql.in_chunks(sorted(numbers)):
        where = f" WHERE n IN ({sql.marks(len(chunk))})"
        found.update((row[0], Group(*row)) for row in sql.rows(connection, _SELECT_GROUPS + where, chunk))
    return found


def find_groups(
    connection: Connection,
    first: int,
    last: int,
    *,
    origin: int | None = None,
    origin_n: int | None = None,
    uid: bytes | None = None,
) -> set[int]:
    """Numbers of the groups from `first` to `last` that are of this origin, of this number there, of this uid."""
    asked = {"origin": origin, "origin_n": origin_n, "uid": uid}
    wanted = {name: value for name, value in asked.items() if value is not None}
    conditions = "".join(f" AND {name} = ?" for name in wanted)
    found = sql.rows(
        connection,
        f"SELECT n FROM replicator_journal WHERE n BETWEEN ? AND ?{conditions}",
        (first, last, *wanted.values()),
    )
    return {n for (n,) in found}


def requests_between(connection: Connection, first: int, last: int) -> list[Group]:
    """Groups that are a request and hold no entries, in order."""
    found = sql.rows(
        connection,
        f"{_SELECT_GROUPS} WHERE n BETWEEN ? AND ? AND entries = 0 AND control IS NOT NULL ORDER BY n",
        (first, last),
    )
    return [Group(*row) for row in found]
