"""What the replicator knows of the application's rows: versions, ties, what stations have, what was skipped."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.working_set import Version, new_version
from replicator.store import sql, tables
from replicator.types import Image, Key, Position

_VERSION_COLUMNS = ("table_id", "row_key", *Version._fields[2:])
_SELECT_VERSIONS = f"SELECT {', '.join(_VERSION_COLUMNS)} FROM replicator_row_version"


def load_versions(database: Database, connection: Connection, table: int, keys: Collection[Key]) -> dict[Key, Version]:
    found = database.find_own(connection, tables.row_version, _VERSION_COLUMNS, {"table_id": table}, keys)
    return {row[1]: new_version(Version, row) for row in found}


_OWN = ("row_key", "n", "at")
"""What differs between versions that are saved together; in the rest there are a few combinations at most."""
_SHARED = tuple(name for name in _VERSION_COLUMNS if name not in _OWN)
_own_values = itemgetter(*map(_VERSION_COLUMNS.index, _OWN))
_shared_values = itemgetter(*map(_VERSION_COLUMNS.index, _SHARED))


def save_versions(database: Database, connection: Connection, versions: list[Version]) -> None:
    """Insert or replace, in sets."""
    alike: dict[tuple[Any, ...], list[Version]] = dict.fromkeys(map(_shared_values, versions), versions)
    if len(alike) > 1:
        alike = {shared: [] for shared in alike}
        for version in versions:
            alike[_shared_values(version)].append(version)
    for shared, found in alike.items():
        values = dict(zip(_SHARED, shared, strict=True))
        database.upsert(connection, tables.row_version, list(map(_own_values, found)), values)
        if values["deleted"]:
            gone = [(version.epoch, version.n, version.table_id, version.key) for version in found]
            database.upsert(connection, tables.tombstone, gone)


def versions_of_table(connection: Connection, table: int, after: Key, limit: int) -> list[Version]:
    """All versions of a table by key, a page at a time."""
    found = sql.rows(
        connection,
        f"{_SELECT_VERSIONS} WHERE table_id = ? AND row_key > ? ORDER BY row_key LIMIT ?",
        (table, after, limit),
    )
    return list(map(Version._make, found))


def versions_behind(
    connection: Connection, table: int, span: tuple[int, int, Position], after: Key, limit: int
) -> list[Version]:
    """Versions of a table in the host epochs (first, last) that lie behind a position, by key, a page at a time."""
    first, last, (epoch, n) = span
    found = sql.rows(
        connection,
        f"{_SELECT_VERSIONS} WHERE table_id = ? AND row_key > ? AND epoch BETWEEN ? AND ?"
        " AND (epoch > ? OR (epoch = ? AND n > ?)) ORDER BY row_key LIMIT ?",
        (table, after, first, last, epoch, epoch, n, limit),
    )
    return list(map(Version._make, found))


def add_link_rows(database: Database, connection: Connection, peer: int, table: int, keys: Iterable[Key]) -> None:
    database.upsert(connection, tables.link_row, [(peer, table, key) for key in keys])


def remove_link_rows(connection: Connection, peer: int, table: int, keys: Collection[Key]) -> None:
    sql.many(
        connection,
        "DELETE FROM replicator_link_row WHERE peer = ? AND table_id = ? AND row_key = ?",
        [(peer, table, key) for key in keys],
    )


def clear_link_rows(connection: Connection, peer: int, table: int) -> None:
    sql.run(connection, "DELETE FROM replicator_link_row WHERE peer = ? AND table_id = ?", (peer, table))


def clear_all_link_rows(connection: Connection, peer: int) -> None:
    sql.run(connection, "DELETE FROM replicator_link_row WHERE peer = ?", (peer,))


def copy_link_rows(connection: Connection, of: int, to: int) -> None:
    """A copy has what the station has that it is a copy of."""
    sql.run(
        connection,
        "INSERT INTO replicator_link_row (peer, table_id, row_key)"
        " SELECT ?, table_id, row_key FROM replicator_link_row WHERE peer = ?",
        (to, of),
    )


def link_rows(connection: Connection, peer: int, table: int, after: Key, limit: int) -> list[Key]:
    found = sql.rows(
        connection,
        "SELECT row_key FROM replicator_link_row WHERE peer = ? AND table_id = ? AND row_key > ?"
        " ORDER BY row_key LIMIT ?",
        (peer, table, after, limit),
    )
    return [key for (key,) in found]


def linked(database: Database, connection: Connection, peer: int, table: int, keys: Collection[Key]) -> set[Key]:
    """Those of the keys whose rows this station has, where that is written down."""
    shared = {"peer": peer, "table_id": table}
    return {key for (key,) in database.find_own(connection, tables.link_row, ("row_key",), shared, keys)}


def exceptional_versions(connection: Connection, table: int, after: Key, limit: int) -> list[Version]:
    """At a station: hidden and detached rows and those with local edits, by key, a page at a time."""
    found = sql.rows(
        connection,
        f"{_SELECT_VERSIONS} WHERE table_id = ? AND row_key > ? AND (tie IN ('H', 'T') OR (tie = 'S' AND image IS NOT"
        " NULL)) ORDER BY row_key LIMIT ?",
        (table, after, limit),
    )
    return list(map(Version._make, found))


def count_link_rows(connection: Connection, peer: int, table: int) -> int:
    row = sql.one(connection, "SELECT count(*) FROM replicator_link_row WHERE peer = ? AND table_id = ?", (peer, table))
    return int(row[0]) if row else 0


def keep_skipped(
    database: Database, connection: Connection, skipped: dict[tuple[int, Key], tuple[Position, Image | None]]
) -> None:
    """Versions that were not applied are kept until the verdict (protocol.md 5.5), to be given back after a restore."""
    values = [
        (table, key, *position, None if image is None else pack_row(image))
        for (table, key), (position, image) in skipped.items()
    ]
    database.upsert(connection, tables.skipped, values)


def has_skipped(connection: Connection) -> bool:
    return sql.one(connection, "SELECT 1 FROM replicator_skipped LIMIT 1") is not None


def skipped_keys(connection: Connection) -> list[tuple[int, Key]]:
    return [(table, key) for table, key in sql.rows(connection, "SELECT table_id, row_key FROM replicator_skipped")]


def skipped_images(connection: Connection, after: tuple[int, Key], limit: int) -> list[tuple[int, Key, Image]]:
    """Rows that were skipped and not deleted, by table and key, a page at a time."""
    found = sql.rows(
        connection,
        "SELECT table_id, row_key, image FROM replicator_skipped WHERE (table_id, row_key) > (?, ?)"
        " AND image IS NOT NULL ORDER BY table_id, row_key LIMIT ?",
        (*after, limit),
    )
    return [(table, key, unpack_rows([image])[0]) for table, key, image in found]


def skipped_of_table(
    connection: Connection, table: int, after: Key, limit: int
) -> list[tuple[Key, Position, Image | None]]:
    """What was skipped of a table, deletes too, by key, a page at a time: (key, position, row)."""
    found = sql.rows(
        connection,
        "SELECT row_key, at_epoch, at_n, image FROM replicator_skipped WHERE table_id = ? AND row_key > ?"
        " ORDER BY row_key LIMIT ?",
        (table, after, limit),
    )
    return [(key, (epoch, n), None if image is None else unpack_rows([image])[0]) for key, epoch, n, image in found]


def drop_skipped(connection: Connection, keys: Iterable[tuple[int, Key]]) -> None:
    sql.many(connection, "DELETE FROM replicator_skipped WHERE table_id = ? AND row_key = ?", list(keys))


def seen_groups(connection: Connection, peer: int, uids: Collection[bytes]) -> set[bytes]:
    seen: set[bytes] = set()
    for chunk in sql.in_chunks(list(uids)):
        found = sql.rows(
            connection,
            f"SELECT uid FROM replicator_seen_group WHERE peer = ? AND uid IN ({sql.marks(len(chunk))})",
            (peer, *chunk),
        )
        seen.update(uid for (uid,) in found)
    return seen


SeenGroup = tuple[bytes, Position]
"""(uid, where it was born)."""


def remember_groups(connection: Connection, peer: int, groups: list[SeenGroup]) -> None:
    sql.insert(
        connection,
        tables.seen_group,
        ("peer", "uid", "born_epoch", "born_n"),
        [(peer, uid, *born) for uid, born in groups],
    )


def remember_new_groups(database: Database, connection: Connection, peer: int, groups: list[SeenGroup]) -> None:
    """The same where some may be known."""
    database.upsert(connection, tables.seen_group, [(peer, uid, *born) for uid, born in groups])


# --- a station becomes the host ---------------------------------------------------------------------------------------


def keep_groups_of(connection: Connection, peers: Collection[int]) -> None:
    """Of other stations no groups are known any more."""
    for (peer,) in sql.rows(connection, "SELECT DISTINCT peer FROM replicator_seen_group"):
        if peer not in peers:
            sql.run(connection, "DELETE FROM replicator_seen_group WHERE peer = ?", (peer,))


def drop_unversioned(connection: Connection) -> None:
    """Rows that the host has not logged since their table was replicated have no version at a host."""
    sql.run(connection, "DELETE FROM replicator_row_version WHERE epoch = 0 AND n = 0")


def untie(connection: Connection) -> None:
    """A host's rows are tied to none: all versions that a station had are of rows as they were sent."""
    sql.run(
        connection,
        "UPDATE replicator_row_version SET image = CASE WHEN deleted = 1 THEN image END, tie = ''"
        " WHERE tie IN ('S', 'H', 'T')",
    )
