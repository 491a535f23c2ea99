"""Comparisons of the host's rows with a station's, at both ends (protocol.md 7.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection

from replicator.errors import UnknownName
from replicator.store import compared_rows, sql, tables
from replicator.types import Position


class State(StrEnum):
    WAITING = "waiting"
    """For the next run; at a station that asked: for the host."""
    SENT = "sent"
    """Host: the station's answer is to come. Station: it has answered."""
    TAKEN = "taken"
    """Station: the host's sums are here, and are to be answered."""
    ANSWERED = "answered"
    """Host: all answers are there, and are to be looked at."""
    REPAIRING = "repairing"
    """Host: rows that differ are being sent."""
    DONE = "done"
    VOID = "void"
    """It has no result, and will have none."""


OPEN = (State.WAITING, State.SENT, State.TAKEN, State.ANSWERED, State.REPAIRING)


class Comparison(NamedTuple):
    id: int
    peer: int
    other_id: int
    asked_here: bool
    """By this node; else by the other end."""
    repair: bool
    state: str
    asked_at: int
    ended_at: int | None
    reason: str | None
    out_epoch: Position
    in_epoch: Position


class ComparedTable(NamedTuple):
    comparison: int
    table: int
    at: Position
    to_remote: int
    without: tuple[int, ...]
    sums: bytes | None
    listed: bytes | None
    attempt: bytes | None
    pieces: int
    answered: bool
    changed: int
    missing: int
    extra: int

    @property
    def differences(self) -> int:
        return self.changed + self.missing + self.extra


_SELECT = (
    "SELECT id, peer, other_id, asked_here, repair, state, asked_at, ended_at, reason, out_epoch_epoch, out_epoch_n,"
    " in_epoch_epoch, in_epoch_n FROM replicator_comparison"
)
_SELECT_TABLES = (
    "SELECT comparison, table_id, at_epoch, at_n, to_remote, without, sums, listed, attempt, pieces, answered,"
    " changed, missing, extra FROM replicator_comparison_table"
)


def _comparison(row: tuple[Any, ...]) -> Comparison:
    number, peer, other, here, repair, state, asked_at, ended_at, reason, *epochs = row
    out_epoch, out_n, in_epoch, in_n = epochs
    return Comparison(
        id=number,
        peer=peer,
        other_id=other,
        asked_here=bool(here),
        repair=bool(repair),
        state=state,
        asked_at=asked_at,
        ended_at=ended_at,
        reason=reason,
        out_epoch=(out_epoch, out_n),
        in_epoch=(in_epoch, in_n),
    )


def _table(row: tuple[Any, ...]) -> ComparedTable:
    number, table, epoch, n, to_remote, without, *blobs, pieces, answered, changed, missing, extra = row
    places = tuple(map(int, without.split(","))) if without else ()
    sums, listed, attempt = (None if blob is None else bytes(blob) for blob in blobs)
    return ComparedTable(
        comparison=number,
        table=table,
        at=(epoch, n),
        to_remote=to_remote,
        without=places,
        sums=sums,
        listed=listed,
        attempt=attempt,
        pieces=pieces,
        answered=bool(answered),
        changed=changed,
        missing=missing,
        extra=extra,
    )


# --- comparisons ------------------------------------------------------------------------------------------------------


def add(
    connection: Connection,
    peer: int,
    wanted: Iterable[int],
    *,
    at: int,
    repair: bool = False,
    state: State = State.WAITING,
    other_id: int = 0,
    asked_here: bool = True,
) -> int:
    """A comparison of these tables with this peer. Gives its number."""
    sql.run(
        connection,
        "INSERT INTO replicator_comparison (peer, other_id, asked_here, repair, state, asked_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (peer, other_id, int(asked_here), int(repair), state.value, at),
    )
    row = sql.one(connection, "SELECT max(id) FROM replicator_comparison")
    number = int(row[0]) if row else 0
    columns = ("comparison", "table_id")
    sql.insert(connection, tables.comparison_table, columns, [(number, table) for table in wanted])
    return number


def load(connection: Connection, number: int) -> Comparison:
    """Raises UnknownName."""
    row = sql.one(connection, f"{_SELECT} WHERE id = ?", (number,))
    if row is None:
        raise UnknownName(f"there is no comparison {number}; see: replicator comparison list")
    return _comparison(row)


def find(connection: Connection, number: int, peer: int) -> Comparison | None:
    """One with this peer."""
    row = sql.one(connection, f"{_SELECT} WHERE id = ? AND peer = ?", (number, peer))
    return None if row is None else _comparison(row)


def find_other(connection: Connection, other_id: int, peer: int) -> Comparison | None:
    """The newest that has this number at the peer."""
    row = sql.one(connection, f"{_SELECT} WHERE other_id = ? AND peer = ? ORDER BY id DESC LIMIT 1", (other_id, peer))
    return None if row is None else _comparison(row)


def recent(connection: Connection, limit: int) -> list[Comparison]:
    """The newest, oldest first."""
    found = sql.rows(connection, f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))
    return [_comparison(row) for row in reversed(found)]


def in_state(connection: Connection, *states: State) -> list[Comparison]:
    values = [state.value for state in states]
    return [
        _comparison(row)
        for row in sql.rows(connection, f"{_SELECT} WHERE state IN ({sql.marks(len(values))}) ORDER BY id", values)
    ]


