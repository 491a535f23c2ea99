"""The permanent record of numbers: what came to be used, what went, and how nodes were named (protocol.md 8.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.number_ledger import Span
from replicator.protocol.number_uses import LONGEST, Use, UseKind, spans_of
from replicator.store import sql, tables
from replicator.store.number_spans import span_of

PAGE = 500
_KINDS = tuple(map(str, UseKind))


class Happening(NamedTuple):
    """A row of replicator_number_event as the audit reads it; `at`: when it was noted, microseconds since 1970 UTC."""

    id: int
    at: int
    kind: str
    """A `UseKind`, or what the ledger did: granted, claimed, returned, lost, retired."""
    lowest: int
    highest: int
    holder: int
    reason: str
    detail: bytes | None
    """Of a `UseKind`: see `protocol.number_uses.read_detail`."""


_COLUMNS = Happening._fields
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM replicator_number_event WHERE range_id = ?"


def add(connection: Connection, number: int, uses: Iterable[Use], now: int) -> None:
    """Put down what happened to numbers of a range."""
    sql.insert(
        connection,
        tables.number_event,
        (*_COLUMNS[1:], "range_id"),
        [
            (now, str(span.kind), span.lowest, span.highest, span.node, span.reason, span.detail(), number)
            for span in spans_of(uses)
        ],
    )


def happenings(connection: Connection, number: int) -> Iterator[list[Happening]]:
    """All that ever happened in a range, by lowest number, a page at a time."""
    order = f"ORDER BY lowest, id LIMIT {PAGE}"
    page = sql.rows(connection, f"{_SELECT} {order}", (number,))
    while page:
        found = list(map(Happening._make, page))
        yield found
        if len(found) < PAGE:
            return
        last = found[-1]
        behind = "AND lowest >= ? AND (lowest > ? OR id > ?)"
        page = sql.rows(connection, f"{_SELECT} {behind} {order}", (number, last.lowest, last.lowest, last.id))


def spans(connection: Connection, number: int) -> Iterator[Span]:
    """All of a range's ledger, by number, read a page at a time."""
    select = (
        "SELECT lowest, highest, state, holder, serial, reason FROM replicator_number_span"
        f" WHERE range_id = ? AND lowest > ? ORDER BY lowest LIMIT {PAGE}"
    )
    after = -(2**63)
    while page := sql.rows(connection, select, (number, after)):
        yield from map(span_of, page)
        after = page[-1][0]


def last_used(connection: Connection, number: int, lowest: int, highest: int) -> int | None:
    """The highest of these numbers that is known to have been drawn, whether or not its row still stands."""
    row = sql.one(
        connection,
        f"SELECT max(highest) FROM replicator_number_event WHERE range_id = ? AND kind IN ({sql.marks(len(_KINDS))})"
        " AND lowest BETWEEN ? AND ? AND highest >= ?",
        (number, *_KINDS, lowest - LONGEST, highest, lowest),
    )
    return None if row is None or row[0] is None else min(row[0], highest)


def range_end(connection: Connection, number: int) -> int:
    """The next number that was never granted."""
    row = sql.one(connection, "SELECT high_water FROM replicator_number_range WHERE id = ?", (number,))
    return 0 if row is None else int(row[0])


# --- names ------------------------------------------------------------------------------------------------------------


def keep_name(connection: Connection, peer: int, name: str) -> None:
    """Of a station that is removed: the record has its number only."""
    sql.run(connection, "DELETE FROM replicator_number_node WHERE peer = ?", (peer,))
    sql.run(connection, "INSERT INTO replicator_number_node (peer, name) VALUES (?, ?)", (peer, name))


def names(connection: Connection) -> dict[int, str]:
    """Of removed stations, by their numbers."""
    return {row[0]: row[1] for row in sql.rows(connection, "SELECT peer, name FROM replicator_number_node")}
