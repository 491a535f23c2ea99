"""The host's state as items that travel: a row of one of the host's own tables each, and the same put back in place.

Rows go by the names of their columns, so that a backup station of another version of the program takes what it knows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Table

from replicator.errors import PeerFault
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.succession import Item
from replicator.store import sql, tables

NODE, PEER, LINK, TABLE, EVENT, SEEN, ROWS = "node", "peer", "link", "table", "event", "seen", "rows"
"""Kinds that are more than rows as they stand. `SEEN`: groups that the host knows by their uid; `ROWS`: which rows
stations have that get no new ones, in buckets."""
PAGE = 2000
_BUCKETS = 256


@dataclass(frozen=True)
class Kind:
    """What of a table travels."""

    name: str
    table: Table
    only: tuple[str, ...] = ()
    """Columns; empty: all."""
    without: tuple[str, ...] = ()
    of_peer: str = ""
    """Column with a station's number: rows of the receiver itself stay behind."""

    @cached_property
    def key(self) -> tuple[str, ...]:
        return tuple(str(column.name) for column in self.table.primary_key)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        names = self.only or tuple(str(column.name) for column in self.table.columns)
        return tuple(name for name in names if name not in self.without)


_LINK = (
    "peer",
    "in_epoch_epoch",
    "in_epoch_n",
    "in_n",
    "in_digest",
    "applied_n",
    "resent_until",
    "rule_epoch",
    "rule_n",
    "copy_of",
)
KINDS = (
    Kind(PEER, tables.peer, without=("heard_at", "sent_at"), of_peer="id"),
    Kind(LINK, tables.link, only=_LINK, of_peer="peer"),
    Kind("rule", tables.rule, of_peer="peer"),
    Kind(TABLE, tables.table, only=("id", "name", "area", "policy", "added_at")),
    Kind("range", tables.number_range, without=("stopped",)),
    Kind("share", tables.number_share, without=("requested",)),
    Kind("span", tables.number_span),
    Kind("number-node", tables.number_node),
    Kind("timeline", tables.timeline, of_peer="peer"),
    Kind("horizon", tables.horizon, of_peer="peer"),
)
"""In the order in which they are put back."""
_EVENTS = Kind(EVENT, tables.number_event)


def rows_of(connection: Connection, kind: Kind, peer: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each row as (item, its columns), but those of station `peer`."""
    where, values = (f" WHERE {kind.of_peer} <> ?", (peer,)) if kind.of_peer else ("", ())
    found = sql.rows(connection, f"SELECT {', '.join(kind.columns)} FROM {kind.table.name}{where}", values)
    for row in found:
        content = {name: _plain(value) for name, value in zip(kind.columns, row, strict=True)}
        yield pack([content[name] for name in kind.key]), content


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else int(value) if value is True else value


def events_after(connection: Connection, number: int) -> Iterator[tuple[int, Item]]:
    """(number, item) of what happened to numbers since."""
    columns = _EVENTS.columns
    while True:
        found = sql.rows(
            connection,
            f"SELECT {', '.join(columns)} FROM replicator_number_event WHERE id > ? ORDER BY id LIMIT ?",
            (number, PAGE),
        )
        for row in found:
            content = dict(zip(columns, row, strict=True))
            number = content["id"]
            yield number, Item(EVENT, number.to_bytes(8, "big"), pack(content))
        if len(found) < PAGE:
            return


def seen_groups(connection: Connection, peer: int) -> Iterator[Item]:
    """Groups that the host knows by their uid, of all stations but this one."""
    after = (-1, b"")
    while True:
        found = sql.rows(
            connection,
            "SELECT peer, uid, born_epoch, born_n FROM replicator_seen_group WHERE (peer, uid) > (?, ?) AND peer <> ?"
            " ORDER BY peer, uid LIMIT ?",
            (*after, peer, PAGE),
        )
        for of, uid, epoch, n in found:
            yield Item(SEEN, pack([of, bytes(uid)]), pack([epoch, n]))
        if len(found) < PAGE:
            return
        after = (found[-1][0], bytes(found[-1][1]))


def linked_rows(connection: Connection, peer: int) -> Iterator[tuple[bytes, list[bytes]]]:
    """Which rows stations have that get no new ones of a table: (item, keys)."""
    buckets: dict[tuple[int, int, int], list[bytes]] = {}
    found = sql.rows(
        connection,
        "SELECT peer, table_id, row_key FROM replicator_link_row WHERE peer <> ? ORDER BY peer, table_id, row_key",
        (peer,),
    )
    for of, table, key in found:
        buckets.setdefault((of, table, zlib.crc32(key) % _BUCKETS), []).append(bytes(key))
    for bucket, keys in buckets.items():
        yield pack(list(bucket)), keys


# --- put back ---------------------------------------------------------------------------------------------------------


def install(connection: Connection, kind: Kind, items: Iterator[Item]) -> list[dict[str, Any]]:
    """Put the rows in place of those that stand there. Gives them."""
    names = {str(column.name) for column in kind.table.columns}
    rows = [unpacked(item) for item in items]
    sql.run(connection, f"DELETE FROM {kind.table.name}")
    _insert(connection, kind.table, rows, names)
    return rows


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]], names: set[str]) -> None:
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        alike.setdefault(tuple(sorted(names & row.keys())), []).append(row)
    for columns, found in alike.items():
        sql.insert(connection, table, columns, [tuple(row[name] for name in columns) for row in found])


def install_events(connection: Connection, items: Iterator[Item]) -> None:
    rows = [unpacked(item) for item in items]
    sql.run(connection, "DELETE FROM replicator_number_event")
    _insert(connection, tables.number_event, rows, {*_EVENTS.columns} - {"id"})


def install_linked_rows(
    connection: Connection, items: Iterator[Item], add: Callable[[int, int, list[bytes]], None]
) -> None:
    sql.run(connection, "DELETE FROM replicator_link_row")
    for item in items:
        of, table, _ = unpack(item.item)
        add(of, table, unpack(item.content or b"\x90"))


def unpacked(item: Item) -> dict[str, Any]:
    """Its columns. Raises PeerFault."""
    found = unpack(item.content or b"\xc0")
    if not isinstance(found, dict):
        raise PeerFault("an item of the host's state is malformed")
    return found