def set_state(connection: Connection, number: int, state: State) -> None:
    sql.run(connection, "UPDATE replicator_comparison SET state = ? WHERE id = ?", (state.value, number))


def set_other(connection: Connection, number: int, other_id: int) -> None:
    sql.run(connection, "UPDATE replicator_comparison SET other_id = ? WHERE id = ?", (other_id, number))


def set_repair(connection: Connection, number: int) -> None:
    sql.run(connection, "UPDATE replicator_comparison SET repair = 1 WHERE id = ?", (number,))


def set_epochs(connection: Connection, number: int, out_epoch: Position, in_epoch: Position) -> None:
    """Of the link's streams: in another one the comparison means nothing."""
    sql.run(
        connection,
        "UPDATE replicator_comparison SET out_epoch_epoch = ?, out_epoch_n = ?, in_epoch_epoch = ?, in_epoch_n = ?"
        " WHERE id = ?",
        (*out_epoch, *in_epoch, number),
    )


def end(connection: Connection, number: int, at: int, *, void: str | None = None) -> None:
    """It is over; `void`: without a result, and why. What was kept to come to one goes."""
    state = State.DONE if void is None else State.VOID
    sql.run(
        connection,
        "UPDATE replicator_comparison SET state = ?, ended_at = ?, reason = ? WHERE id = ?",
        (state.value, at, void, number),
    )
    sql.run(connection, "UPDATE replicator_comparison_table SET sums = NULL WHERE comparison = ?", (number,))
    compared_rows.forget_unnamed(connection, number)


def delete_of_peer(connection: Connection, peer: int) -> None:
    ours = "SELECT id FROM replicator_comparison WHERE peer = ?"
    for table in ("replicator_comparison_row", "replicator_comparison_table"):
        sql.run(connection, f"DELETE FROM {table} WHERE comparison IN ({ours})", (peer,))
    sql.run(connection, "DELETE FROM replicator_comparison WHERE peer = ?", (peer,))


def forget(connection: Connection, before: int) -> None:
    """Those that ended before this time, in microseconds since 1970 UTC."""
    over = "SELECT id FROM replicator_comparison WHERE ended_at < ?"
    for table in ("replicator_comparison_row", "replicator_comparison_table"):
        sql.run(connection, f"DELETE FROM {table} WHERE comparison IN ({over})", (before,))
    sql.run(connection, "DELETE FROM replicator_comparison WHERE ended_at < ?", (before,))


# --- tables -----------------------------------------------------------------------------------------------------------


def compared_tables(connection: Connection, number: int) -> list[ComparedTable]:
    found = sql.rows(connection, f"{_SELECT_TABLES} WHERE comparison = ? ORDER BY table_id", (number,))
    return list(map(_table, found))


def compared_table(connection: Connection, number: int, table: int) -> ComparedTable | None:
    row = sql.one(connection, f"{_SELECT_TABLES} WHERE comparison = ? AND table_id = ?", (number, table))
    return None if row is None else _table(row)


def take_table(
    connection: Connection, number: int, table: int, at: Position, to_remote: int, without: Iterable[int], sums: bytes
) -> None:
    """The host's sums of a table at this position of its log."""
    sql.run(
        connection, "DELETE FROM replicator_comparison_table WHERE comparison = ? AND table_id = ?", (number, table)
    )
    columns = ("comparison", "table_id", "at_epoch", "at_n", "to_remote", "without", "sums")
    values = (number, table, *at, to_remote, ",".join(map(str, without)), sums)
    sql.insert(connection, tables.comparison_table, columns, [values])


def drop_tables(connection: Connection, number: int, gone: Collection[int]) -> None:
    sql.many(
        connection,
        "DELETE FROM replicator_comparison_table WHERE comparison = ? AND table_id = ?",
        [(number, table) for table in gone],
    )


def begin_answer(
    connection: Connection, number: int, table: int, attempt: bytes, position: Position, listed: bytes
) -> None:
    """A station's answer comes in; what an earlier attempt of it has said is void."""
    sql.run(connection, "DELETE FROM replicator_comparison_row WHERE comparison = ? AND table_id = ?", (number, table))
    sql.run(
        connection,
        "UPDATE replicator_comparison_table SET attempt = ?, at_epoch = ?, at_n = ?, listed = ?, pieces = 0"
        " WHERE comparison = ? AND table_id = ?",
        (attempt, *position, listed, number, table),
    )


def count_piece(connection: Connection, number: int, table: int, *, last: bool) -> None:
    sql.run(
        connection,
        "UPDATE replicator_comparison_table SET pieces = pieces + 1, answered = ?"
        " WHERE comparison = ? AND table_id = ?",
        (int(last), number, table),
    )


def set_answered(connection: Connection, number: int, table: int) -> None:
    sql.run(
        connection,
        "UPDATE replicator_comparison_table SET answered = 1, sums = NULL WHERE comparison = ? AND table_id = ?",
        (number, table),
    )


def set_counts(connection: Connection, number: int, table: int, changed: int, missing: int, extra: int) -> None:
    sql.run(
        connection,
        "UPDATE replicator_comparison_table SET changed = ?, missing = ?, extra = ?"
        " WHERE comparison = ? AND table_id = ?",
        (changed, missing, extra, number, table),
    )
