"""Taking out what is no longer needed, a bounded number of rows at a time and by index (protocol.md 5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import slice_index, sql
from replicator.types import Key, Position

BEYOND = 2**62
"""Higher than every number."""

# --- the journal ------------------------------------------------------------------------------------------------------


def last_whole(connection: Connection, through: int) -> int:
    """The last slice up to `through` that ends with a group; 0: there is none."""
    row = sql.one(
        connection,
        "SELECT id FROM replicator_slice WHERE id <= ? AND whole = ? ORDER BY id DESC LIMIT 1",
        (through, True),
    )
    return row[0] if row else 0


def newest_slice(connection: Connection) -> int:
    row = sql.one(connection, "SELECT max(id) FROM replicator_slice")
    return int(row[0] or 0) if row else 0


def slice_sizes(connection: Connection, after: int, through: int) -> list[tuple[int, int]]:
    """(number, bytes) of the slices behind `after` up to `through`, in order."""
    found = sql.rows(
        connection, "SELECT id, size FROM replicator_slice WHERE id > ? AND id <= ? ORDER BY id", (after, through)
    )
    return [(number, size) for number, size in found]


def bytes_between(connection: Connection, after: int, through: int) -> int:
    """Of the journal's content, in the slices behind `after` up to `through`."""
    row = sql.one(connection, "SELECT sum(size) FROM replicator_slice WHERE id > ? AND id <= ?", (after, through))
    return int(row[0] or 0) if row else 0


class OldSlice(NamedTuple):
    id: int
    last_n: int
    size: int
    whole: bool


def oldest_slices(connection: Connection, through: int, limit: int) -> list[OldSlice]:
    found = sql.rows(
        connection,
        "SELECT id, last_n, size, whole FROM replicator_slice WHERE id <= ? ORDER BY id LIMIT ?",
        (through, limit),
    )
    return [OldSlice(number, last, size, bool(whole)) for number, last, size, whole in found]


def spooled_content(connection: Connection, through: int) -> list[bytes]:
    """Digests of the content of these slices that lies in the spool."""
    found = sql.rows(
        connection,
        "SELECT digest FROM replicator_slice_segment WHERE slice <= ? AND frame IS NULL",
        (through,),
    )
    return [digest for (digest,) in found]


def log_frames(connection: Connection, slice_id: int) -> list[tuple[bytes, int, int, bytes]]:
    """(digest, size, size before compression, compressed bytes) of a slice's segments that the journal holds."""
    return [
        (digest, size, raw_size, bytes(frame))
        for digest, size, raw_size, frame in sql.rows(
            connection,
            "SELECT digest, size, raw_size, frame FROM replicator_slice_segment"
            " WHERE slice = ? AND frame IS NOT NULL ORDER BY ordinal",
            (slice_id,),
        )
    ]


def delete_slices(connection: Connection, through: int) -> None:
    sql.run(connection, "DELETE FROM replicator_slice_segment WHERE slice <= ?", (through,))
    sql.run(connection, "DELETE FROM replicator_slice WHERE id <= ?", (through,))
    slice_index.delete(connection, through)


def delete_journal_keys(connection: Connection, table: int, keys: Iterable[Key], through: int) -> None:
    """That groups up to this number touch these rows."""
    for chunk in sql.in_chunks(list(keys)):
        sql.run(
            connection,
            f"DELETE FROM replicator_journal_key WHERE table_id = ? AND row_key IN ({sql.marks(len(chunk))})"
            " AND n <= ?",
            (table, *chunk, through),
        )


def delete_keys_of_table(connection: Connection, table: int, through: int) -> None:
    """The same of all rows of a table that is no longer replicated."""
    sql.run(connection, "DELETE FROM replicator_journal_key WHERE table_id = ? AND n <= ?", (table, through))


def first_kept(connection: Connection) -> int | None:
    """n of the first group of which there is a slice; None: there is no slice."""
    row = sql.one(connection, "SELECT first_n FROM replicator_slice ORDER BY id LIMIT 1")
    return row[0] if row else None


def delete_groups(connection: Connection, before: int, limit: int) -> int:
    """Groups numbered below `before`, at most so many, the oldest first. Returns how many."""
    return delete_range(connection, "replicator_journal", "n", "", (), before, limit)


def count_groups(connection: Connection, before: int) -> int:
    row = sql.one(connection, "SELECT count(*) FROM replicator_journal WHERE n < ?", (before,))
    return int(row[0]) if row else 0


def oldest_group(connection: Connection) -> tuple[int, int] | None:
    """(n, time of the change) of the journal's first group."""
    row = sql.one(connection, "SELECT n, at FROM replicator_journal ORDER BY n LIMIT 1")
    return None if row is None else (row[0], row[1])


