"""Lost timelines of each link, and of which version a row was given back (protocol.md 3.2, 3.3, 5.12)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.store import sql, tables
from replicator.types import Key, Position


def load(connection: Connection, peer: int) -> dict[int, Position]:
    """By the first host epoch that is over: where it ends for this link."""
    found = sql.rows(connection, "SELECT host_epoch, end_epoch, end_n FROM replicator_timeline WHERE peer = ?", (peer,))
    return {epoch: (end_epoch, end_n) for epoch, end_epoch, end_n in found}


def end(connection: Connection, peer: int, host_epoch: int, position: Position) -> None:
    """This timeline, and what came after it until now, is over."""
    sql.run(connection, "DELETE FROM replicator_timeline WHERE peer = ? AND host_epoch >= ?", (peer, host_epoch))
    sql.insert(
        connection,
        tables.timeline,
        ("peer", "host_epoch", "end_epoch", "end_n"),
        [(peer, host_epoch, *position)],
    )


def replace(connection: Connection, peer: int, ends: Mapping[int, Position]) -> None:
    clear(connection, peer)
    sql.insert(
        connection,
        tables.timeline,
        ("peer", "host_epoch", "end_epoch", "end_n"),
        [(peer, epoch, *position) for epoch, position in sorted(ends.items())],
    )


def clear(connection: Connection, peer: int) -> None:
    sql.run(connection, "DELETE FROM replicator_timeline WHERE peer = ?", (peer,))


class Salvaged(NamedTuple):
    """A row that was given back: its version since then, and the lost version that it was."""

    at: Position
    origin: Position


def keep_salvaged(database: Database, connection: Connection, table: int, found: Mapping[Key, Salvaged]) -> None:
    database.upsert(connection, tables.salvaged, [(table, key, *mark.at, *mark.origin) for key, mark in found.items()])


def load_salvaged(database: Database, connection: Connection, table: int, keys: Collection[Key]) -> dict[Key, Salvaged]:
    columns = ("row_key", "at_epoch", "at_n", "origin_epoch", "origin_n")
    found = database.find_own(connection, tables.salvaged, columns, {"table_id": table}, keys)
    return {key: Salvaged((ae, an), (oe, on)) for key, ae, an, oe, on in found}
