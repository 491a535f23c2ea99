"""What is known of succession: whom a station accepts as its host, which hosts were replaced, what was told to whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.protocol.succession import Item, Successor
from replicator.store import sql, tables
from replicator.types import Position

COMPLETE = "complete"
"""Kind of the item that comes last when a backup station is told everything: from then on it could be the host."""
PAGE = 1000

# --- station: whom it would accept ------------------------------------------------------------------------------------


def successors(connection: Connection) -> list[Successor]:
    found = sql.rows(connection, "SELECT name, public_key FROM replicator_successor ORDER BY place")
    return [Successor(name, bytes(key)) for name, key in found]


def replace_successors(connection: Connection, named: Sequence[Successor]) -> None:
    sql.run(connection, "DELETE FROM replicator_successor")
    values = [(each.public_key, place, each.name) for place, each in enumerate(named)]
    sql.insert(connection, tables.successor, ("public_key", "place", "name"), values)


# --- hosts that were replaced -----------------------------------------------------------------------------------------


class FormerHost(NamedTuple):
    """A row of replicator_former_host, in column order."""

    public_key: bytes
    name: str
    address: str
    own_name: str
    """By which it knew this node."""
    since: int
    """Microseconds since 1970 UTC."""
    answer_due: int = 0


_FORMER = ", ".join(FormerHost._fields)


def former_hosts(connection: Connection) -> list[FormerHost]:
    found = sql.rows(connection, f"SELECT {_FORMER} FROM replicator_former_host ORDER BY since")
    return [FormerHost(bytes(key), *rest) for key, *rest in found]


def add_former_host(connection: Connection, former: FormerHost) -> None:
    forget_former_host(connection, former.public_key)
    sql.insert(connection, tables.former_host, FormerHost._fields, [former])


def forget_former_host(connection: Connection, public_key: bytes) -> None:
    sql.run(connection, "DELETE FROM replicator_former_host WHERE public_key = ?", (public_key,))


def set_answer_due(connection: Connection, public_key: bytes, due: bool) -> None:
    sql.run(connection, "UPDATE replicator_former_host SET answer_due = ? WHERE public_key = ?", (int(due), public_key))


# --- host: what was told ----------------------------------------------------------------------------------------------

Told = dict[tuple[str, bytes], bytes]
"""By kind and item: the digest of what was told."""


def told(connection: Connection, peer: int, kinds: Collection[str] = ()) -> Told:
    """What this station was told: all of it, or of these kinds."""
    query, values = "SELECT kind, item, digest FROM replicator_told WHERE peer = ?", [peer, *kinds]
    if kinds:
        query += f" AND kind IN ({sql.marks(len(kinds))})"
    return {(kind, bytes(item)): bytes(digest) for kind, item, digest in sql.rows(connection, query, values)}


def told_at(connection: Connection, peer: int, kind: str) -> Position | None:
    """Where in the log it was told; (0, 0): by its invitation. None: it was not."""
    row = sql.one(connection, "SELECT at_epoch, at_n FROM replicator_told WHERE peer = ? AND kind = ?", (peer, kind))
    return None if row is None else (row[0], row[1])


def note_told(
    database: Database, connection: Connection, peer: int, digests: Told, at: Position, gone: Collection[Item] = ()
) -> None:
    sql.many(
        connection,
        "DELETE FROM replicator_told WHERE peer = ? AND kind = ? AND item = ?",
        [(peer, item.kind, item.item) for item in gone],
    )
    values = [(peer, kind, item, digest, *at) for (kind, item), digest in digests.items()]
    database.upsert(connection, tables.told, values)


def forget_told(connection: Connection, peer: int, *, but: str = "") -> None:
    """It is told everything anew, `but` what is of this kind."""
    sql.run(connection, "DELETE FROM replicator_told WHERE peer = ? AND kind <> ?", (peer, but))


# --- backup station: the host's state ---------------------------------------------------------------------------------


def put_items(database: Database, connection: Connection, items: Sequence[Item]) -> None:
    gone = [(item.kind, item.item) for item in items if item.content is None]
    sql.many(connection, "DELETE FROM replicator_host_state WHERE kind = ? AND item = ?", gone)
    database.upsert(connection, tables.host_state, [tuple(item) for item in items if item.content is not None])


def clear_items(connection: Connection) -> None:
    sql.run(connection, "DELETE FROM replicator_host_state")


def items(connection: Connection, kind: str) -> Iterator[Item]:
    """All of a kind, a page at a time."""
    after = b""
    first = True
    while True:
        query = "SELECT kind, item, content FROM replicator_host_state WHERE kind = ? AND item > ?"
        if first:
            query = query.replace("item > ?", "item >= ?")
        found = sql.rows(connection, f"{query} ORDER BY item LIMIT ?", (kind, after, PAGE))
        yield from (Item(of, bytes(item), bytes(content)) for of, item, content in found)
        if len(found) < PAGE:
            return
        after, first = bytes(found[-1][1]), False


def item(connection: Connection, kind: str, name: bytes) -> Item | None:
    query = "SELECT content FROM replicator_host_state WHERE kind = ? AND item = ?"
    row = sql.one(connection, query, (kind, name))
    return None if row is None else Item(kind, name, bytes(row[0]))


def is_backup(connection: Connection) -> bool:
    """Is this a station that was told of its host's state?"""
    return sql.one(connection, "SELECT 1 FROM replicator_host_state LIMIT 1") is not None


def is_complete(connection: Connection) -> bool:
    """Was it told all of it?"""
    row = sql.one(connection, "SELECT 1 FROM replicator_host_state WHERE kind = ?", (COMPLETE,))
    return row is not None


__all__ = [name for name in dir() if not name.startswith("_") and name != "NOWHERE"]
