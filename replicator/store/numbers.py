"""Number ranges as every node keeps them: what they are, its share, and the blocks in hand (protocol.md 5.6).

The application's triggers draw from the blocks in its own transaction. So whoever changes them here locks them first
(`hold`), and reads them then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.protocol.numbers import Block, Empty, Form, NumberRange, Share, Way
from replicator.store import sql

IN_HAND, USED_UP, RETIRED = 0, 1, 2
"""States of a block."""


@dataclass(frozen=True, slots=True)
class StoredRange:
    """A range with what only its node knows of it."""

    range: NumberRange
    table_name: str
    """As it was when the range was made: the table may be gone."""
    highest: int
    """That the column can hold."""
    stopped: bool
    """The node has halted: nothing is drawn."""


@dataclass(frozen=True, slots=True)
class StockBlock:
    """A block that this node was granted."""

    block: Block
    following: int
    """The next number to be drawn of it."""
    state: int

    @property
    def left(self) -> int:
        return self.block.highest - self.following + 1 if self.state == IN_HAND else 0


# --- ranges -----------------------------------------------------------------------------------------------------------

_RANGE = "id, table_id, column_name, way, fill, start, form, table_name, highest, stopped"


def load_ranges(connection: Connection) -> dict[int, StoredRange]:
    """All there ever were, by their numbers."""
    found = sql.rows(connection, f"SELECT {_RANGE} FROM replicator_number_range ORDER BY id")
    return {row[0]: _stored(row) for row in found}


def _stored(row: sql.Row) -> StoredRange:
    number, table, column, way, fill, start, form, table_name, highest, stopped = row
    known = NumberRange(number, table, column, Way(way), None if fill is None else Empty(fill), start, Form.parse(form))
    return StoredRange(known, table_name, highest, bool(stopped))


def columns(connection: Connection) -> dict[int, set[str]]:
    """By table: its columns with numbers that come from a range, also where nobody draws any more."""
    found: dict[int, set[str]] = {}
    for table, column in sql.rows(connection, "SELECT table_id, column_name FROM replicator_number_range"):
        found.setdefault(table, set()).add(column)
    return found


def insert_range(connection: Connection, known: NumberRange, table_name: str, highest: int, now: int) -> None:
    fill = None if known.fill is None else str(known.fill)
    sql.run(
        connection,
        "INSERT INTO replicator_number_range (id, table_id, column_name, way, fill, start, form, table_name, highest,"
        " high_water, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(known.id, known.table, known.column, str(known.way), fill, known.start, str(known.form)),
            *(table_name, highest, known.start, now),
        ),
    )


def change_range(connection: Connection, number: int, way: Way, fill: Empty | None) -> None:
    sql.run(
        connection,
        "UPDATE replicator_number_range SET way = ?, fill = ? WHERE id = ?",
        (str(way), None if fill is None else str(fill), number),
    )


def stop(connection: Connection, *, stopped: bool) -> None:
    """A node that has halted draws nothing (protocol.md 3.4); or it may draw again."""
    sql.run(connection, "UPDATE replicator_number_range SET stopped = ?", (int(stopped),))


# --- shares -----------------------------------------------------------------------------------------------------------


def load_shares(connection: Connection) -> dict[tuple[int, int], Share]:
    """By (peer, range). Peer 0 is the node itself."""
    found = sql.rows(connection, "SELECT peer, range_id, block, refill, closed FROM replicator_number_share")
    return {(peer, number): Share(block, refill, bool(closed)) for peer, number, block, refill, closed in found}


def save_share(connection: Connection, peer: int, number: int, share: Share) -> None:
    """What was asked for before is no longer counted on."""
    sql.run(connection, "DELETE FROM replicator_number_share WHERE peer = ? AND range_id = ?", (peer, number))
    sql.run(
        connection,
        "INSERT INTO replicator_number_share (peer, range_id, block, refill, closed) VALUES (?, ?, ?, ?, ?)",
        (peer, number, share.block, share.refill, int(share.closed)),
    )


def counted_elsewhere(connection: Connection) -> frozenset[int]:
    """At the host: tables of which stations have keys that count."""
    found = sql.rows(
        connection,
        "SELECT DISTINCT r.table_id FROM replicator_number_share s JOIN replicator_number_range r ON r.id = s.range_id"
        " WHERE s.peer <> 0 AND s.closed = 0 AND r.way = ?",
        (str(Way.KEYS),),
    )
    return frozenset(table for (table,) in found)


def drop_share(connection: Connection, peer: int, number: int) -> None:
    sql.run(connection, "DELETE FROM replicator_number_share WHERE peer = ? AND range_id = ?", (peer, number))


def requested(connection: Connection) -> set[int]:
    """At a station: ranges of which more was asked for, and has not come yet."""
    return {number for (number,) in sql.rows(connection, _REQUESTED)}


_REQUESTED = "SELECT range_id FROM replicator_number_share WHERE peer = 0 AND requested = 1"


def set_requested(connection: Connection, number: int, peer: int = 0) -> None:
    """At a station its own request is under way; at the host a station's can't be met yet."""
    sql.run(
        connection,
        "UPDATE replicator_number_share SET requested = 1 WHERE peer = ? AND range_id = ?",
        (peer, number),
    )


def waiting(connection: Connection) -> list[tuple[int, int]]:
    """At the host: (peer, range) of stations that have asked for numbers when there were none."""
    found = sql.rows(
        connection,
        "SELECT peer, range_id FROM replicator_number_share WHERE peer <> 0 AND requested = 1 ORDER BY range_id, peer",
    )
    return [(peer, number) for peer, number in found]


def forget_requests(connection: Connection) -> None:
    """They may have died with an epoch."""
    sql.run(connection, "UPDATE replicator_number_share SET requested = 0 WHERE peer = 0")


# --- blocks in hand ---------------------------------------------------------------------------------------------------


def hold(connection: Connection, number: int) -> None:
    """Nobody draws from this range until the transaction ends. What was drawn before is committed, or was undone."""
    sql.run(connection, "UPDATE replicator_number_range SET serial = serial WHERE id = ?", (number,))
    sql.run(connection, "UPDATE replicator_number_stock SET state = state WHERE range_id = ?", (number,))


def stock(connection: Connection, number: int) -> list[StockBlock]:
    """All blocks of a range that this node ever had, in the order of their grants."""
    found = sql.rows(
        connection,
        "SELECT lowest, highest, serial, next_number, state FROM replicator_number_stock WHERE range_id = ?"
        " ORDER BY serial",
        (number,),
    )
    return [StockBlock(Block(*row[:3]), *row[3:]) for row in found]


def left(connection: Connection, number: int) -> int:
    """Numbers in hand."""
    row = sql.one(
        connection,
        "SELECT sum(highest - next_number + 1) FROM replicator_number_stock WHERE range_id = ? AND state = ?",
        (number, IN_HAND),
    )
    return int(row[0] or 0) if row else 0


def drawn(connection: Connection, number: int) -> int:
    """Of all blocks that this node ever had, since ever; not of keys, which the database counts by itself."""
    row = sql.one(
        connection, "SELECT sum(next_number - lowest) FROM replicator_number_stock WHERE range_id = ?", (number,)
    )
    return int(row[0] or 0) if row else 0


def in_hand(connection: Connection) -> list[tuple[int, Block]]:
    """(range, block) of all that this node may draw from or has drawn from."""
    found = sql.rows(
        connection,
        "SELECT range_id, lowest, highest, serial FROM replicator_number_stock WHERE state <> ? AND highest >= lowest"
        " ORDER BY range_id, serial",
        (RETIRED,),
    )
    return [(number, Block(*block)) for number, *block in found]


def add_blocks(connection: Connection, number: int, blocks: Sequence[tuple[Block, int]]) -> None:
    """Blocks with the first number of each that is not used; those that are there already stay as they are."""
    known = {each.block.serial for each in stock(connection, number)}
    sql.many(
        connection,
        "INSERT INTO replicator_number_stock (range_id, serial, lowest, highest, next_number, state)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                *(number, block.serial, block.lowest, block.highest, following),
                IN_HAND if following <= block.highest else USED_UP,
            )
            for block, following in blocks
            if block.serial not in known
        ],
    )


def shorten(connection: Connection, number: int, each: StockBlock) -> None:
    """What is left of a block is given up; what was drawn of it stays this node's."""
    sql.run(
        connection,
        "UPDATE replicator_number_stock SET highest = next_number - 1, state = ? WHERE range_id = ? AND serial = ?",
        (USED_UP, number, each.block.serial),
    )


def advance(connection: Connection, number: int, each: StockBlock, following: int) -> None:
    """The next number of a block is this one: what is before it stands in the table already."""
    state = IN_HAND if following <= each.block.highest else USED_UP
    sql.run(
        connection,
        "UPDATE replicator_number_stock SET next_number = ?, state = ? WHERE range_id = ? AND serial = ?",
        (following, state, number, each.block.serial),
    )


def use_up(connection: Connection, number: int, each: StockBlock) -> None:
    """Nothing more is drawn of a block; what was drawn of it stays this node's."""
    sql.run(
        connection,
        "UPDATE replicator_number_stock SET state = ? WHERE range_id = ? AND serial = ?",
        (USED_UP, number, each.block.serial),
    )


def retire_all(connection: Connection) -> None:
    """What was used of the blocks is not known any more: none of them is drawn from again (protocol.md 5.11)."""
    sql.run(connection, "UPDATE replicator_number_stock SET state = ?", (RETIRED,))