def first_group_behind(connection: Connection, slice_id: int) -> int | None:
    """When the first change behind this slice was made, microseconds since 1970 UTC."""
    row = sql.one(connection, "SELECT first_n FROM replicator_slice WHERE id > ? ORDER BY id LIMIT 1", (slice_id,))
    if row is None:
        return None
    found = sql.one(connection, "SELECT at FROM replicator_journal WHERE n >= ? ORDER BY n LIMIT 1", (row[0],))
    return None if found is None else found[0]


def born_of_oldest(connection: Connection) -> Position | None:
    row = sql.one(connection, "SELECT born_epoch, born_n FROM replicator_journal ORDER BY n LIMIT 1")
    return None if row is None else (row[0], row[1])


def delete_range(
    connection: Connection,
    table: str,
    column: str,
    condition: str,
    parameters: tuple[object, ...],
    before: int,
    limit: int,
) -> int:
    """Delete the `limit` rows that are lowest in `column` and below `before` (a few more where it repeats)."""
    where = f"{condition}{column} < ?"
    found = sql.one(
        connection,
        f"SELECT {column} FROM {table} WHERE {where} ORDER BY {column} LIMIT 1 OFFSET ?",
        (*parameters, before, limit),
    )
    bound = before if found is None else found[0]
    if (
        found is not None
        and sql.one(connection, f"SELECT 1 FROM {table} WHERE {where} LIMIT 1", (*parameters, bound)) is None
    ):
        bound += 1
    return sql.run(connection, f"DELETE FROM {table} WHERE {where}", (*parameters, bound)).rowcount


# --- groups that were seen --------------------------------------------------------------------------------------------


def delete_seen_groups(connection: Connection, peer: int, below: Position, limit: int) -> int:
    """Uids of this peer's groups that were born below this, at most so many at once. Returns how many."""
    row = sql.one(connection, "SELECT min(born_epoch) FROM replicator_seen_group WHERE peer = ?", (peer,))
    oldest = None if row is None else row[0]
    if oldest is None or oldest > below[0]:
        return 0
    before = below[1] if oldest == below[0] else BEYOND
    condition = "peer = ? AND born_epoch = ? AND "
    return delete_range(connection, "replicator_seen_group", "born_n", condition, (peer, oldest), before, limit)


def count_seen_groups(connection: Connection, peer: int, below: Position) -> int:
    row = sql.one(
        connection,
        "SELECT count(*) FROM replicator_seen_group WHERE peer = ?"
        " AND (born_epoch < ? OR (born_epoch = ? AND born_n < ?))",
        (peer, below[0], *below),
    )
    return int(row[0]) if row else 0


# --- deleted rows -----------------------------------------------------------------------------------------------------


class Tombstone(NamedTuple):
    epoch: int
    n: int
    table: int
    key: Key


def oldest_tombstones(connection: Connection, through: Position, limit: int) -> list[Tombstone]:
    """Deletes up to this position, oldest first."""
    found: list[Tombstone] = []
    for condition, parameters in (("epoch < ?", through[:1]), ("epoch = ? AND n <= ?", through)):
        found += map(
            Tombstone._make,
            sql.rows(
                connection,
                f"SELECT epoch, n, table_id, row_key FROM replicator_tombstone WHERE {condition}"
                " ORDER BY epoch, n, table_id, row_key LIMIT ?",
                (*parameters, limit - len(found)),
            ),
        )
    return found


def count_tombstones(connection: Connection, through: Position) -> int:
    row = sql.one(
        connection,
        "SELECT count(*) FROM replicator_tombstone WHERE epoch < ? OR (epoch = ? AND n <= ?)",
        (through[0], *through),
    )
    return int(row[0]) if row else 0


def delete_tombstones(connection: Connection, last: Tombstone) -> None:
    """The entries up to this one, in the order of `oldest_tombstones`. A statement for each column: of several columns
    compared at once not every database makes a range of its index."""
    names = ("epoch", "n", "table_id", "row_key")
    for depth, name in enumerate(names):
        same = "".join(f"{other} = ? AND " for other in names[:depth])
        sign = "<=" if name == names[-1] else "<"
        sql.run(connection, f"DELETE FROM replicator_tombstone WHERE {same}{name} {sign} ?", last[: depth + 1])


def delete_versions(connection: Connection, table: int, keys: Sequence[Key]) -> None:
    """What is known of these rows."""
    for chunk in sql.in_chunks(keys):
        sql.run(
            connection,
            f"DELETE FROM replicator_row_version WHERE table_id = ? AND row_key IN ({sql.marks(len(chunk))})",
            (table, *chunk),
        )
